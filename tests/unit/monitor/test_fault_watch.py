"""Hard faults watched hour by hour: each is one alarm with its life, silence is heard, and nothing is told of usual hours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from lockgate.decide.faults import look
from lockgate.decide.faults.habits import habits
from lockgate.decide.faults.hour import Hour, without_pairs
from lockgate.features.profiles.columns import reference, window
from lockgate.monitor import alarms
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_watch import Reign
from lockgate.monitor.fault_watch import FaultWatch
from lockgate.records import Alarm, Column, MonitorSpec, Prediction, Profile, Verdict
from lockgate.records.prediction import Window
from lockgate.records.record import encode
from lockgate.records.usual import FaultStanding, text_of
from lockgate.report import ledger
from lockgate.report.why import why
from lockgate.store.memory import MemoryRecords

HOUR_S = 3600.0
MONDAY_S = 1_367_193_600.0  # 2013-04-29 00:00 UTC
CONTRACT = (Column(name="price", type="float"), Column(name="asked", type="time"))
WEEKS = 4 * 168


def rows_of(place: int, rows: int = 120, *, price: float | None = None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(place)
    prices = rng.lognormal(3, 0.5, rows) if price is None else np.full(rows, price)
    return {"price": prices, "asked": np.sort(rng.uniform(0, HOUR_S, rows)) + MONDAY_S + place * HOUR_S}


class Shop:
    """A model's records, which know four weeks of its hours; workers that count calls; and the wall clock beside them."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        months = [rows_of(place) for place in range(WEEKS)]
        joined = {name: np.concatenate([one[name] for one in months]) for name in months[0]}
        self.reference: Profile = reference(joined, CONTRACT, time="asked")
        cells = without_pairs(self.reference)
        hours = (Hour(MONDAY_S + place * HOUR_S, window(one, cells)) for place, one in enumerate(months))
        self.usual = habits(cells, hours, alpha=look.alpha_of(MonitorSpec(), cells))
        self.records.write(FaultStanding(model="m", version="v1", usual=text_of(self.usual)))
        self.watch = self.new_watch()
        self.numbers = 0
        self.last_s = self.whole_s = -math.inf

    def new_watch(self) -> FaultWatch:
        return FaultWatch("m", MonitorSpec(), self.records)

    def count(self, place: int, rows: dict[str, np.ndarray]) -> list[tuple[Window, Profile]]:
        """What a worker says of some rows of an hour, and the last of its calls in the log."""
        since_s = MONDAY_S + (WEEKS + place) * HOUR_S
        counted = window(rows, self.reference)
        self.numbers += 1
        self.last_s = max(self.last_s, float(rows["asked"].max()))
        self.watch.feed(Batch([call(self.last_s)]))
        told = Window(
            model="m",
            version="v1",
            who="w",
            number=self.numbers,
            since_s=since_s,
            until_s=since_s + HOUR_S,
            profile=encode(counted).decode(),
        )
        return [(told, counted)]

    def pass_hour(self, place: int, rows: dict[str, np.ndarray] | None = None) -> list[Alarm]:
        """An hour after the month, whole, looked at as it ends."""
        windows = self.count(place, rows_of(WEEKS + place) if rows is None else rows)
        self.whole_s = MONDAY_S + (WEEKS + place + 1) * HOUR_S
        return self.look(self.whole_s, windows)

    def look(self, now_s: float, windows: Sequence[tuple[Window, Profile]] = (), *, version: str = "v1") -> list[Alarm]:
        return self.watch.look(
            Reign(version, -math.inf),
            self.reference,
            windows,
            of_table=self.usual,
            whole_until_s=self.whole_s,
            now_s=now_s,
        )

    @property
    def open(self) -> list[str]:
        return [life.about for life in alarms.opened(self.records, "m")]


def call(asked_s: float) -> Prediction:
    return Prediction(
        id=f"{asked_s}",
        model="m",
        unit="u",
        asked_s=asked_s,
        answered_s=asked_s,
        arm="champion",
        version="v1",
        served_by="v1",
        value=0.5,
        latency_ms=1.0,
    )


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_usual_hours_are_told_nobody(shop: Shop) -> None:
    assert [shop.pass_hour(place) for place in range(48)] == [[]] * 48
    assert shop.records.all(Verdict) == []


def test_a_fault_is_told_once_with_its_verdict_and_is_over_by_itself(shop: Shop) -> None:
    shop.pass_hour(0)
    (begun,) = shop.pass_hour(1, rows_of(WEEKS + 1) | {"price": np.full(120, np.nan)})
    assert (begun.cause, begun.about, begun.severity, begun.next) == (
        "fault",
        "missing price",
        "page",
        "lockgate data skew m",
    )
    assert begun.sentence.startswith("price is gone: missing in all 120 rows; it was in 0.00% of the reference's")
    (item,) = shop.records.all(Verdict)
    assert (item.id, item.ruling, item.gate.claim) == (begun.verdict, "fail", "broken")
    assert begun.sentence in why(shop.records, item.id).lines[0]
    assert shop.pass_hour(2, rows_of(WEEKS + 2) | {"price": np.full(120, np.nan)}) == [], "told once"
    (over,) = shop.pass_hour(3)
    assert over.is_over
    assert over.sentence.startswith("120 rows since then do not show it. It was: price is gone")
    assert shop.open == []
    assert ledger.verify_records(shop.records).broken is None


def test_an_hour_is_judged_while_it_grows_and_a_graver_fault_is_told_again(shop: Shop) -> None:
    shop.pass_hour(0)
    whole = rows_of(WEEKS + 1)
    partly = whole | {"price": np.where(np.arange(120) % 3 == 0, np.nan, whole["price"])}
    half = shop.count(1, {name: values[:60] for name, values in partly.items()})
    (ticket,) = shop.look(shop.whole_s + 1800, half)
    assert (ticket.severity, ticket.about) == ("ticket", "missing price")
    assert shop.look(shop.whole_s + 1860) == []
    (page,) = shop.pass_hour(2, rows_of(WEEKS + 2) | {"price": np.full(120, np.nan)})
    assert (page.severity, page.of) == ("page", ticket.id)
    assert shop.open == ["missing price"]


def test_what_is_at_fault_raises_no_bar(shop: Shop) -> None:
    for place in range(72):
        shop.pass_hour(place, rows_of(WEEKS + place) | {"price": np.full(120, np.nan)})
    assert shop.open == ["missing price"]
    assert "missing" not in shop.watch.usual.column("price").shares
    assert shop.watch.usual.column("price").hours == WEEKS


def test_silence_is_heard_by_the_wall_clock_and_is_over_with_the_next_call(shop: Shop) -> None:
    shop.pass_hour(0)
    wall_s = shop.whole_s
    assert shop.look(wall_s + 300) == []
    (silent,) = shop.look(wall_s + 3600)
    assert (silent.about, silent.severity, silent.next) == ("silent", "page", "lockgate status")
    assert silent.sentence.startswith("No call has come for 1 h: 61 or more were due"), silent.sentence
    assert shop.look(wall_s + 7200) == []
    (over,) = shop.pass_hour(5)
    assert over.sentence.startswith("Calls come again, the last at 2013-05-27 05:5")
    held = shop.watch.usual.rows[int((MONDAY_S + (WEEKS + 3) * HOUR_S) // HOUR_S) % 168]
    assert 0 not in held, "hours that were silent by a fault are no example"


def test_a_restart_tells_nothing_twice_and_ends_what_is_over(shop: Shop) -> None:
    shop.pass_hour(0)
    gone = rows_of(WEEKS + 1) | {"price": np.full(120, np.nan)}
    assert len(shop.pass_hour(1, gone)) == 1
    shop.watch = shop.new_watch()
    assert shop.pass_hour(2, gone | {"asked": gone["asked"] + HOUR_S}) == []
    shop.watch = shop.new_watch()
    (over,) = shop.pass_hour(3)
    assert over.is_over


def test_another_champion_begins_with_its_own_answers_and_the_same_inputs(shop: Shop) -> None:
    shop.pass_hour(0)
    known = shop.watch.usual.column("price").hours
    shop.look(shop.whole_s + 900, version="v2")
    assert shop.watch.usual.column("price").hours == known
    assert shop.watch.usual.column("price").scores == {}


def test_nothing_is_told_before_there_is_a_call() -> None:
    shop = Shop()
    assert shop.look(0.0) == []
    assert shop.records.all(Verdict) == []


def test_a_fault_of_a_column_that_is_not_read_is_one_note_a_day_however_often_it_is_looked_at(shop: Shop) -> None:
    shop.reference = msgspec.structs.replace(shop.reference, importance={"asked": 1.0})
    told: list[Alarm] = []
    for place in range(26):
        hour = rows_of(WEEKS + place, price=0.0)
        for part in range(3):  # it grows while it is looked at
            rows = {name: values[40 * part : 40 * part + 40] for name, values in hour.items()}
            windows = shop.count(place, rows)
            shop.whole_s = MONDAY_S + (WEEKS + place) * HOUR_S
            told += shop.look(shop.whole_s + 60.0 * part, windows)
    assert {one.severity for one in told} == {"note"}
    assert all(one.sentence.endswith("The champion does not read it, so nobody is called.") for one in told)
    days: dict[str, list[float]] = {}
    for one in told:
        days.setdefault(one.about, []).append(one.at_s)
    assert all(len(at_s) <= 2 for at_s in days.values()), days
    assert shop.open == []
    shop.watch = shop.new_watch()
    assert shop.look(shop.whole_s + 240.0) == [], "a restart tells no note twice"
