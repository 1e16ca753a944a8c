"""A child that is kept: whatever ends a call, the next one gets its own answer, and nothing is left lying about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

from lockgate.errors import PredictError
from lockgate.runtime import kept_child
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.kept_child import KeptChild

ECHO = """
import time

def host(opening):
    def handle(body):
        time.sleep(float(body.split()[0]))
        return body
    return handle
"""
Make = Callable[[float], KeptChild]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    (tmp_path / "kept_echo.py").write_text(ECHO)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(kept_child, "RETRY_S", 0.0)
    made: list[KeptChild] = []

    def make(seconds: float) -> KeptChild:
        made.append(KeptChild("kept_echo:host", b"", "Echo", Limits(seconds=seconds)))
        return made[-1]

    yield make
    for child in made:
        child.close()


def asked_until_ready(child: KeptChild, body: bytes) -> bytes:
    give_up = time.monotonic() + 20
    while True:
        try:
            return child.ask(body, read=bytes)
        except PredictError:
            if time.monotonic() > give_up:
                raise


def test_an_interrupted_call_leaves_no_answer_for_the_next(kept: Make) -> None:
    child = kept(20.0)

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            child.ask(b"0.5 first", read=bytes)
    finally:
        signal.signal(signal.SIGALRM, before)
    time.sleep(0.5)
    assert [asked_until_ready(child, body) for body in (b"0 second", b"0 third")] == [b"0 second", b"0 third"]


def test_what_a_reader_cannot_hold_costs_no_other_call_its_answer(kept: Make) -> None:
    child = kept(20.0)

    def too_large(body: bytes) -> bytes:
        raise MemoryError

    with pytest.raises(MemoryError):
        child.ask(b"0 first", read=too_large)
    assert asked_until_ready(child, b"0 second") == b"0 second"


def test_waiting_for_others_is_not_held_against_the_child(kept: Make) -> None:
    child = kept(1.5)
    pid, found = child.pid, dict[int, bytes | str]()

    def ask(number: int) -> None:
        try:
            found[number] = child.ask(b"0.6 %d" % number, read=bytes)
        except PredictError as error:
            found[number] = error.reason

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert child.pid == pid
    assert set(found.values()) <= {b"0.6 0", b"0.6 1", b"0.6 2", b"0.6 3", "late"}
    assert sum(isinstance(answer, bytes) for answer in found.values()) >= 3


def test_a_late_call_names_its_own_limit(kept: Make) -> None:
    with pytest.raises(PredictError, match=r"within 0\.5 s") as caught:
        kept(0.5).ask(b"5 late", read=bytes)
    assert caught.value.reason == "late"


FULL = """
import os, resource, sys, time
from lockgate.errors import PredictError
from lockgate.runtime import kept_child
from lockgate.runtime.bounded_child import Limits
kept_child.RETRY_S = 0.0
child = kept_child.KeptChild("kept_echo:host", b"", "Echo", Limits(seconds=20.0))
os.kill(child.pid, 9)
open_files = lambda: len(os.listdir("/proc/self/fd"))
before, reasons = open_files(), set()
interpreter, sys.executable = sys.executable, "/nowhere/python"
for _ in range(30):
    try:
        child.ask(b"0 x", read=bytes)
    except PredictError as error:
        reasons.add(error.reason)
assert open_files() <= before, (before, open_files())
assert reasons == {"gone"}, reasons
sys.executable = interpreter
while True:
    try:
        assert child.ask(b"0 well", read=bytes) == b"0 well"
        break
    except PredictError:
        time.sleep(0.05)
child.close()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files by /proc")
def test_a_child_that_cannot_be_started_leaves_no_file_open_and_is_tried_again(kept: Make, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_a_forked_process_that_closes_it_leaves_the_child_to_its_parent(kept: Make) -> None:
    child = kept(20.0)
    forked = os.fork()
    if forked == 0:
        with suppress(BaseException):
            child.close()
        os._exit(0)
    os.waitpid(forked, 0)
    assert child.ask(b"0 mine", read=bytes) == b"0 mine"
