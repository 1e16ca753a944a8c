"""Hostile rows, made of a table's own: what production will send one day, and training never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.errors import SpecError
from lockgate.records.contract import ColumnType

if TYPE_CHECKING:
    import polars as pl

FLOATS = (None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 1e39, 5e-324, 2.0**53 + 2, -1.0, 0.1)
INTS = (None, 0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
TEXTS = (None, "", " ", "never seen before", "ÜÑ ✈", "\x00", "NaN", "0")
TIMES = (
    None,
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1901, 12, 13, 20, 45, 51, 1, tzinfo=UTC),
    datetime(2000, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)
ODD: Mapping[ColumnType, tuple[Any, ...]] = {
    "float": FLOATS,
    "int": INTS,
    "bool": (None, True, False),
    "text": TEXTS,
    "time": TIMES,
}
PLAIN = 5
"""One row in so many stays as the table has it."""


def hostile(table: pl.DataFrame, types: Mapping[str, ColumnType], *, rows: int = 500, seed: int = 0) -> pl.DataFrame:
    """At least `rows` rows with the columns of `types`: some as the table has them, then each odd value of each column in a
    row that is whole otherwise, then several odd values in one row.

    Odd values are nulls, NaN, infinities, zeros, extremes, unseen levels, empty and foreign text, times before 1970, and the
    table's own least and most. Raises SpecError for a table without rows.
    """
    import polars as pl

    if not table.height:
        raise SpecError("A table without rows has nothing to make hostile ones of.")
    rng = np.random.default_rng(seed)
    odd = {name: (*ODD[kind], *_extremes(table[name])) for name, kind in types.items()}
    found = [*_plain(table, odd, max(1, rows // PLAIN), rng)]
    singles = [(name, value) for name, values in odd.items() for value in values]
    found += [
        base | {name: value} for base, (name, value) in zip(_plain(table, odd, len(singles), rng), singles, strict=True)
    ]
    several = max(0, rows - len(found))
    for base in _plain(table, odd, several, rng):
        moved = rng.choice(list(odd), size=min(len(odd), int(rng.integers(2, 5))), replace=False).tolist()
        found.append(base | {name: odd[name][int(rng.integers(len(odd[name])))] for name in moved})
    return pl.DataFrame(found, schema={name: _dtype(kind) for name, kind in types.items()}, orient="row")


def _plain(
    table: pl.DataFrame, names: Mapping[str, Any], rows: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    chosen = rng.integers(0, table.height, rows).tolist()
    yield from table.select(list(names))[chosen].iter_rows(named=True)


def _extremes(series: pl.Series) -> tuple[Any, ...]:
    """The least and most of the column's own, where it has any."""
    if not series.dtype.is_numeric():
        return ()
    return tuple(value for value in (series.min(), series.max()) if value is not None)


def _dtype(kind: ColumnType) -> Any:
    import polars as pl

    return {
        "float": pl.Float64,
        "int": pl.Int64,
        "bool": pl.Boolean,
        "text": pl.String,
        "time": pl.Datetime("us", "UTC"),
    }[kind]
