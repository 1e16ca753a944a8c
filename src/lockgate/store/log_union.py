"""The whole prediction log: what has been compacted into tables, then the segments that have not.

The catalogue of compacted segments is taken after the list of files, and the tables after the catalogue: a segment it
lists is read from the tables, where all of it is, and any other from its file, whatever the tables hold of it already. A
file that goes in between has been compacted, and the reading is made again. So nothing is read twice and nothing missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockgate.records.prediction import LogEntry
from lockgate.store.compaction import Compactor
from lockgate.store.frames import Segment, segments_in
from lockgate.store.log_table import CATALOGUE, Listed, LogTables
from lockgate.store.ports import Compacted, Cursor
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import Places, SegmentLog

# Rows taken from the tables at once; what a limit leaves of them is held for the next reading.
STRETCH = 100_000


class UnionLog:
    """The port over segments and tables. Only a writer is for a serving process: reading needs polars and deltalake."""

    def __init__(self, segments: SegmentLog, tables: LogTables) -> None:
        self._segments = segments
        self._tables = tables
        self._compactor = Compactor(segments.directory, tables)
        self._listed: tuple[int, list[Listed]] = (-1, [])
        self._held: dict[str, list[tuple[int, LogEntry]]] = {}

    def writer(self) -> SegmentWriter:
        return self._segments.writer()

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogEntry], Cursor]:
        """Worker by worker as far as compacted, then the rest; each worker's in the order written."""
        while True:
            places = Places(cursor)
            files = segments_in(self._segments.directory)
            listed = self._catalogue()
            try:
                found = self._from_tables(listed, places, limit)
                if limit is None or len(found) < limit:
                    found += places.read(_left(files, listed), None if limit is None else limit - len(found))
            except FileNotFoundError:
                continue
            return found, places.cursor

    def compact(self, *, may_go_on: Callable[[], bool]) -> Compacted:
        return self._compactor.run(may_go_on=may_go_on)

    def forget(self, model: str, before_s: float) -> None:
        self._compactor.forget(model, before_s)

    def _catalogue(self) -> list[Listed]:
        """Read again only where there was a commit since."""
        if self._tables.version(CATALOGUE) != self._listed[0]:
            self._listed = self._tables.catalogue()
        return self._listed[1]

    def _from_tables(self, listed: Sequence[Listed], places: Places, limit: int | None) -> list[LogEntry]:
        found: list[LogEntry] = []
        unread = [item for item in listed if _is_behind(places, item)]
        for at, item in enumerate(unread):
            if item.name not in self._held:
                self._held = self._tables.entries(_stretch(unread[at:]))
            number, rows = places.of(item.worker)
            done = rows if number == item.number else 0
            part = [(row, entry) for row, entry in self._held[item.name] if row >= done]
            if limit is not None:
                part = part[: limit - len(found)]
            found += [entry for _, entry in part]
            is_cut = limit is not None and len(found) >= limit
            places.put(item.worker, item.number, part[-1][0] + 1 if is_cut else item.rows)
            if is_cut:
                break
        if not unread:
            self._held = {}
        return found


def _is_behind(places: Places, item: Listed) -> bool:
    number, rows = places.of(item.worker)
    return number < item.number or (number == item.number and rows < item.rows)


def _left(files: Sequence[Segment], listed: Sequence[Listed]) -> list[Segment]:
    compacted = {item.name for item in listed}
    return [segment for segment in files if segment.name not in compacted]


def _stretch(items: Sequence[Listed]) -> list[str]:
    """The first segments, as many as make up a stretch."""
    found: list[str] = []
    rows = 0
    for item in items:
        found.append(item.name)
        rows += item.rows
        if rows >= STRETCH:
            break
    return found
