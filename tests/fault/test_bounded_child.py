"""Work in a bounded child: what hangs, crashes or grows ends with a sentence, and the parent goes on unharmed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from lockgate.errors import ContractError, PredictError, SpecError
from lockgate.runtime.bounded_child import Limits, run

WORK = '''
import os, signal, subprocess, sys, time
from pathlib import Path

def twice(body):
    return body * 2

def hang(body):
    time.sleep(60)

def spin(body):
    while True:
        pass

def hold_the_lock(body):
    """C code that never gives the interpreter back."""
    import re
    re.match(r"(a+)+$", "a" * 40 + "b")

def grow(body):
    held = []
    while True:
        held.append(bytearray(8 << 20))

def grow_in_numpy(body):
    import numpy as np
    return np.ones(1 << 32).tobytes()

def crash(body):
    import ctypes
    ctypes.string_at(0)

def leave(body):
    os._exit(7)

def give_up(body):
    sys.exit(3)

def killed(body):
    os.kill(os.getpid(), signal.SIGKILL)

def raises(body):
    raise ZeroDivisionError("no such share")

def breaks_contract(body):
    from lockgate.errors import ContractError
    raise ContractError("Column 'a' is missing.", cure="Add it.", column="a", row=4)

def no_answer(body):
    from lockgate.errors import PredictError
    raise PredictError("It answered nothing.", reason="shape")

def tells(body):
    from lockgate.runtime.bounded_child import tell
    tell("loading")
    print("what a framework prints")
    tell("done")
    return b""

def looks(body):
    open_ends = sorted(os.listdir("/proc/self/fd"), key=int)
    return repr((len(open_ends), sys.stdin.read())).encode()

def with_a_grandchild(body):
    child = subprocess.Popen(["sleep", "60"])
    Path(body.decode()).write_text(str(child.pid))
    time.sleep(60)
'''


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "child_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)


def ask(what: str, body: bytes = b"", seconds: float = 20, memory_mb: int = 512) -> bytes:
    return run(f"child_work:{what}", body, Limits(seconds=seconds, memory_mb=memory_mb), what="Reading the model")


def test_it_answers_with_what_the_function_gives() -> None:
    assert ask("twice", b"ab" * 1_000_000) == b"ab" * 2_000_000


@pytest.mark.parametrize("what", ["hang", "spin", "hold_the_lock"])
def test_work_that_does_not_end_is_ended_at_its_limit(what: str) -> None:
    start = time.monotonic()
    with pytest.raises(SpecError, match=r"Reading the model .*(within 1\.5 s|processor time than 1\.5 s)"):
        ask(what, seconds=1.5)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("what", ["grow", "grow_in_numpy"])
def test_work_that_outgrows_its_memory_is_ended(what: str) -> None:
    with pytest.raises(SpecError, match=r"Reading the model asked for more than the 512 MB"):
        ask(what)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("crash", "killed by SIGSEGV"),
        ("leave", "exit code 7"),
        ("killed", "killed by SIGKILL"),
        ("raises", "raised ZeroDivisionError: no such share"),
        ("give_up", "raised SystemExit: 3"),
    ],
)
def test_whatever_else_happens_is_one_sentence(what: str, said: str) -> None:
    with pytest.raises(SpecError, match=f"Reading the model .*{said}"):
        ask(what)


def test_errors_of_lockgates_own_come_back_as_themselves() -> None:
    with pytest.raises(ContractError, match="Column 'a' is missing") as broken:
        ask("breaks_contract")
    assert (broken.value.cure, broken.value.column, broken.value.row) == ("Add it.", "a", 4)
    with pytest.raises(PredictError, match="It answered nothing") as unanswered:
        ask("no_answer")
    assert unanswered.value.reason == "shape"


def test_what_it_tells_reaches_the_parent_and_what_a_framework_prints_does_not() -> None:
    heard: list[str] = []
    run("child_work:tells", b"", Limits(seconds=20, memory_mb=512), progress=heard.append)
    assert heard == ["loading", "done"]


def test_it_inherits_no_open_file_but_its_pipes_and_nothing_to_read() -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not list open files under /proc")
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    for end in held:
        os.set_inheritable(end, True)
    try:
        assert ask("looks") == repr((6, "")).encode()  # three of its own, two pipes, and the folder it lists
    finally:
        for end in held:
            os.close(end)


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    with pytest.raises(SpecError, match="within"):
        ask("with_a_grandchild", str(place).encode(), seconds=3)
    pid = int(place.read_text())
    for _ in range(50):
        if not _is_running(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the grandchild lives on")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
