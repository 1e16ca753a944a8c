"""Hard faults: each is named rightly in one hour, by counts alone; an hour as usual is none, and sparse hours wait."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from lockgate.decide.alarm_budget import shares
from lockgate.decide.faults import look, stream
from lockgate.decide.faults.conversions import CONVERSIONS
from lockgate.decide.faults.fault import Fault
from lockgate.decide.faults.hour import HOUR_S, Hour, joined
from lockgate.decide.faults.usual import WEEKS, learnt
from lockgate.errors import SpecError
from lockgate.features.profiles import cut
from lockgate.features.profiles.rows import LiveWindow
from lockgate.features.profiles.table import Asked, in_memory, reference, window
from lockgate.records import MonitorSpec, Profile
from lockgate.records.usual import Usual
from lockgate.stats import tails

COLUMNS = ("asked_at", "fed_at", "temp", "age", "price", "carrier", "is_new", "plane")
ASKED = Asked(columns=COLUMNS, time="asked_at", prediction="score")
START_S = 1_367_366_400.0  # 2013-05-01 00:00 UTC, a Wednesday
CARRIERS = np.array(["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"])
OFTEN = np.array([0.3, 0.25, 0.15, 0.1, 0.08, 0.06, 0.04, 0.02])
Change = Callable[[pl.DataFrame], pl.DataFrame]


def hour_of(rng: np.random.Generator, place: int, rows: int = 120) -> pl.DataFrame:
    """One hour: its weather is the same for all, as are the moments of its feed; the rest differs by row."""
    start_s = START_S + place * HOUR_S
    at = np.sort(rng.uniform(0, HOUR_S, rows)) + start_s
    weather = 50 + 15 * math.sin(place / 24 * 2 * math.pi) + 3 * math.sin(place / 7)
    age = np.where(rng.random(rows) < 0.2, np.nan, rng.gamma(4, 3, rows) + 1)
    price = rng.lognormal(3, 0.6, rows)
    return pl.DataFrame(
        {
            "asked_at": _times(at),
            "fed_at": _times(at - rng.uniform(60, 600, rows)),
            "temp": np.round(weather + rng.choice([-1.0, 0.0, 1.0], rows), 1),
            "age": pl.Series(age).fill_nan(None),
            "price": price,
            "carrier": rng.choice(CARRIERS, rows, p=OFTEN),
            "is_new": rng.random(rows) < 0.3,
            "plane": [f"N{one}" for one in rng.integers(0, 40_000, rows)],
            "score": 1 / (1 + np.exp(2 - price / 20 - rng.normal(0, 0.3, rows))),
        }
    )


def _times(at_s: np.ndarray) -> pl.Series:
    return pl.Series((at_s * 1e6).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


class World:
    """A reference of three weeks, what its hours were like, and the hour after them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        days = 21 * 24
        hours = [hour_of(rng, place) for place in range(days)]
        self.reference = reference(in_memory(pl.concat(hours)), ASKED)
        self.usual = Usual()
        for place, rows in enumerate(hours):
            hour = self.hour(rows, place)
            self.usual = learnt(self.usual, hour, look.scores(self.reference, hour), {})
        self.alpha = look.alpha_of(MonitorSpec(), self.reference)
        self.next = days
        self.rows = hour_of(rng, days)

    def hour(self, rows: pl.DataFrame, place: int, **more: Any) -> Hour:
        return Hour(START_S + place * HOUR_S, window(in_memory(rows), self.reference, ASKED), **more)

    def faults(self, change: Change = lambda rows: rows, **more: Any) -> tuple[Fault, ...]:
        hour = self.hour(change(self.rows), self.next, **more)
        return look.faults(self.reference, hour, self.usual, alpha=self.alpha, per_hour=60)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def null(name: str) -> Change:
    return lambda rows: rows.with_columns(pl.lit(None).cast(rows.schema[name]).alias(name))


def put(name: str, value: pl.Expr | Any) -> Change:
    return lambda rows: rows.with_columns((value if isinstance(value, pl.Expr) else pl.lit(value)).alias(name))


def codes(rows: pl.DataFrame) -> pl.DataFrame:
    other = dict(zip(CARRIERS.tolist(), np.roll(CARRIERS, 3).tolist(), strict=True))
    return rows.with_columns(pl.col("carrier").replace_strict(other))


PLANTED: dict[str, tuple[Change, str, str, list[str]]] = {
    "gone": (
        null("price"),
        "missing price",
        "page",
        ["price is gone: missing in all 120 rows", "0.00% of the reference's"],
    ),
    "partly gone": (
        put("price", pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("price")),
        "missing price",
        "ticket",
        ["price is missing in 40 of 120 rows (33.3%)"],
    ),
    "infinite": (put("price", pl.col("price") / 0), "infinite price", "ticket", ["price is infinite in all 120 rows"]),
    "celsius": (
        put("temp", (pl.col("temp") - 32) / 1.8),
        "unit temp",
        "ticket",
        ["from Fahrenheit to Celsius (x 0.5556 - 17.78)", "in an hour just before"],
    ),
    "cents": (
        put("price", pl.col("price") * 100),
        "unit price",
        "ticket",
        ["wholes to hundredths (per cent, cents) (x 100)", "in the reference"],
    ),
    "thousandths": (put("price", pl.col("price") / 1000), "unit price", "ticket", ["x 0.001"]),
    "stuck": (put("price", 21.5), "stuck price", "ticket", ["price is stuck at 21.5 for 120 rows", "had values from"]),
    "stuck level": (put("carrier", "AA"), "stuck carrier", "ticket", ["carrier is stuck at AA", "had 8 of them"]),
    "constant": (put("score", 0.23), "constant the prediction", "page", ["the prediction is always 0.23 for 120 rows"]),
    "zeros": (
        put("age", pl.col("age").fill_null(0.0)),
        "zeros age",
        "ticket",
        ["zeros where values were missing: 0 of 120 rows are missing"],
    ),
    "a new level": (
        put("carrier", pl.col("carrier").replace("DL", "XX")),
        "unseen carrier",
        "ticket",
        ["levels that the reference never had in", "('XX' 21)"],
    ),
    "shuffled": (codes, "shuffled carrier", "ticket", ["The levels of carrier look shuffled", "30% to"]),
    "late": (
        put("fed_at", pl.col("fed_at").dt.offset_by("-40m")),
        "late fed_at",
        "ticket",
        ["fed_at comes late: all 120 rows lie further than", "on average and not"],
    ),
    "doubled": (lambda rows: pl.concat([rows, rows]), "doubled", "ticket", ["Every row comes twice: 240 rows"]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_in_its_hour_and_is_the_only_one(world: World, name: str):
    change, about, severity, says = PLANTED[name]
    (found,) = world.faults(change, strange={"carrier": {"XX": 21}})
    assert (found.about, found.severity) == (about, severity)
    assert [part for part in says if part not in found.sentence] == []
    assert "since 2013-05-22 00:0" in found.sentence
    assert found.next.startswith("lockgate ")
    assert found.judgement.evidence.n[0] > 0


def test_an_hour_as_usual_is_no_fault(world: World):
    assert world.faults() == ()


def test_a_stopped_feed_is_stale_and_says_since_when(world: World):
    stood = pl.lit(START_S + world.next * HOUR_S - 1800).mul(1e6).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    before = learnt(
        world.usual, world.hour(put("fed_at", stood)(world.rows), world.next - 1), {}, {"fed_at": frozenset({"late"})}
    )
    assert before.until_s == world.usual.until_s, "an hour that was learnt is not learnt again"
    own = msgspec.structs.replace(world.usual.column("fed_at"), newest_s=START_S + world.next * HOUR_S - 1800)
    usual = msgspec.structs.replace(world.usual, columns=world.usual.columns | {"fed_at": own})
    hour = world.hour(put("fed_at", stood)(world.rows), world.next)
    (found,) = look.faults(world.reference, hour, usual, alpha=world.alpha)
    assert found.about == "stale fed_at"
    assert "fed_at has stood at 2013-05-21 23:30 UTC for 1 h" in found.sentence


def test_one_value_of_another_type_is_a_fact_that_no_budget_is_drawn_for(world: World):
    names = [name for name in COLUMNS if name != "asked_at"]
    numbers = _reference_of(world, names)
    live = LiveWindow(numbers, names)
    rows = world.rows.select(names).with_columns(pl.col("fed_at").dt.timestamp("us") / 1e6).rows()
    for place, row in enumerate(rows):
        own = tuple("12,5" if place == 3 and name == "price" else value for name, value in zip(names, row, strict=True))
        live.add(own, 0.1 + place / 1000, START_S + place)
    hour = Hour(START_S + world.next * HOUR_S, live.take())
    (found,) = look.faults(numbers, hour, world.usual, alpha=world.alpha)
    assert (found.about, found.severity) == ("type price", "ticket")
    assert "no number any more in 1 of 120 rows (0.8%)" in found.sentence
    assert found.judgement.gate.alpha == 0


def _reference_of(world: World, names: list[str]) -> Profile:
    """The same cells without the column of times that lags are told from."""
    kept = tuple(own for own in world.reference.columns if own.name in names or own.role == "prediction")
    return msgspec.structs.replace(world.reference, columns=kept)


@pytest.mark.parametrize("rows", [1, 3])
def test_sparse_traffic_waits(world: World, rows: int):
    few = world.rows.head(rows)
    hour = world.hour(put("price", 21.5)(null("age")(few)), world.next)
    assert look.faults(world.reference, hour, world.usual, alpha=world.alpha) == ()


def test_hours_that_are_sparse_are_judged_together(world: World):
    sparse = [
        world.hour(null("price")(hour_of(np.random.default_rng(place), place, 3)), place) for place in range(700, 708)
    ]
    alone = look.faults(world.reference, sparse[-1], world.usual, alpha=world.alpha)
    together = look.faults(world.reference, sparse[-1], world.usual, alpha=world.alpha, stretch=joined(sparse))
    assert (alone, [one.about for one in together]) == ((), ["missing price"])


def test_a_column_that_the_model_does_not_use_wakes_nobody(world: World):
    reference_ = msgspec.structs.replace(world.reference, importance={"price": 0.0, "temp": 1.0})
    hour = world.hour(null("price")(world.rows), world.next)
    (found,) = look.faults(reference_, hour, world.usual, alpha=world.alpha)
    assert (found.about, found.severity) == ("missing price", "ticket")


def test_a_column_that_the_version_does_not_read_is_a_note_and_says_so(world: World):
    reference_ = msgspec.structs.replace(world.reference, importance={"temp": 1.0})
    for change in (null("price"), put("price", 21.5), put("price", pl.col("price") * 100)):
        (found,) = look.faults(reference_, world.hour(change(world.rows), world.next), world.usual, alpha=world.alpha)
        assert found.severity == "note"
        assert found.sentence.endswith("The champion does not read it, so nobody is called.")
    (read,) = look.faults(reference_, world.hour(null("temp")(world.rows), world.next), world.usual, alpha=world.alpha)
    assert read.severity == "page"


def test_a_jump_from_far_off_back_to_where_the_reference_is_is_no_fault(world: World):
    mean = world.rows["temp"].mean()
    assert isinstance(mean, float)
    start_s = START_S + (world.next - 1) * HOUR_S
    far = msgspec.structs.replace(world.usual.column("temp"), means=((start_s, 10 * mean),))
    usual = msgspec.structs.replace(world.usual, columns={**world.usual.columns, "temp": far})
    there, back = put("temp", pl.col("temp") * 100), world.hour(world.rows, world.next)
    assert look.faults(world.reference, back, usual, alpha=world.alpha, per_hour=60) == ()
    (away,) = look.faults(world.reference, world.hour(there(world.rows), world.next), usual, alpha=world.alpha)
    assert away.about == "unit temp"


def test_what_is_missing_every_morning_is_no_fault_and_at_noon_it_is(world: World):
    usual = world.usual
    for day in range(2):
        for place in range(24):
            rows = hour_of(np.random.default_rng(place), world.next + 24 * day + place)
            hour = world.hour(null("price")(rows) if place == 9 else rows, world.next + 24 * day + place)
            usual = learnt(usual, hour, {}, {})
    at = {name: world.next + 48 + place for name, place in (("morning", 9), ("noon", 13))}
    found = {
        name: look.faults(
            world.reference,
            world.hour(null("price")(hour_of(np.random.default_rng(1), place)), place),
            usual,
            alpha=world.alpha,
        )
        for name, place in at.items()
    }
    assert found["morning"] == ()
    assert [one.about for one in found["noon"]] == ["missing price"]


def test_refused_rows_are_a_storm_where_they_are_many(world: World):
    few, many = world.faults(refused={"price": 3}), world.faults(refused={"price": 300, "age": 1})
    assert few == ()
    assert [(one.about, one.severity) for one in many] == [("contract price", "page")]
    assert "refused 300 of 420 rows (71.4%) for price" in many[0].sentence


def test_silence_is_told_once_enough_was_due_and_by_how_much(world: World):
    last = world.hour(world.rows, world.next)
    waited = {
        minutes: stream.silent(
            world.reference,
            world.usual,
            since_s=last.until_s,
            until_s=last.until_s + 60 * minutes,
            alpha=world.alpha,
        )
        for minutes in (5, 10, 30)
    }
    assert waited[5] is None
    assert waited[10] is None
    told = waited[30]
    assert told is not None
    assert (told.about, told.severity) == ("silent", "page")
    assert "No call has come for 30 min: 30 or more were due" in told.sentence


def test_nobody_is_missed_where_traffic_was_never_steady(world: World):
    silent = Usual(rows=dict.fromkeys(range(168), (0, 200, 200)), until_s=START_S)
    young = Usual(rows=dict.fromkeys(range(168), (200,) * (WEEKS - 2)), until_s=START_S)
    for usual in (silent, young, Usual()):
        assert stream.silent(world.reference, usual, since_s=START_S, until_s=START_S + 9e5, alpha=world.alpha) is None


def test_half_a_stream_doubled_and_an_even_hour_of_few_rows_are_none(world: World):
    half = lambda rows: pl.concat([rows, rows.head(60)])  # noqa: E731 - a change as any other
    assert world.faults(half) == ()
    two = world.rows.head(1)
    hour = world.hour(pl.concat([two, two]), world.next)
    assert stream.doubled(world.reference, hour, alpha=world.alpha) is None


def test_the_budget_holds_over_all_tests_and_looks_of_a_year(world: World):
    spec = MonitorSpec(false_alarms_per_year=4)
    alpha = look.alpha_of(spec, world.reference)
    assert alpha * look.tests(world.reference) * look.LOOKS_PER_YEAR == pytest.approx(4 * shares(spec)["fault"])
    assert tails.fewest_rows(0.05, alpha) == 7
    assert math.isinf(tails.fewest_rows(1.0, alpha))


def test_an_hour_over_other_cells_is_refused(world: World):
    other = Hour(START_S, cut.emptied(msgspec.structs.replace(world.reference, columns=world.reference.columns[:-1])))
    with pytest.raises(SpecError, match="do not hold the same columns"):
        look.faults(world.reference, other, world.usual, alpha=world.alpha)


def test_an_empty_hour_and_an_empty_record_are_no_fault(world: World):
    empty = Hour(START_S, cut.emptied(world.reference))
    assert look.faults(world.reference, empty, Usual(), alpha=world.alpha) == ()
    assert learnt(Usual(), empty, {}, {}).rows


def test_what_was_learnt_survives_being_written_down(world: World):
    body = msgspec.json.encode(world.usual)
    assert len(body) < 100_000
    assert msgspec.json.decode(body, type=Usual) == world.usual


def test_each_conversion_has_its_way_back_and_a_name_of_its_own():
    known = list(CONVERSIONS)
    assert len({one.name for one in known}) == len(known)
    assert all(one.back.of(one.of(17.0)) == pytest.approx(17.0) for one in known)


def test_an_hour_of_one_value_is_no_wonder_where_hours_lie_in_one_cell(world: World):
    """Three stations that agree for an hour, of a column whose rows of an hour are mostly alike."""
    rows = world.rows.with_columns(temp=pl.lit(51.0))
    hour = world.hour(rows, world.next)
    own = world.usual.column("temp")
    assert own.longest < 60, "by the longest run alone it would be a fault"
    assert look.faults(world.reference, hour, world.usual, alpha=world.alpha) == ()
    lasting = msgspec.structs.replace(own, value="51", run=1_400, run_since_s=hour.start_s - 12 * HOUR_S)
    usual = msgspec.structs.replace(world.usual, columns=world.usual.columns | {"temp": lasting})
    assert [one.about for one in look.faults(world.reference, hour, usual, alpha=world.alpha)] == ["stuck temp"]


@pytest.mark.parametrize(("rows", "within"), [(2, 24), (8, 12), (120, 1)])
def test_a_stuck_column_is_told_however_few_rows_an_hour_has(world: World, rows: int, within: int):
    """What goes on does not raise its own bar hour by hour."""
    usual, rng = world.usual, np.random.default_rng(17)
    for place in range(world.next, world.next + within):
        hour = world.hour(put("price", 20.0)(hour_of(rng, place, rows)), place)
        found = look.faults(world.reference, hour, usual, alpha=world.alpha, per_hour=60)
        if found:
            break
        usual = learnt(usual, hour, look.scores(world.reference, hour), {})
    assert [one.about for one in found] == ["stuck price"]


def test_a_run_that_ended_raises_the_bar_and_one_that_was_a_fault_does_not(world: World):
    rng = np.random.default_rng(18)
    for broken, longest in (({}, 40), ({"price": frozenset({"stuck"})}, world.usual.column("price").longest)):
        usual = world.usual
        for place in range(world.next, world.next + 3):
            rows = hour_of(rng, place, 20)
            hour = world.hour(rows if place == world.next + 2 else put("price", 20.0)(rows), place)
            is_last_of_run = place == world.next + 1
            usual = learnt(usual, hour, look.scores(world.reference, hour), broken if is_last_of_run else {})
        assert usual.column("price").longest == longest
        assert not usual.column("price").is_stuck


def test_more_zeros_than_values_were_missing_are_no_zeros_for_missing(world: World):
    """A fifth was missing: where two thirds are 0, something else made them."""
    filled = world.rows.with_columns(pl.col("age").fill_null(0.0))
    assert [one.about for one in world.faults(lambda _: filled)] == ["zeros age"]
    alike = filled.with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then(0.0).otherwise(pl.col("age")).alias("age"))
    assert "zeros age" not in [one.about for one in world.faults(lambda _: alike)]
