"""The kit of the model files: each format is recognised, loads in a fresh process, and answers there as it did here."""

from __future__ import annotations

import importlib.util
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.records import Column
from lockgate.runtime import formats
from lockgate.runtime.formats.constant import save_constant
from lockgate.runtime.formats.rule import RuleFile, save_rule

INPUTS = tuple(Column(name=name, type="float") for name in ("a", "b", "c"))
X = np.random.default_rng(0).normal(size=(400, 3))
Y = ((X[:, 0] ** 2 + X[:, 1]) > 0.8).astype(int)
K = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.7])
AWAY = """
import sys, numpy as np
from pathlib import Path
from lockgate.records import Column
from lockgate.runtime import formats
path, rows, out = sys.argv[1:4]
loaded = formats.load(Path(path))
inputs = tuple(Column(name=name, type="float") for name in ("a", "b", "c"))
matrix = np.load(rows)
columns = {column.name: matrix[:, place].astype(float) for place, column in enumerate(inputs)}
np.savez(out, by_matrix=formats.engine(loaded, inputs)(matrix), by_columns=formats.engine(loaded, inputs)(columns))
"""


@dataclass(frozen=True)
class Case:
    """format: what the file must be recognised as. save: writes the file or folder, and gives the answers expected."""

    format: str
    save: Callable[[Path], Callable[[Any], Any]]
    file: str
    needs: str = ""
    tolerance: float = 0.0


def _constant(path: Path) -> Callable[[Any], Any]:
    engine = save_constant(path.parent, 0.25)
    path.write_bytes((path.parent / "native/constant.json").read_bytes())
    return engine


def _rule(path: Path) -> Callable[[Any], Any]:
    file = RuleFile(columns=(1,), edges=((0.0,),), values=(0.2, 0.7, None), default=0.5)
    engine = save_rule(path.parent, file)
    path.write_bytes((path.parent / "native/rule.json").read_bytes())
    return engine


def _lightgbm(path: Path) -> Callable[[Any], Any]:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(X, K)
    model.booster_.save_model(str(path))
    return lambda x: model.booster_.predict(x, num_threads=1)


def _xgboost(path: Path) -> Callable[[Any], Any]:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=30, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:300], Y[:300], eval_set=[(X[300:], Y[300:])], verbose=False)
    model.save_model(path)
    return lambda x: model.predict_proba(x)[:, 1]


def _catboost(path: Path) -> Callable[[Any], Any]:
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(iterations=8, verbose=0, allow_writing_files=False, thread_count=1).fit(
        X, X[:, 0] + X[:, 1]
    )
    model.save_model(str(path))
    return model.predict


def _estimator() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RandomForestClassifier(8, random_state=0, n_jobs=2)).fit(X, K)


def _joblib(path: Path) -> Callable[[Any], Any]:
    import joblib

    model = _estimator()
    joblib.dump(model, path, compress=3)
    return model.predict_proba


def _pickle(path: Path) -> Callable[[Any], Any]:
    model = _estimator()
    path.write_bytes(pickle.dumps(model))
    return model.predict_proba


def _skops(path: Path) -> Callable[[Any], Any]:
    import skops.io

    model = _estimator()
    skops.io.dump(model, path)
    return model.predict_proba


def _onnx(path: Path) -> Callable[[Any], Any]:
    from skl2onnx import to_onnx

    model = _estimator()
    path.write_bytes(to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False}).SerializeToString())
    return model.predict_proba


def _statsmodels(path: Path) -> Callable[[Any], Any]:
    import statsmodels.api as sm

    results = sm.OLS(X[:, 0] * 2 + X[:, 1], sm.add_constant(X)).fit()
    results.save(str(path))
    return lambda x: results.predict(sm.add_constant(np.asarray(x, dtype=float)))


def _torchscript(path: Path) -> Callable[[Any], Any]:
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3), torch.nn.Softmax(1))
    _, loaded = formats.save_model(path.parent, module)
    path.write_bytes((path.parent / "native/model.pt").read_bytes())
    return loaded.answer


def _pyfunc(path: Path) -> Callable[[Any], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.sklearn

        model = _estimator()
        mlflow.sklearn.save_model(
            model, str(path), serialization_format="cloudpickle", pip_requirements=["scikit-learn"], input_example=None
        )
    return model.predict_proba


CASES = {
    "constant": Case("constant", _constant, "model.json"),
    "rule": Case("rule", _rule, "model.json"),
    "lightgbm": Case("lightgbm", _lightgbm, "model.txt", "lightgbm"),
    "xgboost": Case("xgboost", _xgboost, "model.ubj", "xgboost"),
    "xgboost as JSON": Case("xgboost", _xgboost, "model.json", "xgboost"),
    "catboost": Case("catboost", _catboost, "model.cbm", "catboost"),
    "joblib": Case("joblib", _joblib, "model.joblib"),
    "pickle": Case("joblib", _pickle, "model.pkl"),
    "statsmodels": Case("joblib", _statsmodels, "model.pickle", "statsmodels"),
    "skops": Case("skops", _skops, "model.skops", "skops"),
    "onnx": Case("onnx", _onnx, "model.onnx", "skl2onnx", tolerance=1e-5),
    "torchscript": Case("torchscript", _torchscript, "model.pt", "torch", tolerance=1e-6),
    "pyfunc": Case("pyfunc", _pyfunc, "model", "mlflow"),
}


@dataclass(frozen=True)
class Saved:
    case: Case
    path: Path
    expected: Callable[[Any], Any]


@pytest.fixture(params=CASES, scope="module")
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    case = CASES[request.param]
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    path = tmp_path_factory.mktemp("saved") / case.file
    return Saved(case, path, case.save(path))


def rows(seed: int, number: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, 3)).astype(np.float32)


def test_it_is_recognised_loads_in_a_fresh_process_and_answers_the_same(saved: Saved, tmp_path: Path) -> None:
    given, out = tmp_path / "rows.npy", tmp_path / "out.npz"
    np.save(given, rows(1))
    assert formats.recognise(saved.path) == saved.case.format
    subprocess.run([sys.executable, "-W", "error", "-c", AWAY, saved.path, given, out], check=True, timeout=100)
    here = formats.engine(formats.load(saved.path), INPUTS)
    with np.load(out) as away:
        np.testing.assert_array_equal(away["by_matrix"], here(rows(1)))
        np.testing.assert_array_equal(away["by_columns"], away["by_matrix"])
        wanted = np.asarray(saved.expected(rows(1)))
        np.testing.assert_allclose(away["by_matrix"], wanted, rtol=0, atol=saved.case.tolerance)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused_with_a_sentence_and_a_cure(
    saved: Saved, share: float, tmp_path: Path
) -> None:
    if saved.path.is_dir():
        path = Path(shutil.copytree(saved.path, tmp_path / saved.case.file))
        file = path / "model.pkl"
    else:
        path = file = Path(shutil.copyfile(saved.path, tmp_path / saved.case.file))
    body = file.read_bytes()
    file.write_bytes(body[: int(len(body) * share)])
    with pytest.raises(SpecError, match=re.escape(file.name)) as refused:
        formats.load(path)
    assert refused.value.cure


def test_an_answer_to_one_row_is_the_one_it_has_among_many(saved: Saved) -> None:
    engine = formats.engine(formats.load(saved.path), INPUTS)
    matrix = rows(2, 20)
    many = engine(matrix)
    one_by_one = np.concatenate([engine(matrix[place : place + 1]) for place in range(20)])
    np.testing.assert_allclose(one_by_one, many, rtol=1e-6, atol=1e-7)
    assert many.dtype == np.float64
