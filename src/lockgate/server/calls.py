"""Calls in hand: what every protocol answers through. Rows in, predictions out; the work is `serve.call`."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lockgate.errors import ContractError, LockgateError
from lockgate.features.columns import from_tuples
from lockgate.features.request import Plain, Rows
from lockgate.records import Prediction
from lockgate.serve.batch import Batch, from_request
from lockgate.server import tracing
from lockgate.server.statuses import Refused, Shape, Told, answer, native, told_of
from lockgate.server.together import MOST_ROWS
from lockgate.workspace.dataplane import DataPlane, Served

THREADS = 64  # most wait for a child: those that compute take turns anyway
MOST_IN_HAND = 256
MOST_SHADOWS = 256  # calls whose shadow waits: a challenger that hangs must not fill the memory
DRAWN = "lockgate.drawn"  # in a request's scope: the id that the quick way drew for it
_log = logging.getLogger("lockgate.server")

T = TypeVar("T")
Handle = Callable[[Request], Awaitable[Response]]
ReadRows = Callable[[Served], Rows]


class Answered(NamedTuple):
    batch: Batch
    request: str | None
    predictions: list[Prediction]


class Calls:
    """The calls of one process over one data plane.

    most_in_hand: calls at once, beyond which the next are sent away. is_draining: readiness is off, calls in hand finish.
    skipped_shadows: calls the other arm did not score because too many waited.
    """

    def __init__(self, plane: DataPlane, *, most_in_hand: int = MOST_IN_HAND) -> None:
        self.plane = plane
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        self._shadows = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._shadow_room = threading.BoundedSemaphore(MOST_SHADOWS)
        self.most_in_hand = most_in_hand
        self._in_hand = 0
        self.skipped_shadows = 0
        self.is_draining = False

    @property
    def is_ready(self) -> bool:
        return bool(self.plane.models) and not self.is_draining

    @property
    def is_full(self) -> bool:
        return self._in_hand >= self.most_in_hand

    def close(self) -> None:
        self._threads.shutdown()
        # Shadows that still wait are left: a slow challenger must not hold up the end until the worker is killed.
        self._shadows.shutdown(cancel_futures=True)
        self.plane.close()

    async def run(self, work: Callable[[], T]) -> T:
        """In a thread of its own: a large body takes long to decode as well."""
        context = contextvars.copy_context()  # so that what is logged there names the request
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(work))

    async def answer(self, served: Served, read: ReadRows) -> tuple[list[Prediction], BackgroundTask | None]:
        """The predictions of the rows that `read` gives, and what to do once they are on their way."""
        answered = await self.run(lambda: answered_by(served, read))
        tracing.answered(answered.predictions)
        after = BackgroundTask(self.shadow_later, served, answered) if served.routing.shadow else None
        return answered.predictions, after

    def plain(self, name: str, body: bytes) -> tuple[Served, Plain] | None:
        """A `/predict` body that may be answered the quick way, with what answers it; None where `answer` has to look."""
        served = self.plane.found(name)
        if served is None or not served.is_quick or self.plane.is_durable(name):
            return None
        # Bytes do not bound rows: of a narrow contract a small body has thousands, and to read them would hold up the loop.
        if body.count(b"{") > MOST_ROWS + 1:
            return None
        asked = served.request.plain(body)
        if asked is not None and served.completing is not None:
            rows = served.completing.plain(asked.rows)
            asked = None if rows is None else asked._replace(rows=rows)
        return None if asked is None else (served, asked)

    def shadow_plain(self, served: Served, body: bytes, asked: Plain, predictions: list[Prediction]) -> None:
        """The other arm scores rows that were answered the quick way."""
        self._shadow_later(served, lambda: again(served, body, asked.id, predictions))

    async def shadow_later(self, served: Served, answered: Answered) -> None:
        """Queued once the answer is on its way."""
        self._shadow_later(served, lambda: answered)

    def _shadow_later(self, served: Served, answered: Callable[[], Answered]) -> None:
        if self._shadow_room.acquire(blocking=False):
            self._shadows.submit(self._shadow, served, answered)
        else:
            self.skipped_shadows += 1

    def _shadow(self, served: Served, answered: Callable[[], Answered]) -> None:
        try:
            batch, request, predictions = answered()
            served.caller.shadow(batch, predictions, request=request)
        except Exception:  # noqa: BLE001 - nobody waits for a shadow, so nobody else would hear of it
            _log.exception("A shadow call failed.")
        finally:
            self._shadow_room.release()

    @property
    def held(self) -> int:
        """Calls in hand now."""
        return self._in_hand

    @property
    def waiting(self) -> int:
        """Of those, how many no thread works on yet."""
        return self._threads._work_queue.qsize()  # noqa: SLF001 - to count them beside would cost every call a lock

    @contextmanager
    def in_hand(self) -> Generator[None]:
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1

    def guarded(self, handle: Handle, shape: Shape = native) -> Handle:
        """Every refusal in words, in the protocol's own shape; a bound on calls in hand; a 500 for our own bugs alone."""

        async def guarded(request: Request) -> Response:
            model = request.path_params.get("model", "")
            if self.is_full:
                busy = Told("busy", "Too many calls are waiting; try again in a second.")
                return answer(self.refused(busy, model), shape)
            with self.in_hand():
                try:
                    return await handle(request)
                except Exception as error:  # noqa: BLE001 - told apart in `told`
                    return answer(self.refused(told(error), model), shape)

        return guarded

    def refused(self, why: Told, model: str) -> Told:
        """`why`, counted. Names that a caller makes up, of a model or a column, name no series."""
        served = self.plane.models.get(model)
        columns = [column.name for column in served.request.contract.asked] if served and why.column else []
        column = None if why.column is None else why.column if why.column in columns else tracing.UNKNOWN
        self.plane.series.refused(why.code, model=model if served else "", column=column)
        if served and why.code == "contract":
            self.plane.counted.refuse(model, column or "its shape")
        _log.debug("Refused, %s: %s", why.code, why.message)
        return why


def answered_by(served: Served, read: ReadRows, *, part: str = "", places: Sequence[int] | None = None) -> Answered:
    """The rows that `read` gives, answered. part, places: of a request that is answered in stretches, which of them."""
    try:
        rows = read(served)
    except OverflowError as error:  # JSON's whole numbers have no end, an array's do
        raise ContractError(f"A number is out of range: {error}.") from error
    batch = from_request(rows, served.contract, now_s=time.time(), places=places, completing=served.completing)
    request = f"{rows.id}{part}" if rows.id else None
    return Answered(batch, request, served.caller.answer(batch, request=request))


def again(served: Served, body: bytes, request: str | None, predictions: list[Prediction]) -> Answered:
    """The rows of a plain body as a batch, once they were answered: for the other arm, off the caller's path."""
    rows = served.request.decode(body)
    if served.completing is not None:  # of the events that the answer saw, and no others
        inputs = [prediction.inputs for prediction in predictions]
        rows = rows._replace(columns=from_tuples(served.contract.asked, inputs))
    batch = from_request(rows, served.contract, now_s=predictions[0].asked_s)
    ids = [prediction.id for prediction in predictions]
    asked_s = np.array([prediction.asked_s for prediction in predictions])
    return Answered(replace(batch, ids=ids, asked_s=asked_s), request, predictions)


def read_by_callers(prediction: Prediction) -> dict[str, object]:
    """A prediction as a caller reads it."""
    return {
        "id": prediction.id,
        "value": prediction.value,
        "version": prediction.version,
        "arm": prediction.arm,
        "served_by": prediction.served_by,
        "failure": prediction.failure,
        "flags": prediction.flags,
    }


def told(error: Exception) -> Told:
    """What a caller hears of whatever went wrong. Our own bugs are said once in the log as well."""
    match error:
        case Refused():
            return error.told
        case LockgateError():
            return told_of(error)
        case msgspec.DecodeError() | UnicodeDecodeError():
            return Told("malformed", f"The body is not JSON: {error}.")
        case RecursionError():
            return Told("malformed", "The body is nested too deeply.")
        case ClientDisconnect():
            return Told("malformed", "The body ended before it was whole.")  # nobody is left to read this
        case _:
            _log.error("A call failed.", exc_info=error)
            return Told("bug", "Lockgate itself failed; the log of the server says where.")
