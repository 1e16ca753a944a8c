"""When each flight was asked about, due, gone and down, on one clock: UTC."""

from __future__ import annotations

from typing import Final

import polars as pl

from flights.sources import Sources

ASK_BEFORE: Final = pl.duration(minutes=60)
LATE_AFTER: Final = 15  # minutes behind schedule at landing
HOME_ZONE: Final = "America/New_York"
CARIBBEAN: Final = {"BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico"} | {
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}  # the four destinations that the package's `airports` does not list


def journeys(sources: Sources) -> pl.DataFrame:
    """The source's flights with their instants, sorted by (asked_at, flight_id).

    Adds: flight_id; due_at, asked_at; left_at and landed_at (null when it never happened); block_minutes; late
    (1, 0, or null for cancelled and diverted flights). Instants are Datetime in microseconds, UTC.
    """
    due_at = pl.col("time_hour") + pl.duration(minutes="minute")
    return (
        sources.flights.with_columns(_flight_id(), due_at.alias("due_at"))
        .with_columns((pl.col("due_at") - ASK_BEFORE).alias("asked_at"), _after_due("dep_delay").alias("left_at"))
        .join(_zones(sources.airports), on="dest", how="left")
        .join(_clock_gaps(sources), on=["zone", "time_hour"], how="left")
        .with_columns(_block_minutes().alias("block_minutes"))
        .with_columns(
            _after_due(pl.col("block_minutes") + pl.col("arr_delay")).alias("landed_at"),
            (pl.col("arr_delay") > LATE_AFTER).cast(pl.Int8).alias("late"),
        )
        .sort("asked_at", "flight_id")
    )


def _flight_id() -> pl.Expr:
    """Such as 2013-04-01-UA-1545-EWR: a carrier may use one number twice a day, but not twice from one airport."""
    day = pl.date("year", "month", "day").dt.to_string("%Y-%m-%d")
    return pl.concat_str(day, "carrier", pl.col("flight"), "origin", separator="-").alias("flight_id")


def _after_due(minutes: str | pl.Expr) -> pl.Expr:
    return pl.col("due_at") + pl.duration(minutes=minutes)


def _zones(airports: pl.DataFrame) -> pl.DataFrame:
    """Columns dest, zone: the IANA zone of every destination."""
    listed = airports.select(pl.col("faa").alias("dest"), pl.col("tzone").alias("zone")).drop_nulls()
    missing = pl.DataFrame({"dest": list(CARIBBEAN), "zone": list(CARIBBEAN.values())})
    return pl.concat([listed, missing])


def _clock_gaps(sources: Sources) -> pl.DataFrame:
    """Columns zone, time_hour, gap: minutes that the zone's clock is ahead of New York's in that hour.

    Per hour and zone (some 70,000 rows), for Polars converts a whole column to one zone. Arizona and Hawaii keep no
    summer time, so the gap is not a constant of the airport.
    """
    hours = sources.flights.select("time_hour").unique()
    home = _offset_minutes(HOME_ZONE)
    zones = _zones(sources.airports.join(sources.flights, left_on="faa", right_on="dest", how="semi"))["zone"].unique()
    return pl.concat(
        hours.select(pl.lit(zone).alias("zone"), "time_hour", (_offset_minutes(zone) - home).alias("gap"))
        for zone in zones.sort()
    )


def _offset_minutes(zone: str) -> pl.Expr:
    there = pl.col("time_hour").dt.convert_time_zone(zone)
    return (there.dt.base_utc_offset() + there.dt.dst_offset()).dt.total_minutes()


def _block_minutes() -> pl.Expr:
    """Scheduled gate to gate. Both clocks show local time; the arrival may be on the next day, hence the modulus."""
    return (_of_day("sched_arr_time") - _of_day("sched_dep_time") - pl.col("gap")) % (24 * 60)


def _of_day(name: str) -> pl.Expr:
    """Minute of the day from a clock such as 1545."""
    return pl.col(name) // 100 * 60 + pl.col(name) % 100
