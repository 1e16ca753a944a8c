"""Rows completed online: defaults and flags, a store that is away and comes back, and what is forgotten."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.features.aggregate import define
from lockgate.records import AggregateSpec, Column, Contract, Event, Rule, SourceSpec
from lockgate.serve import online
from lockgate.serve.completing import Completing, Whole
from lockgate.serve.online import Online
from lockgate.store.event_store import EventStore
from lockgate.store.memory import MemoryEvents

SOURCE = SourceSpec(
    key="id", time="at", columns={"id": "int", "at": "time", "port": "text", "wait": "float"}, stale_after="1h"
)
HOUR = 3600 * 10**6
DAY = 24 * HOUR


def contract(*specs: tuple[str, AggregateSpec], source: SourceSpec = SOURCE, **more: Any) -> Contract:
    columns = [Column(name="port", type="text", is_nullable=True), Column(name="asked", type="time", is_nullable=True)]
    for name, spec in specs:
        own = define(name, spec, {"s": source})
        columns.append(Column(name=name, type="float", aggregate=own, is_nullable=own.is_nullable))
    return Contract(model="m", columns=tuple(columns), target="y", time="asked", **more)


MEAN = ("mean", AggregateSpec(source="s", mean="wait", by=("port",), window="2h"))
LAST = ("last", AggregateSpec(source="s", last="wait", by=("port",), window="2h", default=-1))


def event(number: int, at: int, wait: float | None = 1.0, port: str = "a") -> Event:
    return Event(at, at, number, (at, number, port, wait))


def completed(of: Completing, *rows: tuple[str | None, float | None], now_s: float = 0.0) -> Whole:
    ports = np.array([port for port, _ in rows], dtype=object)
    asked = np.array([np.nan if at is None else at / 1e6 for _, at in rows])
    none: list[tuple[str, ...]] = [()] * len(rows)
    return of.completed({"port": ports, "asked": asked}, none, np.zeros(len(rows), dtype=bool), now_s=now_s)


@pytest.fixture
def events() -> MemoryEvents:
    return MemoryEvents()


@pytest.fixture
def following(events: MemoryEvents, monkeypatch: pytest.MonkeyPatch) -> Online:
    monkeypatch.setattr(online, "LOOK_EVERY_S", 0.0)
    return Online(events)


def test_each_row_is_completed_as_of_its_own_time_and_one_without_a_time_as_of_now(
    events: MemoryEvents, following: Online
) -> None:
    of = Completing(contract(MEAN), {"s": SOURCE}, following)
    events.add("s", [event(1, HOUR, 2.0), event(2, 2 * HOUR, 4.0)])
    whole = completed(of, ("a", HOUR + 1), ("a", 2 * HOUR + 1), ("a", None), now_s=4 * 3600 + 1)
    assert whole.columns["mean"][:2].tolist() == [2.0, 3.0]
    assert np.isnan(whole.columns["mean"][2])
    assert whole.flags == [(), (), ("mean: no history", "mean: stale")]


def test_a_key_that_is_missing_and_one_without_history_have_the_default_and_say_so(
    events: MemoryEvents, following: Online
) -> None:
    of = Completing(contract(LAST), {"s": SOURCE}, following)
    events.add("s", [event(1, HOUR)])
    whole = completed(of, (None, HOUR + 1), ("b", HOUR + 1), ("a", HOUR + 1))
    assert whole.columns["last"].tolist() == [-1.0, -1.0, 1.0]
    assert whole.flags == [("last: no key",), ("last: no history",), ()]


def test_what_was_added_meanwhile_counts_in_the_next_row(events: MemoryEvents, following: Online) -> None:
    of = Completing(contract(MEAN), {"s": SOURCE}, following)
    for number in range(50):
        events.add("s", [event(number, HOUR + number, float(number))])
        assert completed(of, ("a", 2 * HOUR)).columns["mean"].tolist() == [number / 2]


def test_a_source_that_stops_is_stale_and_so_is_one_that_never_began(events: MemoryEvents, following: Online) -> None:
    of = Completing(contract(LAST), {"s": SOURCE}, following)
    assert completed(of, ("a", HOUR)).flags == [("last: no history", "last: stale")]
    events.add("s", [event(1, HOUR)])
    assert completed(of, ("a", 2 * HOUR), ("a", 2 * HOUR + 1)).flags == [(), ("last: stale",)]


def test_a_source_that_lockgate_toml_names_no_more_is_still_computed_of(
    events: MemoryEvents, following: Online
) -> None:
    of = Completing(contract(LAST), {}, following)
    events.add("s", [event(1, HOUR, 7.0)])
    assert completed(of, ("a", HOUR + 1)).columns["last"].tolist() == [7.0]


def test_a_sum_beyond_float64_is_said_and_the_next_window_is_whole_again(
    events: MemoryEvents, following: Online
) -> None:
    spec = AggregateSpec(source="s", sum="wait", by=("port",), window="2h", default=0)
    of = Completing(contract(("sum", spec)), {"s": SOURCE}, following)
    events.add("s", [event(1, 0, 1.7e308), event(2, 1, 1.7e308), event(3, HOUR, 0.25)])
    whole = completed(of, ("a", HOUR + 1), ("a", 2 * HOUR + 2))
    assert whole.columns["sum"].tolist() == [0.0, 0.25]
    assert "sum: too large" in whole.flags[0]


def test_what_a_computed_column_breaks_is_left_to_the_fallback_and_never_refused(
    events: MemoryEvents, following: Online
) -> None:
    own = contract(MEAN, rules=(Rule(name="short", check="mean < 5"),))
    of = Completing(own, {"s": SOURCE}, following)
    events.add("s", [event(1, HOUR, 9.0), event(2, HOUR, 1.0, port="b")])
    whole = completed(of, ("a", HOUR + 1), ("b", HOUR + 1))
    assert (whole.flags, whole.falls_back.tolist()) == ([("short: broken",), ()], [True, False])


def test_a_question_from_before_what_is_kept_has_the_default_and_says_so(
    events: MemoryEvents, following: Online
) -> None:
    kept = SourceSpec(key="id", time="at", columns=SOURCE.columns, retention="2h")
    of = Completing(contract(LAST, source=kept), {"s": kept}, following)
    events.add("s", [event(1, HOUR, 3.0)])
    assert completed(of, ("a", HOUR + 1)).columns["last"].tolist() == [3.0]
    events.add("s", [event(2, 5 * DAY, 4.0)])
    whole = completed(of, ("a", HOUR + 1), ("a", 5 * DAY + 1))
    assert whole.columns["last"].tolist() == [-1.0, 4.0]
    assert "last: forgotten" in whole.flags[0]
    assert whole.flags[1] == ()


def test_an_event_dated_a_day_ahead_makes_nobody_forget_what_counts_now(
    events: MemoryEvents, following: Online
) -> None:
    kept = SourceSpec(key="id", time="at", columns=SOURCE.columns, retention="2h")
    of = Completing(contract(LAST, source=kept), {"s": kept}, following)
    events.add("s", [event(1, 9 * DAY, 3.0), event(2, 10 * DAY, 9.0)])
    assert completed(of, ("a", 9 * DAY + 2 * HOUR)).columns["last"].tolist() == [3.0]


def test_a_store_that_cannot_be_read_costs_no_row_and_is_stale_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "LOOK_EVERY_S", 0.0)
    good = EventStore(tmp_path / "good.db")
    good.add("s", [event(1, HOUR, 3.0)])
    good.close()
    file = tmp_path / "events.db"
    file.write_bytes(b"this is no database, and never was one" * 100)
    following = Online(EventStore(file))
    of = Completing(contract(LAST), {"s": SOURCE}, following)
    assert completed(of, ("a", HOUR + 1)).flags == [("last: no history", "last: stale")]
    assert following.problem is not None
    assert "cannot be read" in following.problem
    (tmp_path / "good.db").replace(file)
    whole = completed(of, ("a", HOUR + 1))
    assert (whole.columns["last"].tolist(), whole.flags, following.problem) == ([3.0], [()], None)


def test_a_store_that_is_away_for_longer_than_a_moment_makes_what_was_seen_stale(
    events: MemoryEvents, following: Online
) -> None:
    from lockgate.errors import StoreError

    of = Completing(contract(LAST), {"s": SOURCE}, following)
    events.add("s", [event(1, HOUR, 3.0)])
    assert completed(of, ("a", HOUR + 1)).flags == [()]

    class Away(MemoryEvents):
        def has_news(self) -> bool:
            raise StoreError("The events cannot be read: the disk is gone.")

    following._events = Away()
    assert completed(of, ("a", HOUR + 1)).flags == [()], "a moment is nothing"
    time.sleep(online.GRACE_S + 0.05)
    whole = completed(of, ("a", HOUR + 1))
    assert (whole.columns["last"].tolist(), whole.flags) == ([3.0], [("last: stale",)])


def test_rows_and_events_from_many_threads_agree_with_what_each_could_see(tmp_path: Path) -> None:
    """A writer adds one event after another; every reader's count lies between what was there before and after its look."""
    store = EventStore(tmp_path / "events.db")
    following = Online(EventStore(tmp_path / "events.db"))
    spec = AggregateSpec(source="s", count=True, by=("port",), window="2h")
    of = Completing(contract(("count", spec)), {"s": SOURCE}, following)
    added, wrong = [0], list[tuple[int, float, int]]()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            before = added[0]
            time.sleep(2 * online.LOOK_EVERY_S)
            count = completed(of, ("a", 2 * HOUR)).columns["count"][0]
            if not before <= count <= added[0] + 1:
                wrong.append((before, count, added[0]))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(60):
        store.add("s", [event(number, HOUR + number)])
        added[0] += 1
    is_over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    time.sleep(2 * online.LOOK_EVERY_S)
    assert completed(of, ("a", 2 * HOUR)).columns["count"].tolist() == [60.0]
