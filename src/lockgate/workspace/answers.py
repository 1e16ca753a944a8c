"""A scored table's columns: which row it was, what it was answered, or why it was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lockgate.features.schema import storable
from lockgate.features.typed import polars_type
from lockgate.records import Column, Prediction
from lockgate.records.prediction import Calls
from lockgate.store.log_columns import few

if TYPE_CHECKING:
    import polars as pl

GIVEN = ("id", "value", "version", "arm", "served_by", "flags", "refused")
"""id: the prediction's, by which outcomes name it. value, version, arm, served_by, flags: as in its record. refused: what the
row breaks of the contract, so that nobody was asked; the others are null then, and it alone is not.
"""


def own(table: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """The columns that say which row it was, in types that any store keeps; `in_id` where the table has an `id` itself."""
    import polars as pl

    kept = storable(table.select(column.name for column in columns))
    names = {name: f"in_{name}" for name in kept.columns if name in GIVEN}
    return kept.select(pl.col(column.name).cast(polars_type(column.type)) for column in columns).rename(names)


def table(
    rows: pl.DataFrame, said: Sequence[tuple[NDArray[np.intp], pl.DataFrame]], refused: Mapping[int, str]
) -> pl.DataFrame:
    """Shape (n, ...), in the order of the table. rows: its `own`, empty where none say which row it was; said: `of_calls` or
    `of_predictions`, with their places; refused: by place, why there is none. Each place is in one of the two.
    """
    import polars as pl

    places = [part for part, _ in said]
    parts = [part for _, part in said]
    if refused or not parts:
        places.append(np.array([*refused], dtype=np.intp))
        schema = {"refused": pl.String(), **dict.fromkeys(("id", "version", "arm", "served_by"), pl.String())}
        none = pl.DataFrame({"refused": list(refused.values())}, schema={"refused": pl.String})
        more = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name != "refused"]
        more += [pl.lit(None, pl.Float64).alias("value"), pl.lit(None, pl.List(pl.String)).alias("flags")]
        parts.append(none.with_columns(more).select(GIVEN))
    order = np.argsort(np.concatenate(places), kind="stable")
    answered = pl.concat(parts)
    if not (order[:-1] < order[1:]).all():
        answered = answered[order]
    return pl.concat([rows, answered], how="horizontal") if rows.width else answered


def of_calls(calls: Calls) -> pl.DataFrame:
    """The columns of rows that went to one arm, made from the line that the log keeps of them."""
    import polars as pl

    rows = len(calls.places) // 8
    places = pl.Series(np.frombuffer(calls.places, "<i8"))
    return pl.DataFrame(
        {
            "id": pl.select(pl.lit(f"{calls.prefix}-") + places.cast(pl.String)).to_series(),
            "value": pl.Series(np.frombuffer(calls.values, "<f8")),
            "version": _same(calls.version, rows),
            "arm": _same(calls.arm, rows),
            "served_by": _but(calls.served_by, calls.version, rows),
            "flags": _flags(calls.flags, rows),
            "refused": _same(None, rows),
        }
    )


def of_predictions(found: Sequence[Prediction]) -> pl.DataFrame:
    """The same from their records."""
    import polars as pl

    return pl.DataFrame(
        {
            "id": pl.Series([p.id for p in found], dtype=pl.String),
            "value": pl.Series([p.value for p in found], dtype=pl.Float64),
            "version": few([p.version for p in found], pl.String()),
            "arm": few([p.arm for p in found], pl.String()),
            "served_by": few([p.served_by for p in found], pl.String()),
            "flags": few([p.flags for p in found], pl.List(pl.String)),
            "refused": _same(None, len(found)),
        }
    )


def _flags(flags: Mapping[int, tuple[str, ...]], rows: int) -> pl.Series:
    import polars as pl

    places = {one: place for place, one in enumerate(dict.fromkeys([(), *flags.values()]))}
    at = np.zeros(rows, dtype=np.uint32)
    at[[*flags]] = [places[one] for one in flags.values()]
    return pl.Series([list(one) for one in places], dtype=pl.List(pl.String)).gather(pl.Series(at))


def _same(value: str | None, rows: int) -> pl.Series:
    import polars as pl

    return pl.Series([value], dtype=pl.String).new_from_index(0, rows)


def _but(others: Mapping[int, str], usual: str, rows: int) -> pl.Series:
    """The usual value, but in some rows."""
    found = _same(usual, rows)
    return found.scatter([*others], [*others.values()]) if others else found
