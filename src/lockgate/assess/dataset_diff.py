"""Two versions of a dataset against each other, a column at a time: memory holds two keys and two columns, never a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.features.content import MARKS, marks
from lockgate.features.profiles import table as profiles
from lockgate.records import Column, ColumnDiff, ColumnProfile, Contract, DatasetDiff, DatasetRef, Profile
from lockgate.stats.distance import total_variation

if TYPE_CHECKING:
    import polars as pl

_COMPARED = ("number", "category", "boolean")


class Side(NamedTuple):
    """rows: as the store scans them, always in the same order."""

    ref: DatasetRef
    rows: pl.LazyFrame


class _Matched(NamedTuple):
    """rows: before, after. pairs: the places of rows of the same key, as two columns `before`, `after`; None without keys."""

    rows: tuple[int, int]
    same: int
    pairs: pl.DataFrame | None


def diff(before: Side, after: Side, contract: Contract) -> DatasetDiff:
    """Rows, schema and profile of two versions held to one contract. Columns that only one has, or that have another type,
    are named and not compared.
    """
    was, now = before.rows.collect_schema(), after.rows.collect_schema()
    shared = [name for name in was if name in now]
    compared = tuple(name for name in shared if was[name] == now[name])
    keys = contract.keys if set(contract.keys) <= set(compared) else ()
    matched = _by_keys(before, after, keys) if keys else _by_content(before, after, compared)
    changed = _Changed(matched.pairs)
    columns = [_Column(name, contract, before.rows, after.rows, changed) for name in shared if name in compared]
    apart = _distances(columns)
    rows_changed = changed.rows if matched.pairs is not None else None
    same = matched.same - (rows_changed or 0)
    diffs = {column.name: column.diff(str(was[column.name]), apart.get(column.name)) for column in columns}
    return DatasetDiff(
        before=before.ref,
        after=after.ref,
        by=keys,
        rows=matched.rows,
        added=matched.rows[1] - matched.same,
        removed=matched.rows[0] - matched.same,
        changed=rows_changed,
        same=same,
        compared=compared,
        gained={name: str(now[name]) for name in now if name not in was},
        dropped={name: str(was[name]) for name in was if name not in now},
        columns=tuple(
            diffs.get(name) or ColumnDiff(name=name, types=(str(was[name]), str(now[name]))) for name in shared
        ),
    )


class _Changed:
    """Counts rows that differ in any of the columns it was shown."""

    def __init__(self, pairs: pl.DataFrame | None) -> None:
        self._pairs = pairs
        self._any: pl.Series | None = None

    @property
    def rows(self) -> int:
        return 0 if self._any is None else int(self._any.sum())

    def count(self, before: pl.Series, after: pl.Series) -> int | None:
        """None without keys."""
        if self._pairs is None:
            return None
        differs = before.gather(self._pairs["before"]).ne_missing(after.gather(self._pairs["after"]))
        self._any = differs if self._any is None else self._any | differs
        return int(differs.sum())


class _Column:
    """One column of both versions, read, counted, and let go of."""

    def __init__(
        self, name: str, contract: Contract, before: pl.LazyFrame, after: pl.LazyFrame, changed: _Changed
    ) -> None:
        was, now = before.select(name).collect()[name], after.select(name).collect()[name]
        declared = contract.column(name)
        self.name = name
        self.rows = was.len(), now.len()
        self.missing = _missing(was), _missing(now)
        self.changed = changed.count(was, now)
        self.reference: ColumnProfile | None = None if declared is None else _profile(was, declared)
        self.window: ColumnProfile | None = None
        if declared is not None and self.reference is not None:
            cells = Profile(rows=0, columns=(self.reference,))
            (self.window,) = profiles.window(profiles.in_memory(now.to_frame()), cells, profiles.Asked()).columns

    def diff(self, kind: str, distance: float | None) -> ColumnDiff:
        means = tuple(None if profile is None else profile.mean for profile in (self.reference, self.window))
        return ColumnDiff(
            name=self.name,
            types=(kind, kind),
            changed=self.changed,
            distance=distance,
            missing=self.missing,
            mean=(means[0], means[1]),
        )


def _profile(series: pl.Series, column: Column) -> ColumnProfile | None:
    """None for a column without a scale or levels (a key, a time)."""
    if column.type == "time" or (column.type == "text" and column.levels is None):
        return None
    (found,) = profiles.reference(profiles.in_memory(series.to_frame()), profiles.Asked()).columns
    return found


def _by_keys(before: Side, after: Side, keys: tuple[str, ...]) -> _Matched:
    was, now = (
        side.rows.select(keys).collect().with_row_index(name) for side, name in ((before, "before"), (after, "after"))
    )
    pairs = was.join(now, on=list(keys), how="inner", nulls_equal=True).select("before", "after")
    return _Matched((was.height, now.height), pairs.height, pairs)


def _by_content(before: Side, after: Side, compared: tuple[str, ...]) -> _Matched:
    import polars as pl

    was, now = (
        side.rows.select(marks(compared)).group_by(MARKS).agg(pl.len().alias(name)).collect()
        for side, name in ((before, "before"), (after, "after"))
    )
    both = was.join(now, on=MARKS, how="inner").select(pl.min_horizontal("before", "after").sum())
    return _Matched((int(was["before"].sum()), int(now["after"].sum())), int(both.item()), None)


def _distances(columns: list[_Column]) -> dict[str, float]:
    """Total variation by column, of those that have a profile and rows on both sides, and cells that tell them apart."""
    found = [(c.reference, c.window) for c in columns if c.reference is not None and c.window is not None]
    return {
        was.name: total_variation(np.array(was.counts), np.array(now.counts))
        for was, now in found
        if was.kind in _COMPARED
    }


def _missing(series: pl.Series) -> float:
    nan = int(series.is_nan().sum()) if series.dtype.is_float() else 0
    return (int(series.null_count()) + nan) / series.len() if series.len() else 0.0
