"""The live features that the example's lockgate.toml declares: a month of real flights, by the table path and row by row."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

import lockgate
from lockgate.features import as_of, event_table
from lockgate.features.aggregate import defined, micros_of
from lockgate.features.windows import Windows
from lockgate.records import Aggregate, WorkspaceSpec
from lockgate.workspace import config

MONTH = (pl.datetime(2013, 4, 1, time_zone="UTC"), pl.datetime(2013, 5, 1, time_zone="UTC"))
SEEN_FROM = pl.datetime(2013, 3, 20, time_zone="UTC")  # a week and more before the first question
PROJECT = Path(lockgate.__file__).parent / "cli" / "demo" / "project"
SHARES = {
    "carrier_late_24h": "carrier",
    "carrier_origin_late_7d": "route",
    "dest_late_24h": "dest",
    "origin_late_6h": "origin",
}


@pytest.fixture(scope="module")
def declared() -> WorkspaceSpec:
    return config.read(PROJECT / "lockgate.toml")


@pytest.fixture(scope="module")
def flown() -> pl.DataFrame:
    """The year's flights, with the live features beside them as written by hand."""
    pytest.importorskip("lightgbm")
    sys.path[:0] = own = [str(PROJECT), str(Path(__file__).parent)]
    try:
        from flights_by_hand import live

        from flights.journeys import journeys
        from flights.sources import SourcesMissing, read_sources
    finally:
        del sys.path[: len(own)]
    try:
        found = journeys(read_sources()).with_columns(pl.col("tailnum").alias("plane"))
    except SourcesMissing as missing:
        pytest.skip(str(missing))
    return found.hstack(live(found)).filter(pl.col("asked_at") >= SEEN_FROM, pl.col("asked_at") < MONTH[1])


@pytest.fixture(scope="module")
def aggregates(declared: WorkspaceSpec) -> dict[str, Aggregate]:
    return defined(declared.model["late_arrival"], declared.source)


@pytest.fixture(scope="module")
def events(flown: pl.DataFrame, declared: WorkspaceSpec) -> dict[str, pl.DataFrame]:
    sys.path.insert(0, str(PROJECT))
    try:
        from flights.events import events
    finally:
        sys.path.pop(0)
    sources = declared.source
    return {name: event_table.held(name, sources[name].stream, e, now_us=2**60) for name, e in events(flown).items()}


@pytest.fixture(scope="module")
def offline(flown: pl.DataFrame, events: dict[str, pl.DataFrame], aggregates: dict[str, Aggregate]) -> pl.DataFrame:
    calls = flown.filter(pl.col("asked_at") >= MONTH[0])
    found = as_of.computed(calls, "asked_at", aggregates, events, stale_after_us=dict.fromkeys(events))
    assert found.columns.height == calls.height > 27_000
    return found.columns


@pytest.mark.parametrize("days", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_every_call_gets_by_row_what_the_table_path_gives_to_the_bit(
    flown: pl.DataFrame,
    events: dict[str, pl.DataFrame],
    aggregates: dict[str, Aggregate],
    declared: WorkspaceSpec,
    offline: pl.DataFrame,
    days: int,
) -> None:
    """Events are taken when they happen, calls asked in between, as while serving; a source is kept as long as it says."""
    calls = flown.filter(pl.col("asked_at") >= MONTH[0])
    windows = {
        name: Windows(
            spec.stream,
            [one for one in aggregates.values() if one.source == name],
            retention_us=None if spec.retention is None else micros_of(spec.retention),
        )
        for name, spec in declared.source.items()
    }
    readers = {name: windows[one.source].reader(one) for name, one in aggregates.items()}
    waiting = {
        name: sorted(event_table.events(declared.source[name].stream, table), reverse=True)
        for name, table in events.items()
    }
    wrong: list[tuple[str, str, float | None, float | None]] = []
    found = offline.to_dicts()
    calls = calls.filter(pl.col("asked_at") < MONTH[0] + pl.duration(days=days))
    assert calls.height > 850 * days
    for number, call in enumerate(calls.with_columns(pl.col("asked_at").dt.epoch("us")).to_dicts()):
        at_us = call["asked_at"]
        for name, left in waiting.items():
            due = []
            while left and left[-1].happened_us <= at_us:
                due.append(left.pop())
            windows[name].take(due)
        for name, reader in readers.items():
            key = tuple(call[row] for _, row in sorted(aggregates[name].by.items()))
            own, table = reader.at(key, at_us).value, found[number][name]
            if (own is None) != (table is None) or (own is not None and own != float(table)):
                wrong.append((name, call["flight_id"], own, table))
    assert wrong == []


def test_they_are_what_is_written_by_hand(
    flown: pl.DataFrame, events: dict[str, pl.DataFrame], offline: pl.DataFrame
) -> None:
    """The plane's two look back without end, so those of planes that landed in the days at hand are compared."""
    calls = flown.filter(pl.col("asked_at") >= MONTH[0])
    found = {
        name: offline[name]
        for name in ("origin_delay_1h", "origin_delay_3h", "origin_cancelled_6h", "plane_last_delay")
    }
    found["plane_down_minutes"] = offline["plane_down_s"] / 60
    for name, of in SHARES.items():
        found[name] = (offline[f"{of}_late"] + 1) / (offline[f"{of}_landed"] + 5)
    landings = events["landings"].filter(pl.struct("plane", "landed_at").is_duplicated(), pl.col("plane").is_not_null())
    twice = set(landings["plane"])
    assert 0 < len(twice) < 20
    for name, own in found.items():
        is_at_hand = own.is_not_null() if name.startswith("plane") else pl.repeat(True, own.len(), eager=True)
        ours, theirs = own.filter(is_at_hand), calls[name].filter(is_at_hand)
        assert ours.len() > 20_000
        assert ours.null_count() == theirs.null_count()
        differs = ours.ne_missing(theirs)
        if name == "plane_last_delay":  # of two landings in one minute that takes the later row, we the greater id
            assert set(calls.filter(is_at_hand).filter(differs)["tailnum"]) <= twice
            differs = differs & False
        assert not differs.any(), name
