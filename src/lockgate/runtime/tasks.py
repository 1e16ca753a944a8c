"""Coroutines that may hang, in the caller's own loop: a task each, cancelled when late, and no thread waits for it.

A task rather than a timeout around the await: one that will not be cancelled would keep its caller for as long as it likes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from lockgate.errors import PredictError
from lockgate.runtime.bounded import Pool

T = TypeVar("T")


class Tasks:
    """At most `at_once` at work. One that will not be cancelled counts until it ends, as a thread does that hangs, or until
    its loop is closed, where nothing ends any more.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lock = threading.Lock()  # loops of several threads may share one guard
        self._at_work = 0
        self._own: set[asyncio.Task[Any]] = set()

    @property
    def at_work(self) -> int:
        return self._at_work

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]], deadline_s: float | None) -> T:
        """What `work` gives or raises; PredictError "late" after `deadline_s`, "busy" at once where too many are at work.

        The caller's own cancellation is handed on, and goes on. A loop that is held up keeps no time: what has come when
        it looks again is used.
        """
        with self._lock:
            if self._at_work >= self._at_once:
                self._let_go()
            if self._at_work >= self._at_once:
                raise PredictError(f"{self._at_once} calls are at work already.", reason="busy")
            self._at_work += 1
        if deadline_s is None:
            return await self._here(work)
        task = asyncio.get_running_loop().create_task(work())
        with self._lock:
            self._own.add(task)
        task.add_done_callback(self._ended)
        try:
            await _patience(task, deadline_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
            raise PredictError(f"No answer within {deadline_s * 1000:.0f} ms.", reason="late")
        if task.cancelled():
            raise PredictError("It cancelled itself.", reason="raised")
        return task.result()

    async def _here(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """In the caller's own task: nobody will have to be left behind."""
        try:
            return await work()
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise PredictError("It cancelled itself.", reason="raised") from None
        finally:
            with self._lock:
                self._at_work -= 1

    def _ended(self, task: asyncio.Task[Any]) -> None:
        with self._lock:
            self._at_work -= task in self._own
            self._own.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: nobody may be waiting for it any longer

    def _let_go(self) -> None:
        """Of those whose loop was closed before they ended: a loop for each request, say."""
        lost = stranded(self._own)
        self._own -= lost
        self._at_work -= len(lost)


def stranded(tasks: Collection[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Those that never end, for their loop is closed."""
    return {task for task in list(tasks) if task.get_loop().is_closed()}


async def _patience(task: asyncio.Task[Any], deadline_s: float) -> None:
    """Until the task ends or it is late; the task itself goes on."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    timer = loop.call_later(deadline_s, wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)
        timer.cancel()


async def in_thread(pool: Pool, work: Callable[[], T], deadline_s: float | None) -> T:
    """The same for what blocks: in one of the pool's threads, while the loop goes on."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def note() -> None:
        if not ended.done():
            ended.set_result(None)

    def told() -> T:
        try:
            return work()
        finally:
            _tell(loop, note)

    job = pool.begin(told)
    try:
        async with asyncio.timeout(deadline_s):
            await ended
    except (TimeoutError, asyncio.CancelledError) as error:
        if pool.give_up(job) and isinstance(error, TimeoutError):
            raise PredictError(f"No answer within {(deadline_s or 0) * 1000:.0f} ms.", reason="late") from None
        if not isinstance(error, TimeoutError):
            raise
    job.finished.wait()  # a moment at most: `told` has ended
    if job.error is not None:
        raise job.error
    return job.result  # type: ignore[return-value] # done without an error: the result is set


def _tell(loop: asyncio.AbstractEventLoop, note: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(note)
    except RuntimeError:  # the loop has been closed meanwhile: nobody waits
        return
