"""A log that never stands in the way of an answer: what the disk refuses waits in memory, up to a bound, and is told."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from lockgate.decide import assign
from lockgate.records import LogSpec, Prediction
from lockgate.records.log_trouble import LogNotice
from lockgate.records.prediction import Calls, LogEntry, LogLine, Window, entry_encoder
from lockgate.store.ports import LogTeller, LogWriter

BOUND = 10_000
RETRY_S = 0.25
SALT = "log"
_BUFFERED = LogSpec()


class Logbook:
    """Appends, and where that is refused keeps the entries for the next try.

    spilled: waiting now; dropped: lost beyond the bound, counted since the start. retry_s: how long a disk that refused
    is left alone, for every try encodes all that waits. modes: by model, how its calls are logged; buffered where it says
    nothing. Of a sampled model the inputs are kept for a share of the units, the rest of every call for all: arm, share,
    value, failure and flags, so that evidence stays whole. teller: where other processes read how this log is.
    """

    def __init__(
        self,
        writer: LogWriter,
        bound: int = BOUND,
        retry_s: float = RETRY_S,
        modes: Mapping[str, LogSpec] | None = None,
        teller: LogTeller | None = None,
    ) -> None:
        self._writer = writer
        self._bound = bound
        self._retry_s = retry_s
        self._teller = teller
        self._refused_at = -math.inf
        self._lock = threading.Lock()
        self._waiting: list[LogEntry] = []
        self._dropped: Counter[str] = Counter()
        self._told: LogNotice | None = None
        self._since_s: float | None = None
        self._is_well = True  # nothing waits, and the disk took what it was last given
        self.modes = modes or {}

    @property
    def modes(self) -> Mapping[str, LogSpec]:
        return self._modes

    @modes.setter
    def modes(self, modes: Mapping[str, LogSpec]) -> None:
        self._modes = modes
        self._is_plain = all(spec.mode == "buffered" for spec in modes.values())

    @property
    def spilled(self) -> int:
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        return self._dropped.total()

    @property
    def problem(self) -> str | None:
        """Why the disk last refused; None while it takes what it is given."""
        return self._writer.problem

    def append(self, entries: Sequence[LogEntry]) -> int:
        """How many were dropped. Never raises; what waits goes first, so that order is kept."""
        if self._is_plain and self._is_well:  # every served call comes this way
            try:
                self._writer.append(entries)
            except Exception:  # noqa: BLE001 - whatever it is, an answer does not wait for its record
                return self._refused(entries)
            return 0
        entries = self._thinned(entries)
        if not self._is_well and time.monotonic() - self._refused_at < self._retry_s:
            return self._keep(entries)
        return self._write(entries)

    def keep(self, lines: Sequence[LogLine]) -> None:
        """For whoever can wait and try again: all of the lines, or StoreError and none; nothing is held in memory. Many calls
        in one line are for models whose calls are all kept whole.
        """
        kept = [line if isinstance(line, Calls | Window) else thinned(line, self._mode(line)) for line in lines]
        self._writer.append(kept, durable=any(self._mode(line).mode == "durable" for line in lines))

    def look(self) -> None:
        """Try again what waits, and tell how the log is where that has changed; to be called a few times a second."""
        if not self._is_well and time.monotonic() - self._refused_at >= self._retry_s:
            self._write(())
        self._tell()

    def close(self) -> None:
        """One last try for what waits."""
        self._write(())
        self._writer.close()
        with self._lock:
            self._dropped.update(self._writer.unsafe)
        self._tell()
        if self._teller is not None:
            self._teller.close()

    def _write(self, entries: Sequence[LogEntry]) -> int:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        pending = [*waiting, *entries]
        try:
            self._writer.append(pending, durable=any(self._mode(entry).mode == "durable" for entry in entries))
        except Exception:  # noqa: BLE001 - as above
            return self._refused(pending)
        with self._lock:
            self._is_well = not self._waiting
        return 0

    def _refused(self, entries: Sequence[LogEntry]) -> int:
        self._refused_at = time.monotonic()
        dropped = self._keep(entries)
        self._tell()
        return dropped

    def _mode(self, entry: LogLine) -> LogSpec:
        return self._modes.get(entry.model, _BUFFERED)

    def _thinned(self, entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
        if all(self._mode(entry).mode != "sampled" for entry in entries):
            return entries
        return [thinned(entry, self._mode(entry)) for entry in entries]

    def _keep(self, entries: Sequence[LogEntry]) -> int:
        """How many there was no room for, or no way to write: one of those would hold up all that wait."""
        sound = [entry for entry in entries if _is_writable(entry)]
        with self._lock:
            self._is_well = False
            room = max(0, self._bound - len(self._waiting))
            self._waiting += sound[:room]
            lost = Counter(entry.model for entry in entries)
            lost.subtract(entry.model for entry in sound[:room])
            self._dropped += lost
        return lost.total()

    def _tell(self) -> None:
        if self._teller is None:
            return
        notice = self._notice(self._teller.process)
        if notice != self._told and self._teller.tell(notice):
            self._told = notice

    def _notice(self, process: str) -> LogNotice:
        with self._lock:
            waiting, dropped = Counter(entry.model for entry in self._waiting), dict(self._dropped)
        found = LogNotice(
            process=process,
            pid=os.getpid(),
            waiting=dict(waiting),
            dropped=dropped,
            poisoned=self._writer.poisoned,
            problem=self._writer.problem,
        )
        if found.waiting or found.problem is not None:
            self._since_s = self._since_s or time.time()
        else:
            self._since_s = None
        return msgspec.structs.replace(found, since_s=self._since_s)


def _is_writable(entry: LogEntry) -> bool:
    """Half a surrogate in an id, say, has no place in a file."""
    try:
        entry_encoder.encode(entry)
    except Exception:  # noqa: BLE001 - UnicodeEncodeError, TypeError, OverflowError
        return False
    return True


def thinned(entry: LogEntry, spec: LogSpec) -> LogEntry:
    """The entry without its inputs, unless its unit is among those kept whole: the same units for as long as they come."""
    if spec.mode != "sampled" or not isinstance(entry, Prediction):
        return entry
    if assign.position(SALT, entry.unit) < spec.share:
        return entry
    return msgspec.structs.replace(entry, inputs=())
