"""A scored table's columns: which row it was, what it was answered, or why it was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lockgate.features.schema import storable
from lockgate.features.typed import polars_type
from lockgate.records import Column, Prediction
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
    rows: pl.DataFrame, said: Sequence[tuple[NDArray[np.intp], Sequence[Prediction]]], refused: Mapping[int, str]
) -> pl.DataFrame:
    """Shape (n, ...), in the order of the table. rows: its `own`, empty where none say which row it was; said: predictions
    with their places; refused: by place, why there is none. Each place is in one of the two.
    """
    import polars as pl

    found = [prediction for _, predictions in said for prediction in predictions]
    places: list[int] = [place for part, _ in said for place in part.tolist()]
    answered = _columns(found)
    if refused:
        none = pl.DataFrame({"refused": list(refused.values())}, schema_overrides={"refused": pl.String})
        answered = pl.concat([answered, none], how="diagonal")
        places += refused
    order = np.argsort(np.array(places, dtype=np.int64), kind="stable")
    if not (order[:-1] < order[1:]).all():
        answered = answered[order]
    return pl.concat([rows, answered], how="horizontal") if rows.width else answered


def _columns(found: Sequence[Prediction]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "id": pl.Series([p.id for p in found], dtype=pl.String),
            "value": pl.Series(np.fromiter((p.value for p in found), dtype=np.float64, count=len(found))),
            "version": few([p.version for p in found], pl.String()),
            "arm": few([p.arm for p in found], pl.String()),
            "served_by": few([p.served_by for p in found], pl.String()),
            "flags": few([p.flags for p in found], pl.List(pl.String)),
            "refused": pl.Series([None], dtype=pl.String).new_from_index(0, len(found)),
        }
    )
