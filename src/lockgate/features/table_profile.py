"""Profiles of a table's columns, counted where the table is: of ten million rows no text becomes a Python object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lockgate.features import profile
from lockgate.features.contract import to_columns
from lockgate.records import Column, ColumnProfile, Profile

if TYPE_CHECKING:
    import polars as pl


def column_reference(series: pl.Series, column: Column) -> ColumnProfile | None:
    """As `features.profile.reference` counts it; None for a column without a scale or levels (a key, a time)."""
    if column.type != "text":
        found = profile.reference(to_columns(series.to_frame(), [column]), (column,), {}).columns
        return found[0] if found else None
    return None if column.levels is None else _text(series, _common(series))


def column_window(series: pl.Series, column: Column, like: ColumnProfile) -> ColumnProfile:
    """The same cells, counted over another table's column."""
    if column.type == "text":
        return _text(series, like.levels, name=like.name)
    columns = to_columns(series.to_frame(), [column])
    return profile.window(columns, Profile(rows=0, columns=(like,))).columns[0]


def _common(series: pl.Series) -> tuple[str, ...]:
    import polars as pl

    counts = _counts(series).sort(pl.col("count"), pl.col("level"), descending=[True, False])
    return tuple(sorted(counts["level"].head(profile.MAX_LEVELS).to_list()))


def _text(series: pl.Series, levels: tuple[str, ...], *, name: str | None = None) -> ColumnProfile:
    counts = dict(_counts(series).iter_rows())
    own = [int(counts.get(level, 0)) for level in levels]
    missing = int(series.null_count())
    rest = int(np.sum([int(count) for count in counts.values()])) - sum(own)
    return ColumnProfile(name=name or series.name, levels=levels, counts=(*own, rest, missing))


def _counts(series: pl.Series) -> pl.DataFrame:
    """Columns level, count; without the missing ones."""
    import polars as pl

    text = series.cast(pl.String).drop_nulls().rename("level").to_frame()
    return text.group_by("level").agg(pl.len().alias("count"))
