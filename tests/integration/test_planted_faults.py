"""Faults planted into real calls of flights: scored, logged, counted by who answers, and told by the loop of a workspace."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import lockgate

PROJECT = Path(lockgate.__file__).parent / "cli" / "demo" / "project"
MODEL = "late_arrival"
MARCH, APRIL = dt.datetime(2013, 3, 1, tzinfo=dt.UTC), dt.datetime(2013, 4, 1, tzinfo=dt.UTC)
NOON = APRIL + dt.timedelta(hours=16)
HOUR = dt.timedelta(hours=1)
SEEN = ("sched_minute", "distance", "plane_age", "plane_seats", "temp", "humid", "wind_speed", "wind_gust")
TEXTS = ("carrier", "origin", "dest", "plane")
KNOWN_LATER = ("landed_at", "late")
TOML = """
[model.late_arrival]
task = "binary"
target = "late"
unit = "flight_id"
time = "asked_at"
metric = "log_loss"
train = "plantedwork:fit"
features = "plantedwork:features"
rule = ["carrier", "origin"]
fallback = ["champion", "baseline", 0.23]

[model.late_arrival.contract]
known = "landed_at"
keys = ["flight_id"]
nullable = ["report", "plane", "plane_age", "plane_seats", "temp", "humid", "wind_speed", "wind_gust"]

[model.late_arrival.outcomes]
horizon = "12h"
outcome_depends_on_prediction = false

[model.late_arrival.gate]
better_by = 0.0
not_worse_by = 0.01
holdout = "10d"
"""
CODE = f"""
from lockgate.features import Pipeline, levels, numeric

def features():
    return Pipeline.of(numeric(*{SEEN}), levels("carrier"), levels("origin"), levels("dest"))

def fit(table, features):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    return made.fit(features.matrix(table), features.target(table))
"""
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def calls() -> pl.DataFrame:
    """March and 1 April, each call with the moment of the weather report that it was answered from."""
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
    own = table(journeys(sources), sources).filter(pl.col("asked_at").is_between(MARCH, NOON + 3 * HOUR))
    out = pl.col("time_hour") + REPORTED_AFTER
    reports = sources.weather.select("origin", pl.col("wind_gust").fill_nan(None), report=out).sort("report")
    return own.join_asof(
        reports.with_columns(out_at=pl.col("report")),
        left_on="asked_at",
        right_on="out_at",
        by="origin",
        tolerance=OLDEST_REPORT,
        check_sortedness=False,
    ).select("flight_id", "asked_at", "report", *KNOWN_LATER, *SEEN, *TEXTS)


@pytest.fixture(scope="module")
def served(calls: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A champion of March that has answered the morning of 1 April, hour by hour, and of which nothing was told."""
    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    root = tmp_path_factory.mktemp("planted") / "project"
    create(root, TOML)
    (root / "plantedwork.py").write_text(CODE)
    workspace = Workspace.open(root)
    workspace.data(MODEL, calls.filter(pl.col("asked_at") < APRIL, pl.col("landed_at") <= APRIL))
    made = workspace.train(MODEL)
    workspace.gate(made)
    workspace.rollout(made, dirty=True, by="the tests")
    morning = [about for start in by_hour(APRIL, NOON) for about in told(workspace, calls, start)]
    workspace.close()
    assert morning == [], "and none before it is planted"
    return root


def by_hour(since: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    while since < until:
        yield since
        since += HOUR


def told(workspace: Any, calls: pl.DataFrame, start: dt.datetime, change: Change = lambda rows: rows) -> list[Any]:
    """An hour's calls, and a turn of the loop: the faults it tells of, as (about, sentence)."""
    rows = calls.filter(pl.col("asked_at") >= start, pl.col("asked_at") < start + HOUR).drop(KNOWN_LATER)
    if rows.height:
        workspace.score(MODEL, change(rows), prefix=f"{start:%d-%H}")
    alarms = workspace.tick().alarms
    return [(one.about, one.sentence) for one in alarms if one.cause == "fault" and not one.is_over]


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
    "a doubled stream": (lambda rows: pl.concat([rows, rows]), "doubled", "Every row comes twice"),
    "a feature stuck": (
        lambda rows: rows.with_columns(plane_seats=pl.lit(149, pl.Float32)),
        "stuck plane_seats",
        "plane_seats is stuck at 149",
    ),
    "zeros for missing": (
        lambda rows: rows.with_columns(pl.col("wind_gust").fill_null(0)),
        "zeros wind_gust",
        "zeros where values were missing: 0 of",
    ),
    "a new level, of two that became one": (
        lambda rows: rows.with_columns(pl.col("carrier").replace({"UA": "XX", "EV": "XX"})),
        "unseen carrier",
        "levels that the reference never had",
    ),
    "shuffled codes": (shuffled, "shuffled carrier", "The levels of carrier look shuffled"),
    "a late feed": (
        lambda rows: rows.with_columns(pl.col("report").dt.offset_by("-2h")),
        "late report",
        "report comes late",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_told_by_name_within_an_hour_of_traffic_and_nothing_else_is(
    served: Path, calls: pl.DataFrame, tmp_path: Path, name: str
) -> None:
    """Noon in New York, 1 April, of some 55 calls."""
    from lockgate.workspace.workspace import Workspace

    change, about, says = PLANTED[name]
    root = tmp_path / "project"
    shutil.copytree(served, root)
    workspace = Workspace.open(root)
    found = told(workspace, calls, NOON, change)
    workspace.close()
    assert [named for named, _ in found] == [about], found
    assert says in found[0][1]
