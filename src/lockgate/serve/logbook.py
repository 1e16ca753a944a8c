"""A log that never stands in the way of an answer: what the disk refuses waits in memory, up to a bound."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec

from lockgate.decide import assign
from lockgate.errors import StoreError
from lockgate.records import LogSpec, Prediction
from lockgate.records.prediction import LogEntry
from lockgate.store.ports import LogWriter

BOUND = 10_000
RETRY_S = 0.25
SALT = "log"
_BUFFERED = LogSpec()


class Logbook:
    """Appends, and on StoreError keeps the entries for the next try.

    spilled: waiting now; dropped: lost beyond the bound, counted since the start. retry_s: how long a disk that refused
    is left alone, for every try encodes all that waits. modes: by model, how its calls are logged; buffered where it says
    nothing. Of a sampled model the inputs are kept for a share of the units, the rest of every call for all: arm, share,
    value, failure and flags, so that evidence stays whole.
    """

    def __init__(
        self,
        writer: LogWriter,
        bound: int = BOUND,
        retry_s: float = RETRY_S,
        modes: Mapping[str, LogSpec] | None = None,
    ) -> None:
        self.modes = modes or {}
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

    @property
    def problem(self) -> str | None:
        """Why the disk last refused; None while it takes what it is given."""
        return self._writer.problem

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Never raises for the disk's sake; what waits goes first, so that order is kept."""
        if time.monotonic() - self._refused_at < self._retry_s:
            self._keep(self._thinned(entries))
        else:
            self._write(self._thinned(entries))

    def close(self) -> None:
        """One last try for what waits."""
        self._write([])
        self._writer.close()

    def _write(self, entries: Sequence[LogEntry]) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        pending = [*waiting, *entries]
        try:
            self._writer.append(pending, durable=any(self._mode(entry).mode == "durable" for entry in entries))
        except StoreError:
            self._refused_at = time.monotonic()
            self._keep(pending)

    def _mode(self, entry: LogEntry) -> LogSpec:
        return self.modes.get(entry.model, _BUFFERED)

    def _thinned(self, entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
        if all(self._mode(entry).mode != "sampled" for entry in entries):
            return entries
        return [thinned(entry, self._mode(entry)) for entry in entries]

    def _keep(self, entries: Sequence[LogEntry]) -> None:
        with self._lock:
            room = self._bound - len(self._waiting)
            self._waiting += entries[:room]
            self.dropped += max(0, len(entries) - room)


def thinned(entry: LogEntry, spec: LogSpec) -> LogEntry:
    """The entry without its inputs, unless its unit is among those kept whole: the same units for as long as they come."""
    if spec.mode != "sampled" or not isinstance(entry, Prediction):
        return entry
    if assign.position(SALT, entry.unit) < spec.share:
        return entry
    return msgspec.structs.replace(entry, inputs=())
