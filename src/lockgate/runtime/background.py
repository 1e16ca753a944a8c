"""Work that nobody waits for: a few threads and a short queue; what finds it full is left out, and counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue

IDLE_S = 10.0
_log = logging.getLogger("lockgate")


class Background:
    """At most `threads` daemon threads, started when needed, gone when idle. The work itself must not hang for good.

    left_out: works that found the queue full, or no thread at all, since the start.
    """

    def __init__(self, threads: int, bound: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._queue: Queue[Callable[[], None]] = Queue(bound)
        self._alive = 0
        self._taken = 0  # queued or at work
        self.left_out = 0

    def give(self, work: Callable[[], None]) -> bool:
        """False where it was left out."""
        with self._lock:
            try:
                self._queue.put_nowait(work)
            except Full:
                self.left_out += 1
                return False
            self._taken += 1
            return self._taken <= self._alive or self._alive >= self._threads or self._grown()

    def _grown(self) -> bool:
        """One thread more. Where there is none to be had, those alive do the work; where none is, it is left out."""
        self._alive += 1
        try:
            threading.Thread(target=self._turn, daemon=True, name="lockgate-shadow").start()
        except (RuntimeError, MemoryError):
            self._alive -= 1
            if not self._alive:
                self._queue.get_nowait()
                self._taken -= 1
                self.left_out += 1
                return False
        return True

    def _turn(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._alive -= 1
                        return
                continue
            try:
                work()
            except BaseException:  # noqa: BLE001 - one work that fails must not take a thread from the others
                _log.warning("Work in the background failed.", exc_info=True)
            with self._lock:
                self._taken -= 1
