"""A log that never stands in the way of an answer: what the disk refuses waits in memory, up to a bound."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry
from lockgate.store.ports import LogWriter

BOUND = 10_000
RETRY_S = 0.25


class Logbook:
    """Appends, and on StoreError keeps the entries for the next try.

    spilled: waiting now; dropped: lost beyond the bound, counted since the start. retry_s: how long a disk that refused
    is left alone, for every try encodes all that waits.
    """

    def __init__(self, writer: LogWriter, bound: int = BOUND, retry_s: float = RETRY_S) -> None:
        self._writer = writer
        self._bound = bound
        self._retry_s = retry_s
        self._refused_at = -math.inf
        self._lock = threading.Lock()
        self._waiting: list[LogEntry] = []
        self.dropped = 0

    @property
    def spilled(self) -> int:
        return len(self._waiting)

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Never raises for the disk's sake; what waits goes first, so that order is kept."""
        if time.monotonic() - self._refused_at < self._retry_s:
            self._keep(entries)
        else:
            self._write(entries)

    def close(self) -> None:
        """One last try for what waits."""
        self._write([])
        self._writer.close()

    def _write(self, entries: Sequence[LogEntry]) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        pending = [*waiting, *entries]
        try:
            self._writer.append(pending)
        except StoreError:
            self._refused_at = time.monotonic()
            self._keep(pending)

    def _keep(self, entries: Sequence[LogEntry]) -> None:
        with self._lock:
            room = self._bound - len(self._waiting)
            self._waiting += entries[:room]
            self.dropped += max(0, len(entries) - room)
