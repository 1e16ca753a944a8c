"""What each model sees. A function here is named in lockgate.toml, or by `lockgate train --features`."""

from __future__ import annotations

from flights.columns import CATEGORIES, LIVE, SCHEDULE, WEATHER
from lockgate.features import Pipeline, custom, levels, numeric

TIMETABLE = tuple(name for name in SCHEDULE if name not in CATEGORIES)
LOOKUP = "flights.extract:lookup"


def schedule() -> Pipeline:
    """The timetable and the plane."""
    return Pipeline.of(numeric(*TIMETABLE), *(levels(name) for name in CATEGORIES))


def live() -> Pipeline:
    """And what the last hours looked like."""
    return Pipeline.of(numeric(*TIMETABLE, *LIVE), *(levels(name) for name in CATEGORIES))


def weather() -> Pipeline:
    """And the origin's last weather report."""
    return Pipeline.of(numeric(*TIMETABLE, *LIVE, *WEATHER), *(levels(name) for name in CATEGORIES))


def leaky() -> Pipeline:
    """And how late it left, which nobody knows an hour before."""
    return Pipeline.of(numeric(*TIMETABLE, "dep_delay"), *(levels(name) for name in CATEGORIES))


def live_from_backfill() -> Pipeline:
    """Live features out of an extract that was filled for training and has no feed since."""
    return _from_extract("backfill.npz")


def live_from_nightly() -> Pipeline:
    """Live features out of an extract whose history is right, and whose nightly job is a day late ever since."""
    return _from_extract("nightly.npz")


def _from_extract(file: str) -> Pipeline:
    step = custom(LOOKUP, needs=("flight_id",), gives=LIVE, file=file)
    return Pipeline.of(numeric(*TIMETABLE), step, *(levels(name) for name in CATEGORIES))
