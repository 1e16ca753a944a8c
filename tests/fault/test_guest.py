"""A guest, a foreign model in a child process: it answers as the model does, and what happens to it costs one call."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lockgate.errors import PredictError, SpecError
from lockgate.features.columns import Columns
from lockgate.records import Column
from lockgate.runtime import formats
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.guest import Guest
from lockgate.runtime.kept_child import RETRY_S

INPUTS = (Column(name="a", type="float"), Column(name="b", type="float"))
X = np.random.default_rng(0).normal(size=(200, 2))
ODD = '''
import os, time
import numpy as np

class Odd:
    """Does what its first number says."""
    def predict(self, x):
        what = x[0, 0]
        if what == 1:
            time.sleep(60)
        if what == 2:
            raise ValueError("no such row")
        if what == 3:
            self.held = [bytearray(8 << 20) for _ in range(1000)]
        if what == 4:
            os._exit(9)
        return x[:, 1] * 2
'''


@pytest.fixture
def line(tmp_path: Path) -> Path:
    joblib.dump(LogisticRegression().fit(X, X[:, 0] > 0), tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


@pytest.fixture
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """Parameter: seconds that a call may take."""
    (tmp_path / "odd_model.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    make = "import joblib, odd_model; joblib.dump(odd_model.Odd(), 'odd.joblib')"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    limits = Limits(seconds=getattr(request, "param", 1.5), memory_mb=700)
    guest = Guest(tmp_path / "odd.joblib", "joblib", INPUTS, limits, trust=True)
    yield guest
    guest.close()


def row(what: float) -> np.ndarray:
    return np.array([[what, 5.0]], dtype=np.float32)


def until_it_answers(guest: Guest, within_s: float = 40) -> np.ndarray:
    """What a server does: the fallback answers until the guest does again."""
    give_up = time.monotonic() + within_s
    while True:
        try:
            return guest(row(0))
        except PredictError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def test_it_answers_as_the_model_does_to_a_matrix_and_to_columns(line: Path) -> None:
    guest = Guest(line, "joblib", INPUTS)
    matrix = np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)
    columns: Columns = {"a": matrix[:, 0].astype(float), "b": matrix[:, 1].astype(float)}
    here = formats.engine(formats.load(line), INPUTS)
    np.testing.assert_array_equal(guest(matrix), here(matrix))
    np.testing.assert_array_equal(guest(columns), here(columns))
    guest.close()


def test_text_and_missing_values_arrive_as_they_are(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "c": ["x", "y", "x", None]})
    prepared = make_column_transformer(("passthrough", ["a"]), (OneHotEncoder(handle_unknown="ignore"), ["c"]))
    model = make_pipeline(prepared, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    joblib.dump(model, tmp_path / "model.joblib")
    inputs = (Column(name="a", type="float"), Column(name="c", type="text", is_nullable=True))
    guest = Guest(tmp_path / "model.joblib", "joblib", inputs)
    columns: Columns = {"a": frame["a"].to_numpy(), "c": np.array(["x", "y", "x", None], dtype=object)}
    np.testing.assert_array_equal(guest(columns), model.predict_proba(frame)[:, 1])
    guest.close()


# Whoever grows does so slowly on a busy machine, and has the time to.
@pytest.mark.parametrize(
    ("odd", "what", "reason"), [(1.5, 1, "late"), (30.0, 3, "gone"), (30.0, 4, "gone")], indirect=["odd"]
)
def test_a_call_that_hangs_grows_or_kills_it_costs_that_call_and_the_guest_is_replaced(
    odd: Guest, what: int, reason: str
) -> None:
    time.sleep(RETRY_S)
    first = odd.pid
    with pytest.raises(PredictError) as unanswered:
        odd(row(what))
    assert unanswered.value.reason == reason
    assert until_it_answers(odd).tolist() == [10.0]
    assert odd.pid != first


def test_a_call_that_raises_leaves_it_as_it_was(odd: Guest) -> None:
    first = odd.pid
    with pytest.raises(PredictError, match="ValueError: no such row") as unanswered:
        odd(row(2))
    assert unanswered.value.reason == "raised"
    assert odd(row(0)).tolist() == [10.0]
    assert odd.pid == first


def test_killed_in_the_middle_of_a_call_it_says_so_and_comes_back(odd: Guest) -> None:
    time.sleep(RETRY_S)
    pid = odd.pid
    assert pid is not None
    threading.Timer(0.4, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(PredictError, match="killed by SIGKILL") as unanswered:
        odd(row(1))
    assert unanswered.value.reason == "gone"
    assert until_it_answers(odd).tolist() == [10.0]


def test_many_threads_may_ask_at_once_and_each_gets_its_own_answer(odd: Guest) -> None:
    found: dict[int, float] = {}

    def ask(number: int) -> None:
        found[number] = float(odd(np.array([[0.0, number]], dtype=np.float32))[0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: 2.0 * number for number in range(20)}


def test_a_file_that_cannot_be_loaded_or_does_not_fit_is_refused_when_the_guest_is_made(
    line: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.joblib"
    broken.write_bytes(line.read_bytes()[:200])
    with pytest.raises(SpecError, match=r"broken\.joblib"):
        Guest(broken, "joblib", INPUTS)
    with pytest.raises(SpecError, match="takes 2 columns"):
        Guest(line, "joblib", INPUTS[:1])


def test_it_ends_when_it_is_closed_and_answers_no_more(line: Path) -> None:
    guest = Guest(line, "joblib", INPUTS)
    pid = guest.pid
    guest.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(PredictError, match="closed"):
        guest(row(0))
    del guest
    gc.collect()


def test_it_ends_with_its_parent_even_when_that_is_killed(line: Path, tmp_path: Path) -> None:
    keep = (
        "import sys, time; from pathlib import Path; from lockgate.records import Column;"
        "from lockgate.runtime.guest import Guest;"
        "g = Guest(Path(sys.argv[1]), 'joblib', (Column(name='a', type='float'), Column(name='b', type='float')));"
        "print(g.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", keep, line], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(60):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the guest outlived its parent")
