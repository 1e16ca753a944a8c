"""A broken feed: the live features as a nightly extract would serve them, a day old."""

from __future__ import annotations

from typing import Final

import polars as pl

from flights import columns
from flights.journeys import journeys
from flights.live import DAY, live
from flights.sources import Sources

AGE: Final = DAY


def day_old(calls: pl.DataFrame, sources: Sources) -> pl.DataFrame:
    """flight_id and `columns.LIVE` as known 24 h before each call's question; rows and order are those of `calls`.

    The ranges look like those of fresh features, for these are true values of another day.
    """
    flown = journeys(sources)
    old = pl.concat([flown.select(columns.ID), live(flown, minutes_ago=AGE)], how="horizontal")
    typed = old.with_columns(pl.col(columns.LIVE).cast(pl.Float32))
    return calls.select(columns.ID).join(typed, on=columns.ID, how="left", maintain_order="left")
