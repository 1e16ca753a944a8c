"""The whole prediction log: what has been compacted into tables, then the segments that have not.

The catalogue of compacted segments is taken after the list of files, and the tables after the catalogue: a segment it
lists is read from the tables, where all of it is, and any other from its file, whatever the tables hold of it already. A
file that goes in between has been compacted, and the reading is made again. So nothing is read twice and nothing missed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry, LogRow, Prediction, Window
from lockgate.store import log_join
from lockgate.store.compaction import Compactor
from lockgate.store.frames import Segment, frames, segments_in
from lockgate.store.log_catalogue import STRETCH, Listed, Seen, Stood
from lockgate.store.log_columns import CATALOGUE
from lockgate.store.log_table import LogTables
from lockgate.store.ports import Compacted, Cursor
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import Places, SegmentLog

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")


class UnionLog:
    """The port over segments and tables. Only a writer is for a serving process: reading needs polars and deltalake."""

    def __init__(self, segments: SegmentLog, tables: LogTables) -> None:
        self._segments = segments
        self._tables = tables
        self._compactor = Compactor(segments.directory, tables)
        self._seen: Seen | None = None
        self._listed: dict[str, list[Listed]] = {}
        self._held: dict[Listed, list[Stood]] = {}  # what a limit left of a stretch, for the next reading

    def writer(self) -> SegmentWriter:
        return self._segments.writer()

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogRow], Cursor]:
        """Worker by worker as far as compacted, then the rest; each worker's in the order written."""
        return _settled(lambda: self._read(cursor, limit))

    def _read(self, cursor: Cursor | None, limit: int | None) -> tuple[list[LogRow], Cursor]:
        places = Places(cursor)
        files = segments_in(self._segments.directory)
        listed = self._catalogue()
        found = self._from_tables(listed, places, limit)
        if limit is None or len(found) < limit:
            found += places.read(_left(files, listed), None if limit is None else limit - len(found))
        return found, places.cursor

    def compact(self, *, may_go_on: Callable[[], bool]) -> Compacted:
        return self._compactor.run(may_go_on=may_go_on)

    def oldest(self) -> str | None:
        return self._compactor.oldest()

    def forget(self, model: str, before_s: float) -> None:
        self._compactor.forget(model, before_s)

    def forget_windows(self, model: str, before_s: float) -> None:
        self._compactor.forget(model, before_s, kinds=("windows",))

    def calls(
        self, model: str, *, rollout: str | None = None, since_s: float = -math.inf, until_s: float = math.inf
    ) -> list[LogEntry]:
        """Of the tables the days and columns that are asked for; files are read whole, for they hold minutes."""
        return _settled(lambda: self._calls(model, rollout, since_s, until_s))

    def _calls(self, model: str, rollout: str | None, since_s: float, until_s: float) -> list[LogEntry]:
        files = segments_in(self._segments.directory)
        fresh = [entry for entry in Places(None).read(files, None) if _is_of_call(entry, model)]
        asked = [e for e in fresh if _is_asked(e, rollout, since_s, until_s)]
        found = self._tables.calls(model, rollout, since_s, until_s, but=[file.name for file in files])
        ids = {e.id for e in asked} | {e.id for e in found}
        facts = self._tables.facts(model, ids, but=[file.name for file in files])
        later = [e for e in fresh if not isinstance(e, Prediction) and e.id in ids]
        return [*found, *facts, *asked, *later]

    def entries_of(self, model: str, ids: Collection[str]) -> list[LogEntry]:
        """Frame by frame of the files, and of the tables by id alone: memory goes with the ids, not with the log."""
        return _settled(lambda: self._entries_of(model, frozenset(ids)))

    def _entries_of(self, model: str, ids: frozenset[str]) -> list[LogEntry]:
        files = segments_in(self._segments.directory)
        fresh = [
            entry
            for file in files
            for frame in frames(file.path)
            for entry in frame.entries
            if _is_of_call(entry, model) and entry.id in ids
        ]
        return [*self._tables.of_ids(model, ids, but=[file.name for file in files]), *fresh]

    def joined(self, model: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The model's predictions, each id once, with `outcome`, null where none has come.

        columns: those of a prediction that are wanted beside its id, all where left out. Of several outcomes of an id the
        one received last counts, whatever the order in which they were logged.
        """

        def join() -> pl.DataFrame:
            calls, told = self._both(model)
            if columns is not None:
                calls = calls.select("id", *(name for name in columns if name != "id"))
            return log_join.joined(calls, told)

        return _settled(join)

    def unknown_outcomes(self, model: str) -> int:
        """How many ids have an outcome and no prediction. They are kept: the prediction may still come."""
        return _settled(lambda: log_join.unknown(*self._both(model)))

    def _both(self, model: str) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """Files before tables: what is moved meanwhile is found there, and what is found twice has one id."""
        fresh = [entry for entry in self._segments.read()[0] if entry.model == model]
        return (
            self._tables.of_model("predictions", model, fresh),
            self._tables.of_model("outcomes", model, fresh, is_placed=True),
        )

    def _catalogue(self) -> dict[str, list[Listed]]:
        """By worker; read again only where there was a commit since."""
        if self._seen is None or self._tables.is_newer(CATALOGUE, self._seen):
            seen, listed = self._tables.catalogue()
            self._listed = {worker: list(items) for worker, items in groupby(listed, key=lambda item: item.worker)}
            self._seen = seen
        return self._listed

    def _from_tables(self, listed: Mapping[str, list[Listed]], places: Places, limit: int | None) -> list[LogRow]:
        found: list[LogRow] = []
        unread = [item for items in listed.values() for item in _behind(places, items)]
        for at, item in enumerate(unread):
            if item not in self._held:
                self._held = self._tables.entries(_stretch(unread[at:]))
            done = places.of(item.worker)
            part = [stood for stood in self._held[item] if stood[:2] >= done]
            if limit is not None:
                part = part[: limit - len(found)]
            found += [stood.entry for stood in part]
            is_cut = limit is not None and len(found) >= limit
            number, rows = (part[-1].number, part[-1].row + 1) if is_cut else (item.number, item.rows)
            places.put(item.worker, number, rows)
            if is_cut:
                break
        if not unread:
            self._held = {}
        return found


def _settled(read: Callable[[], T]) -> T:
    """A reading, made again where a file was compacted away under it. Raises StoreError where one is missing for good."""
    missing: set[str] = set()
    while True:
        try:
            return read()
        except FileNotFoundError as error:
            if str(error) in missing:
                raise StoreError(
                    f"A file of the prediction log is missing: {error}.",
                    cure="Bring it back from a backup; what was in it is missing from the log's tables.",
                ) from error
            missing.add(str(error))


def _is_of_call(row: LogRow, model: str) -> TypeGuard[LogEntry]:
    return row.model == model and not isinstance(row, Window)


def _is_asked(entry: LogEntry, rollout: str | None, since_s: float, until_s: float) -> bool:
    return isinstance(entry, Prediction) and since_s <= entry.asked_s < until_s and rollout in (None, entry.rollout)


def _behind(places: Places, items: Sequence[Listed]) -> Sequence[Listed]:
    """One worker's segments of which something has not been read."""
    number, rows = places.of(items[0].worker)
    first = bisect_left(items, number, key=lambda item: item.number)
    if first < len(items) and items[first].number == number and items[first].rows <= rows:
        first += 1
    return items[first:]


def _left(files: Sequence[Segment], listed: Mapping[str, list[Listed]]) -> list[Segment]:
    """A worker's segments are compacted in order: those behind the last that is listed are left."""
    last = {worker: items[-1].number for worker, items in listed.items()}
    return [segment for segment in files if segment.number > last.get(segment.worker, -1)]


def _stretch(items: Sequence[Listed]) -> list[Listed]:
    """The first, as many as make up what is read at once."""
    found: list[Listed] = []
    rows = 0
    for item in items:
        found.append(item)
        rows += item.rows
        if rows >= STRETCH:
            break
    return found
