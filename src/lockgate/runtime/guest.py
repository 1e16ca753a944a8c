"""A guest: a foreign model's file in a child process that stays, answering in place of the file itself.

The file is never loaded in this process. A call that hangs, or a child that dies or outgrows its memory, costs that call:
the child is replaced, and while the new one loads, calls are answered by the fallback.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from lockgate.errors import LockgateError, PredictError, SpecError
from lockgate.features.columns import Columns
from lockgate.features.pipeline import Floats
from lockgate.records import Column
from lockgate.records.spec import Task
from lockgate.records.version import Format
from lockgate.runtime.bounded_child import Child, Ended, Limits
from lockgate.runtime.predictor import Inputs

LIMITS = Limits(seconds=10.0, memory_mb=4096)
LOAD_S = 60.0
RETRY_S = 2.0
_guests: weakref.WeakSet[Guest] = weakref.WeakSet()


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: what to load, and how it will be asked."""

    path: str
    format: Format
    inputs: tuple[Column, ...]
    task: Task | None
    trust: bool
    seconds: float


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers as their bytes, text as it is."""

    dtype: str = ""
    shape: tuple[int, ...] = ()
    body: bytes = b""
    text: list[str | None] | None = None


class Guest:
    """An engine whose model lives in a child process. One call at a time; safe to call from many threads.

    Raises SpecError when it is made, where the file cannot be loaded or does not fit `inputs`; when called, PredictError:
    raised (the model did), late, or gone (the child died, outgrew its memory, or is still loading).
    """

    def __init__(
        self,
        path: Path,
        format: Format,  # noqa: A002 - the record's own word
        inputs: tuple[Column, ...],
        limits: Limits = LIMITS,
        *,
        task: Task | None = None,
        trust: bool = False,
        load_s: float = LOAD_S,
    ) -> None:
        self._limits, self._load_s = limits, load_s
        self._child: Child | None = None
        opening = Opening(
            path=str(path), format=format, inputs=inputs, task=task, trust=trust, seconds=max(limits.seconds, 1.0)
        )
        self._opening = msgspec.msgpack.encode(opening)
        self._name = path.name
        self._lock = threading.Lock()
        self._is_ready = self._is_closed = False
        self._started_s = 0.0
        _guests.add(self)
        try:
            self._start()
            self._open(time.monotonic() + load_s)
        except Ended as end:
            self.close()
            raise SpecError(f"Loading {self._name} {end.sentence}.", cure="Make sure the file is whole.") from end
        except BaseException:
            self.close()
            raise

    def __call__(self, inputs: Inputs, /) -> Floats:
        deadline = time.monotonic() + self._limits.seconds
        if not self._lock.acquire(timeout=self._limits.seconds):
            raise PredictError(f"{self._name} was still busy after {self._limits.seconds:g} s.", reason="late")
        try:
            return self._asked(inputs, deadline)
        except Ended as end:
            self._replace()
            why = "late" if end.why == "late" else "gone"
            raise PredictError(f"{self._name} {end.sentence}.", reason=why) from end
        finally:
            self._lock.release()

    def close(self) -> None:
        """Ends the child."""
        self._is_closed = True
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def __del__(self) -> None:
        """A version that is served no more takes its child with it."""
        if hasattr(self, "_child"):
            self.close()

    @property
    def pid(self) -> int | None:
        """The child's, None where there is none."""
        return self._child.pid if self._child is not None else None

    def _asked(self, inputs: Inputs, deadline: float) -> Floats:
        child = self._ready_child(deadline)
        child.send(msgspec.msgpack.encode(_packed(inputs)), deadline)
        try:
            found: Floats = _array(msgspec.msgpack.decode(child.receive(deadline), type=Array))
            return found
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
        if not self._is_ready:
            self._await(deadline)
        if self._child is None or not self._child.is_alive:
            raise Ended("gone", "had ended")
        return self._child

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
        self._child = Child("lockgate.runtime.guest:host", "serve", self._child_limits())
        self._child.send(self._opening, self._started_s + self._load_s)

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
        except (Ended, OSError):
            self._drop()

    def _wait_out(self) -> NoReturn:
        raise PredictError(f"{self._name} ended a moment ago, and is not started again yet.", reason="gone")

    def _drop(self) -> None:
        child, self._child = self._child, None
        self._is_ready = False
        if child is not None:
            child.end()


def host(body: bytes) -> Any:
    """In the child: loads the model, and gives what answers one message with another."""
    from lockgate.runtime import formats
    from lockgate.runtime.child import allow_cpu

    opening = msgspec.msgpack.decode(body, type=Opening)
    loaded = formats.load(Path(opening.path), opening.format, trust=opening.trust)
    engine = formats.engine(loaded, opening.inputs, opening.task)

    def handle(asked: bytes) -> bytes:
        allow_cpu(opening.seconds * 2)
        packed = msgspec.msgpack.decode(asked, type=dict[str, Array])
        inputs = {name: _array(one) for name, one in packed.items()}
        found = engine(inputs.get("", inputs))
        return msgspec.msgpack.encode(_pack(np.asarray(found, dtype=np.float64)))

    return handle


def _packed(inputs: Inputs) -> dict[str, Array]:
    """A matrix goes under the empty name, which no column has."""
    columns: Columns = inputs if isinstance(inputs, dict) else {"": inputs}
    return {name: _pack(array) for name, array in columns.items()}


def _pack(array: np.ndarray[Any, Any]) -> Array:
    if array.dtype == object:
        return Array(text=array.tolist())
    return Array(dtype=array.dtype.str, shape=array.shape, body=np.ascontiguousarray(array).tobytes())


def _array(packed: Array) -> Any:
    if packed.text is not None:
        out = np.empty(len(packed.text), dtype=object)
        out[:] = packed.text
        return out
    if np.dtype(packed.dtype).kind not in "fiub":
        raise ValueError(f"an array of {packed.dtype}")
    return np.frombuffer(packed.body, dtype=packed.dtype).reshape(packed.shape)


@atexit.register
def _close_all() -> None:
    for guest in list(_guests):
        guest.close()
