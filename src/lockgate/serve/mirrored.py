"""Shadow calls of a guarded callable: made when the answer is given, bounded, left out and counted where there are many."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from typing import Protocol

from lockgate.errors import PredictError
from lockgate.records import Prediction, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.runtime.background import Background
from lockgate.runtime.links import AnyLink, Arguments, Given, Link, Missing
from lockgate.runtime.tasks import stranded

THREADS = 8
BOUND = 64


class Entries(Protocol):
    """Where a guard's entries go; neither way raises. The second lets a loop go on where an append waits for the disk."""

    def append(self, entries: Sequence[LogEntry], /) -> None: ...

    async def append_async(self, entries: Sequence[LogEntry], /) -> None: ...


class Mirrored:
    """links: by version; each is called here as a twin, so that threads, bounds and breakers are the shadow's own."""

    def __init__(self, model: str, links: Mapping[str, Link], log: Entries | None) -> None:
        self._model = model
        self._links = {version: link.twin() for version, link in links.items()}
        self._log = log
        self._threads = Background(THREADS, BOUND)
        self._tasks: set[asyncio.Task[None]] = set()  # held here: a loop alone holds its tasks weakly
        self._full = 0

    @property
    def left_out(self) -> int:
        """Calls that had no shadow, for too many were under way."""
        return self._full + self._threads.left_out

    def call(self, prediction: Prediction, version: str | None, asked: Arguments) -> None:
        """In a thread, with what the caller's context holds."""
        if version is not None:
            context = copy_context()
            self._threads.give(lambda: context.run(self._shadow, prediction, version, asked))

    def call_async(self, prediction: Prediction, version: str | None, asked: Arguments) -> None:
        """In a task of the caller's loop."""
        if version is None:
            return
        if len(self._tasks) >= BOUND:
            self._tasks -= stranded(self._tasks)
        if len(self._tasks) >= BOUND:
            self._full += 1
            return
        task = asyncio.get_running_loop().create_task(self._shadow_async(prediction, version, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _shadow(self, prediction: Prediction, version: str, asked: Arguments) -> None:
        began = time.perf_counter()
        try:
            given: Given | BaseException = self._link(version).call(asked)
        except BaseException as error:  # noqa: BLE001 - in a thread of ours nobody is interrupted: a shadow's failure is recorded, and hurts nobody
            given = error
        if self._log is not None:
            self._log.append([self._told(prediction, version, given, began)])

    async def _shadow_async(self, prediction: Prediction, version: str, asked: Arguments) -> None:
        began = time.perf_counter()
        try:
            given: Given | Exception = await self._link(version).call_async(asked)
        except Exception as error:  # noqa: BLE001 - a shadow's failure is recorded, and hurts nobody
            given = error
        if self._log is not None:
            await self._log.append_async([self._told(prediction, version, given, began)])

    def _link(self, version: str) -> AnyLink:
        return self._links.get(version) or Missing(version)

    def _told(self, prediction: Prediction, version: str, given: Given | BaseException, began: float) -> Shadow:
        if isinstance(given, BaseException):
            value, failure = None, given.reason if isinstance(given, PredictError) else "raised"
        else:
            value, failure = (None if math.isnan(given[1]) else given[1]), None
        return Shadow(
            id=prediction.id,
            model=self._model,
            version=version,
            rollout=prediction.rollout,
            asked_s=prediction.asked_s,
            value=value,
            latency_ms=(time.perf_counter() - began) * 1000,
            failure=failure,
        )
