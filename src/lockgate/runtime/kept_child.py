"""A child process that is kept: asked again and again, and replaced when it hangs, dies, or outgrows its memory.

Whatever happens to it costs the call in hand; while the new one opens, calls are refused at once, for a fallback to answer.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from typing import NoReturn, TypeVar

import msgspec

from lockgate.errors import LockgateError, PredictError, SpecError
from lockgate.runtime.bounded_child import Child, Ended, Limits

T = TypeVar("T")
RETRY_S = 2.0
LOAD_S = 60.0
_kept: weakref.WeakSet[KeptChild] = weakref.WeakSet()


class KeptChild:
    """One call at a time; safe to call from many threads.

    entry: "module:function", which opens with the first message and gives what answers all others; name: what it is, for
    sentences. limits: of one call; load_s: how long it may take to open. Raises SpecError when it is made, where it does not
    open.
    """

    def __init__(self, entry: str, opening: bytes, name: str, limits: Limits, *, load_s: float = LOAD_S) -> None:
        self._entry, self._opening, self._name = entry, opening, name
        self._limits, self._load_s = limits, load_s
        self._child: Child | None = None
        self._lock = threading.Lock()
        self._is_ready = self._is_closed = False
        self._started_s = 0.0
        _kept.add(self)
        try:
            self._start()
            self._open(time.monotonic() + load_s)
        except Ended as end:
            self.close()
            raise SpecError(f"Loading {self._name} {end.sentence}.", cure="Make sure the file is whole.") from end
        except BaseException:
            self.close()
            raise

    def ask(self, body: bytes, *, read: Callable[[bytes], T]) -> T:
        """The answer to one message, as `read` reads it. Raises PredictError: raised (the work did), late, or gone (the child
        died, outgrew its memory, answered what cannot be read, or is still opening).

        The caller waits for others' calls as long as a call may take; then the child has as long for this one.
        """
        patience = time.monotonic() + self._limits.seconds
        if not self._lock.acquire(timeout=self._limits.seconds):
            raise self._still_busy()
        try:
            return self._asked(body, read, patience)
        except Ended as end:
            self._replace()
            why = "late" if end.why == "late" else "gone"
            raise PredictError(f"{self._name} {end.sentence}.", reason=why) from end
        except PredictError:
            raise
        except (
            BaseException
        ):  # interrupted, say: the answer is still on its way, and the next call would take it for its own
            self._drop()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Ends the child."""
        self._is_closed = True
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def __del__(self) -> None:
        """What is used no more takes its child with it."""
        if hasattr(self, "_child"):
            self.close()

    @property
    def pid(self) -> int | None:
        """The child's, None where there is none."""
        return self._child.pid if self._child is not None else None

    def _asked(self, body: bytes, read: Callable[[bytes], T], patience: float) -> T:
        if time.monotonic() >= patience:
            raise self._still_busy()
        child = self._ready_child(patience)
        deadline = time.monotonic() + self._limits.seconds
        child.send(body, deadline)
        try:
            return read(child.receive(deadline))
        except Ended as end:
            if end.why == "raised":
                raise PredictError(f"{self._name} {end.sentence}.", reason="raised") from end
            raise
        except PredictError:
            raise
        except LockgateError as error:
            raise PredictError(f"{self._name}: {error.message}", reason="raised") from error
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise Ended("gone", "answered what is no answer") from error

    def _ready_child(self, deadline: float) -> Child:
        if self._is_closed:
            raise PredictError(f"{self._name} is closed.", reason="gone")
        if self._child is None:
            self._restart()
        if self._child is not None and not self._is_ready:
            self._await(deadline)
        child = self._child  # another thread may close it
        if child is None:
            raise PredictError(f"{self._name} could not be started again.", reason="gone")
        if not child.is_alive:
            raise Ended("gone", "had ended")
        return child

    def _await(self, deadline: float) -> None:
        """The new child's first word. Still loading by the deadline: it goes on, and this call is not answered."""
        try:
            self._open(deadline)
        except Ended as end:
            if end.why == "late" and time.monotonic() < self._started_s + self._load_s:
                raise PredictError(f"{self._name} is still loading.", reason="gone") from end
            raise
        except LockgateError as error:
            self._drop()
            raise PredictError(f"{self._name}: {error.message}", reason="gone") from error

    def _open(self, deadline: float) -> None:
        assert self._child is not None
        self._child.receive(deadline)
        self._is_ready = True

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._is_ready = False
        self._child = Child(self._entry, "serve", self._child_limits())
        try:
            self._child.send(self._opening, self._started_s + self._load_s)
        except BaseException:  # it would wait for the rest of its opening, and take the next message for it
            self._drop()
            raise

    def _child_limits(self) -> Limits:
        return Limits(seconds=max(self._load_s, self._limits.seconds), memory_mb=self._limits.memory_mb)

    def _replace(self) -> None:
        self._drop()
        if not self._is_closed:
            self._restart(is_asked=False)

    def _restart(self, *, is_asked: bool = True) -> None:
        """A new child, not more often than every two seconds: one that dies while it loads would be made without end."""
        if time.monotonic() < self._started_s + RETRY_S:
            if is_asked:
                self._wait_out()
            return
        try:
            self._start()
        except (Ended, OSError, RuntimeError):  # the last: no thread to be had
            self._drop()

    def _still_busy(self) -> PredictError:
        return PredictError(f"{self._name} was still busy after {self._limits.seconds:g} s.", reason="late")

    def _wait_out(self) -> NoReturn:
        raise PredictError(f"{self._name} ended a moment ago, and is not started again yet.", reason="gone")

    def _drop(self) -> None:
        child, self._child = self._child, None
        self._is_ready = False
        if child is not None:
            child.end()


@atexit.register
def _close_all() -> None:
    for child in list(_kept):
        child.close()
