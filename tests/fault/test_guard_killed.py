"""A service with a guarded callable is killed with SIGKILL: no prediction whose caller had its answer is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockgate.records import Prediction
from lockgate.store.segments import SegmentLog

SERVICE = """
import sys, threading
import lockgate as lg

@lg.guard("late", fallback=[0.23], task="binary", deadline_ms=1000, id="id")
def predict(row):
    if row["n"] % 7 == 0:
        raise RuntimeError
    return 0.7

def ask(own):
    n = 0
    while True:
        n += 1
        reply = predict.answer({"n": n, "id": f"{sys.argv[1]}-{own}-{n}"})
        said = f"{reply.id} {reply.value}\\n"
        with lock:
            out.write(said)
            out.flush()

lock, out = threading.Lock(), open(sys.argv[2], "a")
for own in range(4):
    threading.Thread(target=ask, args=(own,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_no_answered_prediction_is_lost(tmp_path: Path, rounds: int):
    (tmp_path / ".lockgate").mkdir()
    told = tmp_path / "told"
    for number in range(rounds):
        running = subprocess.Popen([sys.executable, "-c", SERVICE, str(number), str(told)], cwd=tmp_path)
        size = told.stat().st_size if told.exists() else 0
        until = time.monotonic() + 30
        while (not told.exists() or told.stat().st_size < size + 5_000) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    # A line that was begun as the process died is no answer that anybody had.
    whole = told.read_text().rpartition("\n")[0].splitlines()
    answers = dict(line.split() for line in whole if len(line.split()) == 2)
    logged = {
        entry.id: entry
        for entry in SegmentLog(tmp_path / ".lockgate" / "log").read()[0]
        if isinstance(entry, Prediction)
    }
    assert len(answers) > 100 * rounds
    assert [name for name in answers if name not in logged] == []
    assert all(logged[name].value == float(value) for name, value in answers.items() if value in ("0.7", "0.23"))
    assert {entry.failure for entry in logged.values()} == {None, "raised"}
