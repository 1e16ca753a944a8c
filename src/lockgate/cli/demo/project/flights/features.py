"""What each model sees. A function here is named in lockgate.toml, or by `lockgate train --features`."""

from __future__ import annotations

from flights.columns import CATEGORIES, LIVE, SCHEDULE, WEATHER
from lockgate.features import Pipeline, custom, levels, numeric, row

TIMETABLE = tuple(name for name in SCHEDULE if name not in CATEGORIES)
LOOKUP = "flights.extract:lookup"
HOURS = (
    numeric("origin_delay_1h", "origin_delay_3h", "origin_cancelled_6h", "plane_last_delay"),
    # As if five more had landed, one of them late: a share of two flights must not shout as loudly as one of two hundred,
    # and a true share is never 0, so that a feed which sends 0 shows.
    row("carrier_late_24h", "(carrier_late + 1) / (carrier_landed + 5)"),
    row("carrier_origin_late_7d", "(route_late + 1) / (route_landed + 5)"),
    row("dest_late_24h", "(dest_late + 1) / (dest_landed + 5)"),
    row("origin_late_6h", "(origin_late + 1) / (origin_landed + 5)"),
    row("plane_down_minutes", "plane_down_s / 60"),
)


def schedule() -> Pipeline:
    """The timetable and the plane."""
    return Pipeline.of(numeric(*TIMETABLE), *(levels(name) for name in CATEGORIES))


def live() -> Pipeline:
    """And what the last hours looked like."""
    return Pipeline.of(numeric(*TIMETABLE), *HOURS, *(levels(name) for name in CATEGORIES))


def weather() -> Pipeline:
    """And the origin's last weather report."""
    return Pipeline.of(numeric(*TIMETABLE, *WEATHER), *HOURS, *(levels(name) for name in CATEGORIES))


def leaky() -> Pipeline:
    """And how late it left, which nobody knows an hour before."""
    return Pipeline.of(numeric(*TIMETABLE, "dep_delay"), *(levels(name) for name in CATEGORIES))


def hours() -> Pipeline:
    """What the last hours looked like, alone."""
    return Pipeline.of(*HOURS)


def live_from_backfill() -> Pipeline:
    """Live features out of an extract that was filled for training and has no feed since."""
    return _from_extract("backfill.npz")


def live_from_nightly() -> Pipeline:
    """Live features out of an extract whose history is right, and whose nightly job is a day late ever since."""
    return _from_extract("nightly.npz")


def _from_extract(file: str) -> Pipeline:
    step = custom(LOOKUP, needs=("flight_id",), gives=LIVE, file=file)
    return Pipeline.of(numeric(*TIMETABLE), step, *(levels(name) for name in CATEGORIES))
