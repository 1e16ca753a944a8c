"""The compacted part of the prediction log: ordinary Delta tables, one for each kind of entry, and a catalogue.

Reader version 1 and writer version 2, no table features, so that Polars, DuckDB and Spark read them as they are. Rows are
partitioned by date (UTC, of the question; of an outcome, when it came true) and model; `segment` and `row` say where in
the log a row stood. `segments` lists the segments whose rows are all in: it is written last and read first.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry, LogRow, Window
from lockgate.store.frames import segment_at
from lockgate.store.log_catalogue import Listed, Seen, Stood, stretches
from lockgate.store.log_columns import (
    CATALOGUE,
    DAY_S,
    KINDS,
    OF_CALLS,
    Placed,
    Stretch,
    date_of,
    fields,
    frame,
    read,
    stretch,
)
from lockgate.store.table_syncs import TableSyncs

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

MOST_SMALL_FILES = 120
MOST_LISTED = 2_000
KEPT_H = 7 * 24
PARTITIONS = ["date", "model"]
T = TypeVar("T")
_LAST_SEGMENT = "~"  # behind every name that begins with a time


class LogTables:
    """The tables under one directory; one process at a time writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._syncs = TableSyncs()
        self._vacuum_at_s: dict[str, float] = {}

    def path(self, name: str) -> Path:
        """The dot keeps these apart from the tables of data sets, which are named after models."""
        return self.directory / f"log.{name}"

    def open(self, name: str) -> DeltaTable | None:
        """None where nothing has been compacted yet."""
        from deltalake import DeltaTable

        path = self.path(name)
        return DeltaTable(path) if (path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(path)) else None

    def create(self, name: str) -> DeltaTable:
        """The table, made where it is missing. Raises StoreError when the disk refuses."""
        from deltalake import DeltaTable
        from deltalake.schema import Schema

        found = self.open(name)
        if found is not None:
            return found
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        empty: Any = frame(name, [])
        schema = Schema.from_arrow(empty.to_arrow().schema)
        return _refused(
            path,
            lambda: DeltaTable.create(
                path, schema, mode="ignore", partition_by=[] if name == CATALOGUE else PARTITIONS, name=name
            ),
        )

    def append(self, name: str, rows: Sequence[Stretch] | Sequence[Listed], upto: Mapping[str, int]) -> None:
        """One commit of the rows; `upto` notes by worker the last segment that is now in, in the same commit.

        rows: of the catalogue, what is to be listed. Returns once the commit would outlive a power cut.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        table, path = self.create(name), self.path(name)
        numbers = dict(upto)
        if name == CATALOGUE:
            safe = {own: self._syncs.safe(self.path(own)) for own in (*KINDS, CATALOGUE)}
            numbers |= {_noted(own): version for own, version in safe.items() if version >= 0}
        notes = CommitProperties(app_transactions=[Transaction(*number) for number in numbers.items()])
        _refused(path, lambda: write_deltalake(table, frame(name, rows), mode="append", commit_properties=notes))
        self.outlive(name)

    def outlive(self, name: str) -> None:
        """Return once all commits of a table would outlive a power cut, those of a compactor that was killed too.

        Raises StoreError where the disk refuses, and from then on. The catalogue notes how far the tables were safe.
        """
        path = self.path(name)
        if self._syncs.safe(path) < 0:
            catalogue = self.open(CATALOGUE)
            noted = None if catalogue is None else catalogue.transaction_version(_noted(name))
            self._syncs.known(path, -1 if noted is None else noted)
        self._syncs.outlive(path, self.version(name))

    def drop(self, kind: str, model: str, before_s: float) -> None:
        """A model's partitions of the whole days before a time; rows with no date stay."""
        table, day = self.open(kind), date_of(before_s)
        if table is None or day is None:
            return
        held: Any = table.partitions()
        if any(part["model"] == model and (part["date"] or "9999") < day.isoformat() for part in held):
            named = model.replace("'", "''")
            where = f"date < '{day.isoformat()}' AND model = '{named}'"
            _refused(self.path(kind), lambda: table.delete(where))
            self.outlive(kind)

    def tidy(self) -> None:
        """Where small files have piled up, make large ones of them; then, and once a day, remove those that nobody can be
        reading any more.
        """
        for name in (*KINDS, CATALOGUE):
            table = self.open(name)
            if table is None:
                continue
            is_due = time.monotonic() >= self._vacuum_at_s.get(name, 0.0)
            if len(table.file_uris()) - len(_partitions(table)) >= MOST_SMALL_FILES:
                _refused(self.path(name), table.optimize.compact)
                self.outlive(name)
                is_due = True
            if is_due:
                _refused(self.path(name), partial(table.vacuum, retention_hours=KEPT_H, dry_run=False))
                self._vacuum_at_s[name] = time.monotonic() + DAY_S

    def entries(self, listed: Sequence[Listed]) -> dict[Listed, list[Stood]]:
        """All entries of what is listed, with their places, in order."""
        found: dict[Listed, list[Stood]] = {item: [] for item in listed}
        for kind in KINDS:
            for item, placed in self._placed(kind, listed):
                found[item].append(Stood(segment_at(Path(placed.segment)).number, placed.row, placed.entry))
        for entries in found.values():
            entries.sort(key=lambda stood: stood[:2])
        return found

    def shorten(self) -> None:
        """Where the catalogue has grown long, list each worker's segments in stretches instead of one by one."""
        _, listed = self.catalogue()
        if len(listed) < MOST_LISTED:
            return
        short = stretches(listed)
        if len(short) > len(listed) // 2:
            return
        from deltalake import write_deltalake

        path = self.path(CATALOGUE)
        table = self.create(CATALOGUE)
        _refused(path, lambda: write_deltalake(table, frame(CATALOGUE, short), mode="overwrite"))
        self.outlive(CATALOGUE)

    def catalogue(self) -> tuple[Seen, list[Listed]]:
        """What the catalogue lists, in order, and how to ask whether it has grown since."""
        import polars as pl

        changed_ns, table = self._changed_ns(CATALOGUE), self.open(CATALOGUE)
        if table is None:
            return Seen(-1, changed_ns), []
        rows = pl.scan_delta(table).select(Listed._fields).collect().rows()
        return Seen(table.version(), changed_ns), sorted(Listed(*row) for row in rows)

    def is_newer(self, name: str, seen: Seen) -> bool:
        """Whether there was a commit since. Asked at every reading, so it opens nothing."""
        following = self.path(name) / "_delta_log" / f"{seen.version + 1:020d}.json"
        # A file's time is too coarse to tell two commits apart, and a commit long ago may have been cleaned away.
        return following.exists() or self._changed_ns(name) != seen.changed_ns

    def _changed_ns(self, name: str) -> int:
        log = self.path(name) / "_delta_log"
        return log.stat().st_mtime_ns if log.is_dir() else 0

    def of_model(self, kind: str, model: str, fresh: Sequence[LogRow] = (), *, is_placed: bool = False) -> pl.LazyFrame:
        """The model's compacted rows of a kind, and those of entries that are not compacted yet, which stand last."""
        import polars as pl

        own = stretch(kind, _LAST_SEGMENT, fresh, model=model)
        parts = [frame(kind, [own]).lazy()]
        table = self.open(kind)
        if table is not None:
            parts.append(pl.scan_delta(table).filter(pl.col("model") == model))
        places = ("segment", "row") if is_placed else ()
        return pl.concat([part.select("date", *fields(kind), *places) for part in parts])

    def calls(
        self, model: str, rollout: str | None, since_s: float, until_s: float, *, but: Sequence[str]
    ) -> list[LogEntry]:
        """The model's predictions of a rollout, of any where it is None, asked in [since_s, until_s), as they stood.

        but: segments whose rows are left out.
        """
        import polars as pl

        at = pl.col("asked_s")
        wanted = (at >= since_s) & (at < until_s)
        for day, side in ((date_of(since_s), pl.col("date").ge), (date_of(until_s), pl.col("date").le)):
            if day is not None:  # whole partitions are passed over
                wanted &= side(day)
        if rollout is not None:
            wanted &= pl.col("rollout") == rollout
        return self._of(model, "predictions", wanted, but)

    def of_ids(self, model: str, ids: Collection[str], *, but: Sequence[str]) -> list[LogEntry]:
        """All entries of those ids, as they stood: predictions, then shadows, then outcomes."""
        import polars as pl

        if not ids:
            return []
        wanted = pl.col("id").is_in(pl.Series(sorted(ids), dtype=pl.String).implode())
        return [entry for kind in OF_CALLS for entry in self._of(model, kind, wanted, but)]

    def facts(self, model: str, ids: Collection[str], *, but: Sequence[str]) -> list[LogEntry]:
        """The shadows and outcomes of those predictions, as they stood."""
        import polars as pl

        if not ids:
            return []
        wanted = pl.col("id").is_in(pl.Series(sorted(ids), dtype=pl.String).implode())
        return [fact for kind in ("shadows", "outcomes") for fact in self._of(model, kind, wanted, but)]

    def _of(self, model: str, kind: str, wanted: pl.Expr, but: Sequence[str]) -> list[LogEntry]:
        import polars as pl

        table = self.open(kind)
        if table is None:
            return []
        own = (pl.col("model") == model) & ~pl.col("segment").is_in(list(but)) & wanted
        rows = pl.scan_delta(table).filter(own).sort("segment", "row").collect(engine="streaming")
        return [placed.entry for placed in read(kind, rows) if not isinstance(placed.entry, Window)]

    def version(self, name: str) -> int:
        """The number of the newest commit, by the file system alone; -1 where there is none."""
        log = self.path(name) / "_delta_log"
        return max((int(file.stem) for file in log.glob("*.json") if file.stem.isdigit()), default=-1)

    def _placed(self, kind: str, listed: Sequence[Listed]) -> Iterator[tuple[Listed, Placed]]:
        import polars as pl

        table = self.open(kind)
        if table is None or not listed:
            return
        at = pl.col("segment")
        # The range lets files be passed over by their statistics; which rows are meant is told by worker and number.
        wanted = (at >= min(item.name for item in listed)) & (at <= max(item.last for item in listed))
        by_worker = {worker: list(own) for worker, own in groupby(sorted(listed), key=lambda item: item.worker)}
        for placed in read(kind, pl.scan_delta(table).filter(wanted).collect()):
            segment = segment_at(Path(placed.segment))
            own = by_worker.get(segment.worker, [])
            item = next(iter(own[bisect_left(own, segment.number, key=lambda item: item.number) :]), None)
            if item is not None and placed.segment >= item.name:
                yield item, placed


def _partitions(table: DeltaTable) -> set[tuple[tuple[str, Any], ...]]:
    held: Any = table.partitions()
    return {tuple(sorted(part.items())) for part in held}


def _noted(name: str) -> str:
    """The application transaction by which the catalogue notes up to which version a table is safe."""
    return f"safe version of log.{name}"


def _refused(path: Path, write: Callable[[], T]) -> T:
    try:
        return write()
    except Exception as error:
        raise StoreError(f"The table {path} cannot be written: {error}.", cure="Free some room there.") from error
