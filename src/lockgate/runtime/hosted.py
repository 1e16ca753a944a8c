"""A version that answers from a child process of the worker's own: what hangs, crashes or grows there ends there.

Calls that queued up while the last batch was answered go in the next one, together. Callers who were just answered tend to
ask again at once: the next batch waits for them, a tenth of what a batch takes at most, where else two halves would take
turns. A lone caller waits for nobody. A batch that fails is asked again in halves, so that nobody's rows fail a
neighbour's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lockgate.errors import PredictError
from lockgate.features.columns import Columns, length
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.kept_child import KeptChild
from lockgate.runtime.packed import Array, pack, packed, unpack, unpacked
from lockgate.runtime.predictor import Answer

MOST_WAITING = 256  # calls: those beyond fall back at once
MOST_ROWS = 256  # of one batch: even at 5 ms a row it does not look as if it hung
PATIENCE = 0.1  # of what the last batch took
_ENTRY = "lockgate.runtime.hosted:host"


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: which version, where custom steps are imported from, and how long a call may take."""

    path: str
    version: str
    project: str
    seconds: float


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    values: Array
    flags: list[tuple[str, ...]]


class _Waiting:
    """One call on its way. A late one is given up: left out where it was not begun."""

    __slots__ = ("answer", "columns", "is_given_up", "rows")

    def __init__(self, columns: Columns) -> None:
        self.columns, self.rows = columns, length(columns)
        self.answer: Future[Answer] = Future()
        self.is_given_up = False


class Hosted:
    """A predictor whose version lives in a child process. Safe to call from many threads.

    limits: of one batch, and the child's memory. rows_at_once: of one batch. Raises SpecError when it is made, where the
    version does not load.
    """

    def __init__(
        self, path: Path, version: str, project: Path, limits: Limits, *, rows_at_once: int = MOST_ROWS
    ) -> None:
        self.version = version
        self._rows_at_once = rows_at_once
        opening = Opening(path=str(path), version=version, project=str(project), seconds=limits.seconds)
        self._child = KeptChild(_ENTRY, msgspec.msgpack.encode(opening), f"Version {version[:6]}", limits)
        self._wake = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._is_closed = False
        self._in_hand = 1  # calls that were asked or waited when the last batch was answered
        self._took_s = 0.0
        self._thread = threading.Thread(target=self._turn, daemon=True, name="lockgate-hosted")
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The child's, None while there is none."""
        return self._child.pid

    def predict(self, columns: Columns) -> Answer:
        """As every predictor; waits as long as the child may take."""
        return _whole([waiting.answer.result() for waiting in self._enqueue(columns)])

    def predict_by(self, columns: Columns, until: float) -> Answer:
        """The same, or PredictError "late" where it is not there by `until`, a time.monotonic()."""
        parts = self._enqueue(columns)
        try:
            return _whole([waiting.answer.result(max(0.0, until - time.monotonic())) for waiting in parts])
        except TookTooLong:
            raise PredictError("No answer in time.", reason="late") from None
        finally:
            for waiting in parts:
                waiting.is_given_up = True

    def close(self) -> None:
        """Ends the child; calls in hand fail."""
        with self._wake:
            self._is_closed = True
            self._wake.notify()
        self._child.close()

    def _enqueue(self, columns: Columns) -> list[_Waiting]:
        """The rows in stretches of a batch at most, so that nobody's huge request takes the child past its time."""
        rows = length(columns)
        most = self._rows_at_once
        starts = range(0, rows, most)
        stretches = [{name: values[start : start + most] for name, values in columns.items()} for start in starts]
        parts = [_Waiting(columns)] if rows <= most else [_Waiting(stretch) for stretch in stretches]
        with self._wake:
            if self._is_closed:
                raise PredictError(f"Version {self.version[:6]} is closed.", reason="gone")
            if len(self._queue) >= MOST_WAITING:
                raise PredictError(f"{MOST_WAITING} calls wait already.", reason="busy")
            self._queue += parts
            self._wake.notify()
        return parts

    def _turn(self) -> None:
        while batch := self._next():
            self._answer(batch)

    def _next(self) -> list[_Waiting]:
        """What queued up, as far as it fits in one batch and somebody still waits for it; nothing once it is closed."""
        with self._wake:
            while True:
                while self._queue and self._queue[0].is_given_up:
                    self._queue.popleft()
                if self._queue or self._is_closed:
                    break
                self._wake.wait()
            self._wait_for_those_answered()
            if self._is_closed:
                for waiting in self._queue:
                    waiting.answer.set_exception(PredictError("The version was closed.", reason="gone"))
                return []
            batch = [self._queue.popleft()]
            rows = batch[0].rows
            while self._queue and rows + self._queue[0].rows <= self._rows_at_once:
                waiting = self._queue.popleft()
                if not waiting.is_given_up:
                    batch.append(waiting)
                    rows += waiting.rows
            return batch

    def _wait_for_those_answered(self) -> None:
        give_up = time.monotonic() + PATIENCE * self._took_s
        while len(self._queue) < self._in_hand and not self._is_closed:
            left = give_up - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(left)

    def _answer(self, batch: list[_Waiting]) -> None:
        began = time.monotonic()
        try:
            found = self._child.ask(packed(_together(batch)), read=_read)
            if len(found.values) != sum(waiting.rows for waiting in batch):
                raise PredictError("The child answered other rows.", reason="shape")
        except PredictError as error:
            self._failed(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - closed underneath it, say: the thread goes on, and nobody waits in vain
            self._failed(
                batch, PredictError(f"Version {self.version[:6]} could not be asked: {error!r}.", reason="gone")
            )
            return
        self._took_s, self._in_hand = time.monotonic() - began, len(batch) + len(self._queue)
        start = 0
        for waiting in batch:
            rows = slice(start, start + waiting.rows)
            waiting.answer.set_result(Answer(found.values[rows], found.flags[rows]))
            start += waiting.rows

    def _failed(self, batch: list[_Waiting], error: PredictError) -> None:
        """What raised is asked again in halves, as far as somebody still waits for it, until the call that raises is alone.
        What hung or died is not: one of them did it, and would do it again.
        """
        if len(batch) == 1 or error.reason in ("late", "gone"):
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            if wanted := [waiting for waiting in part if not waiting.is_given_up]:
                self._answer(wanted)


def host(body: bytes) -> Any:
    """In the child: loads the version, and gives what answers one message with another."""
    import sys

    from lockgate.runtime import folder
    from lockgate.runtime.child import allow_cpu

    opening = msgspec.msgpack.decode(body, type=Opening)
    sys.path.insert(0, opening.project)  # a custom feature step is the project's own module
    predictor = folder.load(Path(opening.path), opening.version, is_child=True)

    def handle(asked: bytes) -> bytes:
        allow_cpu(opening.seconds * 2)
        columns = unpacked(asked)
        if not isinstance(columns, dict):
            raise PredictError("Columns were asked for.", reason="shape")
        answer = predictor.predict(columns)
        return msgspec.msgpack.encode(Reply(values=pack(answer.values), flags=answer.flags))

    return handle


def _whole(parts: list[Answer]) -> Answer:
    if len(parts) == 1:
        return parts[0]
    return Answer(np.concatenate([part.values for part in parts]), [flags for part in parts for flags in part.flags])


def _together(batch: list[_Waiting]) -> Columns:
    if len(batch) == 1:
        return batch[0].columns
    return {name: np.concatenate([one.columns[name] for one in batch]) for name in batch[0].columns}


def _read(body: bytes) -> Answer:
    reply = msgspec.msgpack.decode(body, type=Reply)
    return Answer(unpack(reply.values), reply.flags)
