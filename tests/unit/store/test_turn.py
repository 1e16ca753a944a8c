"""One writer at a time: the next waits, is told when it waits too long, and gets the turn of one that was killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockgate.errors import Conflict, StoreError
from lockgate.store.turn import turn

HOLD = """
import sys, time
from pathlib import Path
from lockgate.store.turn import turn
with turn(Path(sys.argv[1]), "the table"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, folder, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_the_next_waits_for_the_one_before(tmp_path: Path) -> None:
    with holder(tmp_path, 0.4) as child:
        with turn(tmp_path, "the table"):
            pass
        assert child.wait() == 0, "the turn came before the holder had ended"


def test_whoever_waits_too_long_is_told(tmp_path: Path) -> None:
    with holder(tmp_path, 30) as child:
        with pytest.raises(Conflict, match="at the table for 0 s"), turn(tmp_path, "the table", wait_s=0.1):
            pass
        child.kill()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path, 30) as child:
        child.kill()
        child.wait()
        began = time.monotonic()
        with turn(tmp_path, "the table"):
            assert time.monotonic() - began < 5
    with turn(tmp_path, "the table"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"), turn(tmp_path / "file" / "t", "the table"):
        pass
