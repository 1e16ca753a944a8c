"""A log that never stands in the way of an answer: what the disk refuses waits in memory, up to a bound."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry
from lockgate.store.ports import LogWriter

BOUND = 10_000


class Logbook:
    """Appends, and on StoreError keeps the entries for the next try. spilled: waiting now; dropped: lost beyond the bound,
    counted since the start."""

    def __init__(self, writer: LogWriter, bound: int = BOUND) -> None:
        self._writer = writer
        self._bound = bound
        self._lock = threading.Lock()
        self._waiting: list[LogEntry] = []
        self.dropped = 0

    @property
    def spilled(self) -> int:
        return len(self._waiting)

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Never raises for the disk's sake; what waits goes first, so that order is kept."""
        if not self._waiting:
            try:
                self._writer.append(entries)
            except StoreError:
                self._keep(entries)
            return
        with self._lock:
            pending, self._waiting = [*self._waiting, *entries], []
        try:
            self._writer.append(pending)
        except StoreError:
            self._keep(pending)

    def close(self) -> None:
        """One last try for what waits."""
        self.append([])
        self._writer.close()

    def _keep(self, entries: Sequence[LogEntry]) -> None:
        with self._lock:
            room = self._bound - len(self._waiting)
            self._waiting += entries[:room]
            self.dropped += max(0, len(entries) - room)
