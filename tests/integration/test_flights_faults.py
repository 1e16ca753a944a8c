"""Faults planted into real hours of flights, each named within an hour of traffic; and what the clean months raise."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lockgate
from lockgate.decide.faults import look
from lockgate.decide.faults.hour import Hour
from lockgate.decide.faults.usual import learnt
from lockgate.features.profiles.table import Asked, in_memory, reference, window
from lockgate.monitor.drift_watch import Reign
from lockgate.monitor.fault_watch import FaultWatch
from lockgate.records import MonitorSpec, Profile
from lockgate.records.prediction import Window
from lockgate.records.usual import FaultStanding, Usual, text_of
from lockgate.store.memory import MemoryRecords

PROJECT = Path(lockgate.__file__).parent / "cli" / "demo" / "project"
COLUMNS = (
    *(
        "asked_at",
        "report",
        "sched_minute",
        "distance",
        "plane_age",
        "plane_seats",
        "carrier",
        "origin",
        "dest",
        "plane",
    ),
    *("temp", "humid", "wind_speed"),
)
"""Without the air pressure, which whole stations leave out now and then: a fortnight is too short to know that by."""
ASKED = Asked(columns=COLUMNS, time="asked_at", prediction="score")
APRIL = dt.datetime(2013, 4, 1, tzinfo=dt.UTC)
LEARNT = dt.timedelta(days=14)
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def calls() -> pl.DataFrame:
    """The year's calls, with the moment of the weather report that each was answered from, and a score of the timetable."""
    sys.path.insert(0, str(PROJECT))
    try:
        from flights.journeys import journeys
        from flights.sources import SourcesMissing, read_sources
        from flights.table import OLDEST_REPORT, REPORTED_AFTER
        from flights.table import calls as table
    finally:
        sys.path.remove(str(PROJECT))
    try:
        sources = read_sources()
    except SourcesMissing as missing:
        pytest.skip(str(missing))
    reports = sources.weather.select("origin", report=pl.col("time_hour") + REPORTED_AFTER).sort("report")
    known = reports.with_columns(out_at=pl.col("report"))
    found = table(journeys(sources), sources).join_asof(
        known,
        left_on="asked_at",
        right_on="out_at",
        by="origin",
        tolerance=OLDEST_REPORT,
        check_sortedness=False,
    )
    return found.with_columns(score=1 / (1 + (1.5 - pl.col("sched_minute") / 1000 - pl.col("distance") / 1e5).exp()))


@pytest.fixture(scope="module")
def cells(calls: pl.DataFrame) -> Profile:
    return reference(in_memory(calls.filter(pl.col("asked_at") < APRIL)), ASKED)


def hours(
    calls: pl.DataFrame, cells: Profile, since: dt.datetime, until: dt.datetime
) -> Iterator[tuple[Hour, pl.DataFrame]]:
    own = calls.filter(pl.col("asked_at") >= since, pl.col("asked_at") < until)
    for (start,), rows in own.group_by(pl.col("asked_at").dt.truncate("1h").alias("hour"), maintain_order=True):
        assert isinstance(start, dt.datetime)
        yield Hour(start.timestamp(), window(in_memory(rows), cells, ASKED)), rows


@pytest.fixture(scope="module")
def usual(calls: pl.DataFrame, cells: Profile) -> Usual:
    """What the last fortnight before April was like."""
    found = Usual()
    for hour, _ in hours(calls, cells, APRIL - LEARNT, APRIL):
        found = learnt(found, hour, look.scores(cells, hour), {})
    return found


def shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    codes = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
    other = dict(zip(codes, np.roll(codes, 5).tolist(), strict=True))
    return rows.with_columns(pl.col("carrier").replace_strict(other))


PLANTED: dict[str, tuple[Change, str, str]] = {
    "Fahrenheit to Celsius": (
        lambda rows: rows.with_columns((pl.col("temp") - 32) / 1.8),
        "unit temp",
        "from Fahrenheit to Celsius (x 0.5556 - 17.78)",
    ),
    "miles to kilometres": (
        lambda rows: rows.with_columns(pl.col("distance") * 1.609344),
        "unit distance",
        "from miles to kilometres (x 1.609)",
    ),
    "a feature stuck": (
        lambda rows: rows.with_columns(plane_seats=pl.lit(149, pl.Float32)),
        "stuck plane_seats",
        "plane_seats is stuck at 149",
    ),
    "zeros for missing": (
        lambda rows: rows.with_columns(pl.col("plane_age").fill_null(0)),
        "zeros plane_age",
        "zeros where values were missing: 0 of",
    ),
    "a new level, of two that became one": (
        lambda rows: rows.with_columns(pl.col("carrier").replace({"UA": "XX", "EV": "XX"})),
        "unseen carrier",
        "levels that the reference never had",
    ),
    "shuffled codes": (shuffled, "shuffled carrier", "The levels of carrier look shuffled"),
    "a doubled stream": (lambda rows: pl.concat([rows, rows]), "doubled", "Every row comes twice"),
    "a late feed": (
        lambda rows: rows.with_columns(pl.col("report").dt.offset_by("-2h")),
        "late report",
        "report comes late",
    ),
    "a column gone": (
        lambda rows: rows.with_columns(humid=pl.lit(None, pl.Float32)),
        "missing humid",
        "humid is gone: missing in all",
    ),
    "a constant prediction": (
        lambda rows: rows.with_columns(score=pl.lit(0.23)),
        "constant the prediction",
        "the prediction is always 0.23",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_planted_into_real_calls_is_named_within_an_hour(
    calls: pl.DataFrame, cells: Profile, usual: Usual, name: str
) -> None:
    """Noon in New York, 1 April; zeros of a fifth of the rows take some 75 rows, which is the second hour there."""
    change, about, says = PLANTED[name]
    start = APRIL + dt.timedelta(hours=16)
    before = usual
    for hour, _ in hours(calls, cells, APRIL, start):
        assert look_at(cells, hour, before) == (), "and none before it was planted"
        before = learnt(before, hour, look.scores(cells, hour), {})
    allowed, seen = (2 if about.startswith("zeros") else 1), []
    for hour, rows in hours(calls, cells, start, start + dt.timedelta(hours=allowed)):
        planted = hour._replace(window=window(in_memory(change(rows)), cells, ASKED))
        seen = [(one.about, one.sentence) for one in look_at(cells, planted, before)]
        if seen:
            break
        before = learnt(before, planted, look.scores(cells, planted), {})
    assert [found for found, _ in seen] == [about]
    assert says in seen[0][1]


def look_at(cells: Profile, hour: Hour, usual: Usual) -> tuple[object, ...]:
    alpha = look.alpha_of(MonitorSpec(), cells)
    return look.faults(cells, hour, usual, alpha=alpha, per_hour=60)


@pytest.mark.parametrize("days", [7, pytest.param(275, marks=pytest.mark.slow)])
def test_clean_hours_raise_nothing_but_what_was_wrong_with_the_stations(
    calls: pl.DataFrame, cells: Profile, usual: Usual, days: int
) -> None:
    """The year has five true faults of its sources: two gauges out in July, reports that came late in August and
    November, and no weather at all on the last day.
    """
    records = MemoryRecords()
    records.write(FaultStanding(model="flights", version="v1", usual=text_of(usual)))
    watch, reign = FaultWatch("flights", MonitorSpec(), records), Reign("v1", APRIL.timestamp())
    told: dict[str, str] = {}
    for hour, _ in hours(calls, cells, APRIL, APRIL + dt.timedelta(days=days)):
        told_now = watch.look(reign, cells, [counted(hour)], of_table=None, whole_until_s=hour.end_s, now_s=hour.end_s)
        for one in told_now:
            if not one.is_over:
                told[f"{one.about} {dt.datetime.fromtimestamp(one.at_s, dt.UTC):%m-%d}"] = one.sentence
    weather = {"missing", "late", "stale"}
    wrong = {name: said for name, said in told.items() if name.split()[0] not in weather or days < 60}
    assert wrong == {}
    if days > 60:
        assert {name.split()[-1][:2] for name in told} <= {"07", "08", "11", "12"}
        assert {"missing temp 12-31", "missing humid 12-31", "missing report 12-31"} <= set(told)


def counted(hour: Hour) -> tuple[Window, Profile]:
    """As a worker says it."""
    told = Window(
        model="flights",
        version="v1",
        who="w",
        number=int(hour.start_s),
        since_s=hour.start_s,
        until_s=hour.end_s,
        profile="",
    )
    return told, hour.window
