"""The hours' features as somebody's job would put them into a file: fresh, or a day old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from flights import columns
from flights.features import hours
from lockgate.features.contract import to_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from lockgate.workspace.workspace import Workspace

MODEL: Final = "late_arrival"
DAY: Final = pl.duration(days=1)


def fresh(workspace: Workspace, calls: pl.DataFrame, events: Mapping[str, pl.DataFrame]) -> NDArray[np.float32]:
    """`columns.LIVE` as known at each call's question, shape (n, 9), NaN where unknown."""
    whole = workspace.completed(MODEL, calls, events=events)
    contract = workspace.contract(MODEL)
    pipeline = hours().typed({column.name: column.type for column in contract.asked})
    matrix = pipeline.matrix(to_columns(whole, [c for c in contract.asked if c.name in pipeline.needs]))
    return matrix[:, [pipeline.names.index(name) for name in columns.LIVE]]


def day_old(workspace: Workspace, calls: pl.DataFrame, events: Mapping[str, pl.DataFrame]) -> NDArray[np.float32]:
    """The same as known 24 h before: ranges look like those of fresh features, for these are true values of another day."""
    return fresh(workspace, calls.with_columns(pl.col("asked_at") - DAY), events)
