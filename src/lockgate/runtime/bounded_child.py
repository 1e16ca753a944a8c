"""Work in a child process of its own, bounded in time and memory: what hangs, crashes or grows there ends there.

A bound is not a sandbox: the child may still read what this user may read. POSIX only.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

import msgspec

from lockgate import errors
from lockgate.errors import LockgateError, PredictError, SpecError
from lockgate.runtime.child import DONE, HEAD, Failure

Progress = Callable[[str], None]
Mode = Literal["once", "serve"]
Why = Literal["raised", "late", "memory", "gone"]
WATCH_S = 0.05
MAX_REPLY = 1 << 32
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_TOLD = "\x1e"  # before a line that is meant for the parent: what frameworks print is not
_NO_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory", "cannot allocate memory")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """seconds: of wall time, for the work or for one call. memory_mb: what the child may write to, its libraries included."""

    seconds: float = 300.0
    memory_mb: int = 4096


class Ended(Exception):
    """The child gave no answer. why: raised (its work did; it lives on), late, memory, or gone (crashed or killed)."""

    def __init__(self, why: Why, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why
        self.sentence = sentence


def run(
    entry: str, payload: bytes, limits: Limits, *, progress: Progress = lambda _: None, what: str = "The work"
) -> bytes:
    """What "module:function" gives for `payload`, called in a child process.

    progress: gets each line that the child tells. Lockgate's own errors come back as themselves. Raises SpecError, a sentence
    about `what`, where the child raised anything else, crashed, or met a limit.
    """
    child = Child(entry, "once", limits, progress)
    try:
        deadline = time.monotonic() + limits.seconds
        child.send(payload, deadline)
        return child.receive(deadline)
    except Ended as end:
        raise SpecError(f"{what} {end.sentence}.", cure=_cure(end.why)) from end
    finally:
        child.end()


def tell(line: str) -> None:
    """In the child: a line for the parent's progress. Other lines that are printed are kept for the error message."""
    sys.stderr.write(f"{_TOLD}{line}\n")
    sys.stderr.flush()


class Child:
    """One child process and its two pipes. Not safe for several threads at once."""

    def __init__(self, entry: str, mode: Mode, limits: Limits, progress: Progress = lambda _: None) -> None:
        if os.name != "posix":
            raise SpecError(
                "Files from elsewhere are loaded in a child process, which needs Linux or macOS.",
                cure="Run this on Linux or macOS.",
            )
        self._limits = limits
        self._progress = progress
        self._tail: deque[str] = deque(maxlen=50)
        self._allowed_s = limits.seconds
        self._parent = os.getpid()
        self._start(entry, mode)

    def _start(self, entry: str, mode: Mode) -> None:
        """All of it or nothing: no pipe and no process is left where one part cannot be had."""
        with ExitStack() as ours:
            with ExitStack() as theirs:
                theirs_in, self._give = _pipe(theirs, ours)
                theirs_out, self._take = _pipe(theirs, ours, is_read=True)
                said, listened = _pipe(theirs, ours, is_read=True)
                cpu_s = int(self._limits.seconds * (os.cpu_count() or 1)) + 1
                command = [sys.executable, "-c", "from lockgate.runtime.child import main; main()"]
                words = [str(word) for word in (theirs_in, theirs_out, self._limits.memory_mb, cpu_s, mode, entry)]
                self._process = subprocess.Popen(
                    command + words,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    pass_fds=(theirs_in, theirs_out),
                    start_new_session=True,
                    env=_environment(),
                )
                ours.callback(self._kill)
            os.set_blocking(self._give, False)
            os.set_blocking(self._take, False)
            self._listener = threading.Thread(target=self._listen, args=(listened,), daemon=True, name="lockgate-child")
            self._listener.start()
            ours.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, body: bytes, deadline: float) -> None:
        """One message. deadline: by time.monotonic(). Raises Ended."""
        self._allowed_s = round(deadline - time.monotonic(), 2)
        for part in (HEAD.pack(DONE, len(body)), body):
            rest = memoryview(part)
            while rest:
                self._wait(self._give, select.POLLOUT, deadline)
                try:
                    rest = rest[os.write(self._give, rest[: 1 << 16]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError as error:
                    raise self._gone() from error

    def receive(self, deadline: float) -> bytes:
        """The answer to a message. Raises Ended, or the child's own error of Lockgate's."""
        kind, size = HEAD.unpack(self._exactly(HEAD.size, deadline))
        if size > MAX_REPLY:
            raise Ended("gone", "answered what is no answer")
        body = self._exactly(size, deadline)
        if kind == DONE:
            return body
        raise _error(body, self._limits)

    def _exactly(self, size: int, deadline: float) -> bytes:
        body = bytearray()
        while len(body) < size:
            self._wait(self._take, select.POLLIN, deadline)
            try:
                part = os.read(self._take, min(size - len(body), 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise self._gone()
            body += part
        return bytes(body)

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        """Until the pipe is ready; meanwhile the child's life, time and memory are watched."""
        poll = select.poll()
        poll.register(pipe, event)
        while True:
            left = deadline - time.monotonic()
            if poll.poll(max(0.0, min(left, WATCH_S)) * 1000):
                return
            if left <= 0:
                raise Ended("late", f"was not done within {self._allowed_s:g} s, and was ended")
            if memory_mb(self.pid) > self._limits.memory_mb:
                raise Ended("memory", self._outgrown())
            if not self.is_alive:
                raise self._gone()

    def _gone(self) -> Ended:
        code = self._died_of()
        if any(word in line for line in self._tail for word in _NO_MEMORY):
            return Ended("memory", self._outgrown())
        if code is not None and -code == signal.SIGXCPU:
            return Ended("late", f"used more processor time than {self._limits.seconds:g} s allow, and was ended")
        last = next((line for line in reversed(self._tail) if line.strip()), "")
        said = f"; it last said: {last[:200]}" if last else ""
        return Ended("gone", f"ended without an answer ({_cause(code)}){said}")

    def _died_of(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._listener.join(0.5)
        return self._process.returncode

    def _outgrown(self) -> str:
        return f"asked for more than the {self._limits.memory_mb} MB of memory it may have, and was ended"

    def _listen(self, said: int) -> None:
        with os.fdopen(said, errors="replace") as lines:
            for line in lines:
                if not line.startswith(_TOLD):
                    self._tail.append(line.rstrip("\n"))
                    if os.environ.get("LOCKGATE_DEBUG"):
                        sys.stderr.write(line)
                    continue
                with suppress(Exception):  # what shows progress may fail; the work goes on
                    self._progress(line[len(_TOLD) :].rstrip("\n"))

    def end(self) -> None:
        """Kills it with all it started, and waits for it. Safe to call twice. A process that was forked since lets go of its
        pipes alone: the child is its parent's.
        """
        if os.getpid() == self._parent:
            self._kill()
            self._listener.join(1.0)
        for pipe in (self._give, self._take):
            if pipe >= 0:
                os.close(pipe)
        self._give = self._take = -1

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if self._process.returncode is None:  # unreaped, so that its number is still its own
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _pipe(theirs: ExitStack, ours: ExitStack, *, is_read: bool = False) -> tuple[int, int]:
    """The child's end of a new pipe, and ours, which is the one to read from where `is_read`."""
    read, write = os.pipe()
    theirs.callback(os.close, write if is_read else read)
    ours.callback(os.close, read if is_read else write)
    return (write, read) if is_read else (read, write)


def memory_mb(pid: int) -> float:
    """What a process holds in memory, 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _environment() -> dict[str, str]:
    """One thread unless asked otherwise, and the parent's own module path."""
    given = dict(os.environ)
    for name in _THREADS:
        given.setdefault(name, "1")
    given["PYTHONPATH"] = os.pathsep.join(place for place in sys.path if place)
    given["PYTHONUNBUFFERED"] = "1"
    return given


def _error(body: bytes, limits: Limits) -> Exception:
    try:
        failure = msgspec.msgpack.decode(body, type=Failure)
    except msgspec.MsgspecError:
        return Ended("gone", "answered what is no answer")
    if failure.is_memory:
        return Ended("memory", f"asked for more than the {limits.memory_mb} MB of memory it may have")
    if failure.kind is None:
        return Ended("raised", f"raised {failure.message}".removesuffix("."))
    return _own(failure)


def _own(failure: Failure) -> LockgateError:
    """Lockgate's own error as it was raised."""
    kind: type[LockgateError] = getattr(errors, failure.kind or "", LockgateError)
    if issubclass(kind, PredictError):
        return kind(failure.message, reason=failure.reason or "raised")
    made = kind(failure.message, cure=failure.cure, place=failure.place)
    for name in ("column", "row"):
        if hasattr(made, name):
            setattr(made, name, getattr(failure, name))
    return made


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _cure(why: str) -> str:
    if why == "late":
        return "Give it more time, or fewer rows."
    if why == "raised":
        return "This is a bug of ours: run again with LOCKGATE_DEBUG=1 to see where."
    if why == "memory":
        return "Give it more memory, or fewer rows."
    return "Make sure the file is whole and comes from somebody you trust."
