"""What happens at the airports, as the three sources of `lockgate.toml` have it: who left, who was due, who landed."""

from __future__ import annotations

import polars as pl


def events(flown: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """By source the year's events, in the order in which they happened. flown: from `journeys.journeys`.

    Each is known when it happens. When a flight was cancelled the source does not say: we take it as known from its
    scheduled departure on; one called off only later is then counted too early. A flight merely delayed counts 0 from then.
    """
    is_cancelled = pl.col("dep_delay").is_null().cast(pl.Int8).alias("cancelled")
    delays = pl.col("dep_delay", "arr_delay").cast(pl.Float64)
    plane = pl.col("tailnum").alias("plane")
    flown = flown.with_columns(delays, is_cancelled, plane)
    landed = ("flight_id", "landed_at", "carrier", "origin", "dest", "plane", "arr_delay", "late")
    return {
        "departures": _happened(flown.select("flight_id", "left_at", "origin", "dep_delay"), "left_at"),
        "due": _happened(flown.select("flight_id", "due_at", "origin", "cancelled"), "due_at"),
        "landings": _happened(flown.select(landed), "landed_at"),
    }


def _happened(flown: pl.DataFrame, at: str) -> pl.DataFrame:
    return flown.filter(pl.col(at).is_not_null()).sort(at, "flight_id")
