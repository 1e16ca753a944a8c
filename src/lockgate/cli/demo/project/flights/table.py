"""The table of calls: one row per scheduled flight, holding what was known an hour before its departure."""

from __future__ import annotations

from typing import Final

import polars as pl

from flights import columns
from flights.journeys import HOME_ZONE
from flights.sources import Sources

REPORTED_AFTER: Final = pl.duration(minutes=60)
OLDEST_REPORT: Final = "3h"
LEAKS: Final = columns.LEAKS


def calls(flown: pl.DataFrame, sources: Sources) -> pl.DataFrame:
    """One row per scheduled flight, 336,776 of them, sorted by (asked_at, flight_id). flown: from `journeys.journeys`.

    Columns: flight_id, asked_at, landed_at, late, then the timetable's and the weather's. Strings for the categories,
    Float32 for all other features, null when unknown. landed_at and late are the outcome: null for flights that
    never landed where they should, and known to nobody before landed_at.
    """
    known = (columns.ID, columns.TIME, columns.OUTCOME_TIME, columns.TARGET, "dep_delay")
    return (
        flown.with_columns(*_timetable(), pl.col("tailnum").alias(columns.PLANE))
        .join(_planes(sources.planes), on="tailnum", how="left", maintain_order="left")
        .pipe(_with_weather, sources.weather)
        .select(*known, columns.PLANE, *_features())
    )


def _features() -> list[pl.Expr]:
    names = columns.SCHEDULE + columns.WEATHER
    return [pl.col(n) if n in columns.CATEGORIES else pl.col(n).cast(pl.Float32) for n in names]


def _timetable() -> list[pl.Expr]:
    """Minute and weekday are New York's: passengers and crews live by that clock, also when summer time begins."""
    local = pl.col("due_at").dt.convert_time_zone(HOME_ZONE)
    return [
        (local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()).alias("sched_minute"),
        local.dt.weekday().alias("weekday"),
        pl.len().over("origin", "time_hour").alias("flights_that_hour"),
    ]


def _planes(planes: pl.DataFrame) -> pl.DataFrame:
    """Columns tailnum, plane_age, plane_seats. The register is of 2013, so an age counts from then."""
    return planes.select("tailnum", (2013 - pl.col("year")).alias("plane_age"), pl.col("seats").alias("plane_seats"))


def _with_weather(flown: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Join the origin's last report that was out at the question.

    A row of the source stands for a whole hour (its rain is the hour's total), so it is out when the hour is over:
    joining on `time_hour` itself would look up to an hour ahead.
    """
    reports = weather.select("origin", (pl.col("time_hour") + REPORTED_AFTER).alias("reported_at"), *columns.WEATHER)
    return flown.join_asof(
        reports.sort("reported_at"),
        left_on="asked_at",
        right_on="reported_at",
        by="origin",
        tolerance=OLDEST_REPORT,
        check_sortedness=False,  # Polars cannot check it under `by`; both sides are sorted just above
    )
