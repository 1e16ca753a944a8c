"""Scanning: what a pickle names is seen without running it, and stopped by the reader as well as by the scan."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.runtime import formats
from lockgate.runtime.known import is_known, is_plain_formula
from lockgate.runtime.scan import refuse, scan
from lockgate.runtime.unpickle import guarded

MARK = "written_by_a_pickle"


class Acts:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def _runstring() -> Callable[..., Any]:
    from numpy.testing._private.utils import runstring

    return runstring


def hostile(place: Path) -> dict[str, Any]:
    """Objects that write a file when they are loaded by an ordinary pickle reader."""
    command = f"open({str(place)!r}, 'w').close()"
    import pandas as pd

    frame = pd.DataFrame({"a": [1]})
    return {
        "os.system": Acts(os.system, f"touch {place}"),
        "exec": Acts(exec, command),
        "eval": Acts(eval, command),
        "subprocess": Acts(subprocess.check_call, ["touch", str(place)]),
        "pathlib": Acts(Path.write_text, place, "x"),
        "runstring": Acts(_runstring(), command, {}),
        "partial": Acts(partial(os.system, f"touch {place}")),
        "methodcaller": Acts(methodcaller("to_csv", str(place)), frame),
        "memmap": Acts(np.memmap, str(place), "uint8", "w+", 0, (1,)),
        "joblib.dump": Acts(joblib.dump, 1, str(place)),
        "within an array": np.array([Acts(os.system, f"touch {place}")], dtype=object),
    }


KINDS = [
    "os.system",
    "exec",
    "eval",
    "subprocess",
    "pathlib",
    "runstring",
    "partial",
    "methodcaller",
    "memmap",
    "joblib.dump",
    "within an array",
]


def as_pickle(path: Path, model: Any) -> None:
    path.write_bytes(pickle.dumps(model))


def as_joblib(path: Path, model: Any) -> None:
    joblib.dump(model, path)


def as_packed(path: Path, model: Any) -> None:
    joblib.dump(model, path, compress=("gzip", 3))


def beside_arrays(path: Path, model: Any) -> None:
    """Behind the raw bytes of an array, where a reader of opcodes alone loses its way."""
    joblib.dump({"a": np.arange(1000.0), "b": model}, path)


@pytest.mark.parametrize("save", [as_pickle, as_joblib, as_packed, beside_arrays])
@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_that_would_write_a_file_is_refused_by_name_by_the_scan_and_by_the_reader(
    kind: str, save: Callable[[Path, Any], None], tmp_path: Path
) -> None:
    place, path = tmp_path / MARK, tmp_path / "model.pkl"
    save(path, hostile(place)[kind])
    scanned = scan(path)
    assert scanned.is_pickle
    assert scanned.unknown
    with pytest.raises(SpecError, match=r"names .*outside the known model libraries.*--trust"):
        refuse(scanned)
    with pytest.raises(SpecError, match=r"names .*nothing of it was loaded"):
        guarded(path)
    with pytest.raises(SpecError, match="--trust"):
        formats.load(path)
    assert not place.exists()


@pytest.mark.parametrize("kind", ["os.system", "exec", "runstring"])
def test_the_same_pickle_does_write_it_when_nobody_looks(kind: str, tmp_path: Path) -> None:
    place, path = tmp_path / MARK, tmp_path / "model.pkl"
    as_pickle(path, hostile(place)[kind])
    pickle.loads(path.read_bytes())
    assert place.exists()


def test_a_pickle_within_a_zip_within_a_zip_is_seen(tmp_path: Path) -> None:
    body = pickle.dumps(Acts(os.system, "true"))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("data.pkl", body)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    assert "posix.system" in scan(tmp_path / "model.zip").unknown


def test_a_name_that_is_put_together_while_loading_is_still_stopped(tmp_path: Path) -> None:
    """`os` and `system` come apart from the memo: no opcode holds them side by side."""
    body = b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x00h\x01\x93\x8c\x04true\x85R."
    body = body.replace(b"h\x00h\x01", b"00h\x01h\x00")
    path = tmp_path / "model.pkl"
    path.write_bytes(body)
    assert "os.system" in scan(path).unknown
    with pytest.raises(SpecError, match=r"os\.system"):
        guarded(path)


def test_a_name_that_a_known_module_imported_is_not_taken_for_its_own(tmp_path: Path) -> None:
    """lightgbm.basic holds pathlib's Path, sklearn's modules hold more: such a name passes no list."""
    assert not is_known("lightgbm.basic", "Path")
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02csklearn.utils._set_output\nProtocol\n.")
    with pytest.raises(SpecError, match=r"Protocol"):
        guarded(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "getattr"),
        ("builtins", "eval"),
        ("numpy.testing", "runstring"),
        ("numpy", "memmap"),
        ("numpy", "load"),
        ("numpy._core", "_ufunc_reconstruct"),
        ("numpy", "ndarray.tofile"),
        ("pandas", "HDFStore"),
        ("pandas", "read_pickle"),
        ("pandas", "eval"),
        ("pandas.io.pytables", "HDFStore"),
        ("joblib", "load"),
        ("joblib.memory", "Memory"),
        ("scipy.stats._distn_infrastructure", "rv_continuous"),
        ("sklearn.datasets", "fetch_openml"),
        ("sklearn.utils._testing", "TempMemmap"),
        ("sklearn.linear_model._base", "LinearModel.predict"),
        ("operator", "attrgetter"),
        ("operator", "methodcaller"),
        ("lightgbm.basic", "_safe_call"),
        ("statsmodels.iolib.smpickle", "load_pickle"),
        ("mymodule", "Transformer"),
        ("__main__", "Transformer"),
    ],
)
def test_names_that_act_are_unknown_although_their_library_may_be_known(module: str, name: str) -> None:
    assert not is_known(module, name)


def test_a_class_of_the_users_own_asks_for_trust_and_loads_with_it(tmp_path: Path) -> None:
    (tmp_path / "mymodule.py").write_text(
        "class Twice:\n    def fit(self, x, y=None):\n        return self\n"
        "    def predict(self, x):\n        return x[:, 0] * 2.0\n"
    )
    make = "import joblib, mymodule; joblib.dump(mymodule.Twice(), 'model.joblib')"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    with pytest.raises(SpecError, match=r"mymodule\.Twice.*--trust"):
        formats.load(tmp_path / "model.joblib")
    use = (
        "import numpy as np; from pathlib import Path; from lockgate.runtime import formats;"
        "print(formats.load(Path('model.joblib'), trust=True).answer(np.array([[3.0]])))"
    )
    said = subprocess.run([sys.executable, "-c", use], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[6.]"


def test_trusted_code_that_cannot_be_found_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02cgone_module\nTwice\n)\x81.")
    with pytest.raises(SpecError, match=r"gone_module.*its module lies"):
        formats.load(tmp_path / "model.pkl", trust=True)


@pytest.mark.parametrize(
    ("formula", "is_plain"),
    [
        ("late ~ wait + C(carrier) + np.log(seats):wait", True),
        ("y ~ Q('my column') + bs(x, df=4)", True),
        ("y ~ C(c, Treatment('a')) * x - 1", True),
        ("y ~ x + I(__import__('os').system('true'))", False),
        ("y ~ np.load('x')", False),
        ("y ~ np.log.__class__(x)", False),
        ("y ~ open('x', 'w')", False),
        ("y ~ C(x)(y)", False),
    ],
)
def test_a_formula_may_hold_columns_and_plain_functions_alone(formula: str, is_plain: bool) -> None:
    assert is_plain_formula(formula) == is_plain


def test_a_statsmodels_formula_that_runs_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    import pandas as pd

    smf = pytest.importorskip("statsmodels.formula.api")
    place, path = tmp_path / MARK, tmp_path / "model.pkl"
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0], "y": [1.0, 2.5, 3.0, 4.0]})
    formula = f"y ~ x + I(0 * x + len(str(open({str(place)!r}, 'w'))))"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smf.ols(formula, frame).fit().save(str(path))
    place.unlink()
    assert any("formula" in name for name in scan(path).unknown)
    with pytest.raises(SpecError, match="formula"):
        guarded(path)
    assert not place.exists()


def test_a_file_that_is_no_pickle_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("tree\nversion=v4\n")
    scanned = scan(tmp_path / "model.txt")
    assert not scanned.is_pickle
    assert not scanned.unknown


def test_skops_names_what_it_does_not_trust(tmp_path: Path) -> None:
    io_ = pytest.importorskip("skops.io")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    io_.dump(make_pipeline(FunctionTransformer(os.path.join)), tmp_path / "model.skops")
    assert scan(tmp_path / "model.skops").unknown
    with pytest.raises(SpecError, match="--trust"):
        formats.load(tmp_path / "model.skops")


def test_losses_of_older_scikit_learns_are_known_and_nobodys_module_of_that_name_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cython once wrote their module without its package: `_loss`, which may be anybody's."""
    from sklearn._loss._loss import CyHalfBinomialLoss

    (tmp_path / "_loss.py").write_text("raise SystemExit('the module beside the file was run')")
    monkeypatch.syspath_prepend(tmp_path)
    old = pickle.dumps(CyHalfBinomialLoss(), protocol=2).replace(b"csklearn._loss._loss\n", b"c_loss\n")
    assert b"c_loss\nCyHalfBinomialLoss\n" in old  # what a scikit-learn of that time writes by itself
    file = tmp_path / "model.pkl"
    file.write_bytes(old)
    assert scan(file).unknown == ()
    assert isinstance(guarded(file), CyHalfBinomialLoss)
    file.write_bytes(old.replace(b"CyHalfBinomialLoss\n", b"system\n"))
    assert "_loss.system" in scan(file).unknown
