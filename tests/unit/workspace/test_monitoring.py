"""Others' predictions, window by window: a table from any server."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

import lockgate as lg
from lockgate.errors import ContractError, SpecError
from lockgate.records import Ruling
from lockgate.records.monitored import Monitored
from lockgate.records.record import decode, encode

PER_DAY = 60
NAMED: dict[str, Any] = {"prediction": "score", "outcome": "late", "time": "at", "prediction_id": "id"}


def table(days: int, seed: int, *, first: int = 0, broken_from: int | None = None, shift: float = 0.0) -> pl.DataFrame:
    """A well-calibrated score; from a day on outcomes follow it no more. The id is the row."""
    rng = np.random.default_rng(seed)
    rows = days * PER_DAY
    x = rng.standard_normal(rows) * 1.5 + shift
    day = first + np.arange(rows) // PER_DAY
    follows = day < (days + first if broken_from is None else broken_from)
    late = rng.random(rows) < 1 / (1 + np.exp(-np.where(follows, x, -x)))
    at = pl.Series(day * 86_400 + np.arange(rows) % PER_DAY * 1_200).cast(pl.Int64)
    return pl.DataFrame(
        {
            "id": [f"r{place}" for place in range(first * PER_DAY, first * PER_DAY + rows)],
            "at": ((at + 18_262 * 86_400) * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "x": x,
            "where": np.where(x > 0, "up", "down"),
            "score": 1 / (1 + np.exp(-x)),
            "late": late.astype(np.int8),
        }
    )


REFERENCE = table(60, 1)
QUIET = table(70, 2, first=60)


@pytest.fixture(scope="module")
def quiet() -> Monitored:
    return lg.monitored(QUIET, REFERENCE, **NAMED, slices=["where"], horizon="2d", name="calls")


def test_quiet_windows_raise_no_alarm_and_are_never_called_well(quiet):
    assert quiet.ruling is Ruling.UNDECIDED
    assert not quiet.verdicts
    assert quiet.sentence.startswith("Nothing is shown to be wrong: 4,200 predictions")


def test_the_record_is_read_back_as_it_was_written(quiet):
    assert decode(Monitored, encode(quiet)) == quiet


def test_a_window_is_judged_once_all_of_it_is_older_than_the_horizon(quiet):
    ages = [(one.is_mature, one.realised is not None) for one in quiet.windows]
    assert ages[0] == (True, True)
    assert ages[-1] == (False, False)
    assert ages == sorted(ages, reverse=True)
    assert "it is judged once all are 2 days old" in quiet.windows[-1].notes[0]


def test_each_window_tells_realised_and_estimated_side_by_side(quiet):
    judged = [one for one in quiet.windows if one.realised is not None and one.rows > 300]
    assert len(judged) >= 8
    for one in judged:
        realised, estimated = one.realised.measure("roc_auc"), one.estimated.measure("roc_auc")
        assert realised.low < realised.value < realised.high
        assert estimated.low < estimated.value < estimated.high
        assert one.realised.skill.low < one.realised.skill.value
        assert one.realised.slope.low < 1.2
        assert {part.level for part in one.realised.slices} == {"up", "down"}
        assert one.profile.rows == one.rows
    covered = [
        one.estimated.measure("roc_auc").low
        <= one.realised.measure("roc_auc").value
        <= one.estimated.measure("roc_auc").high
        for one in judged
    ]
    assert sum(covered) >= len(judged) - 1


def test_past_errors_grow_by_the_windows_that_have_matured(quiet):
    windows = [one.estimated.measure("brier").past_windows for one in quiet.windows if one.rows]
    # The reference holds eight stretches of a week; a window's outcomes are in when the next one ends.
    assert windows[:6] == [8, 9, 10, 11, 12, 13]


def test_decay_is_found_dated_and_told_with_skill_and_raw_loss():
    found = lg.monitored(table(80, 3, first=60, broken_from=100), REFERENCE, **NAMED, name="calls")
    verdict = next(one for one in found.verdicts if one.gate.name == "degradation")
    # Broken from 10 April 2020 on.
    assert "from 2020-04-" in verdict.sentence
    assert "(raw log loss " in verdict.sentence
    assert found.ruling is Ruling.FAIL
    first = next(one for one in found.windows if "degradation" in one.alarmed)
    assert "2020-04-06" <= first.name <= "2020-04-27"


def test_no_celebration_of_a_season_in_which_little_happens():
    """The raw loss falls with the base rate; the score says less than it did."""
    rng = np.random.default_rng(5)
    calm = QUIET.with_columns(late=pl.Series((rng.random(QUIET.height) < 0.03).astype(np.int8)), score=pl.lit(0.03))
    found = lg.monitored(calm, REFERENCE, **NAMED, name="calls")
    note = next(note for note in found.windows[1].notes if "no improvement" in note)
    assert "the base rate's own fell" in note
    assert found.ruling is Ruling.FAIL


def test_drift_is_an_alarm_and_a_look_of_its_own_in_each_window():
    found = lg.monitored(table(40, 6, first=60, shift=1.0), REFERENCE, **NAMED, name="calls")
    assert any(one.gate.name == "drift" and "x: higher by" in one.sentence for one in found.verdicts)
    assert found.windows[2].drift.ruling is Ruling.FAIL


def test_unsorted_and_duplicated_rows_and_outcomes_of_their_own_table_change_nothing(quiet):
    shuffled = pl.concat([QUIET, QUIET.head(100)]).sample(fraction=1.0, shuffle=True, seed=1)
    told = QUIET.select("id", "late", known=pl.col("at") + pl.duration(hours=1))
    again = told.head(50).with_columns(late=1 - pl.col("late"), known=pl.col("known") + pl.duration(days=1))
    stray = told.head(3).with_columns(id=pl.col("id") + "x")
    outcomes = pl.concat([again, told, stray]).sample(fraction=1.0, shuffle=True, seed=2)
    found = lg.monitored(
        shuffled.drop("late"),
        REFERENCE,
        **NAMED,
        outcomes=outcomes,
        known="known",
        slices=["where"],
        horizon="2d",
        name="calls",
    )
    first, before = found.windows[1].realised, quiet.windows[1].realised
    assert first.measure("brier").value == pytest.approx(before.measure("brier").value, abs=1e-12)
    said = " ".join(found.notes)
    assert "100 predictions are told more than once" in said
    assert "50 outcomes are told again, 50 of them otherwise" in said
    assert "3 outcomes are of no prediction" in said
    assert "not in the order of 'at'" in said


def test_moments_count_whatever_the_zone_they_are_written_in(quiet):
    zoned = QUIET.with_columns(pl.col("at").dt.convert_time_zone("America/New_York"))
    plain = QUIET.with_columns(pl.col("at").dt.replace_time_zone(None))
    for other, note in ((zoned, "moved to UTC"), (plain, "taken as UTC")):
        found = lg.monitored(other, REFERENCE, **NAMED, horizon="2d", name="calls")
        assert [one.since_s for one in found.windows] == [one.since_s for one in quiet.windows]
        assert any(note in one for one in found.notes)


def test_a_window_without_rows_between_others_is_empty_and_no_alarm():
    gap = QUIET.filter((pl.col("at").dt.ordinal_day() < 75) | (pl.col("at").dt.ordinal_day() > 95))
    found = lg.monitored(gap, REFERENCE, **NAMED, name="calls")
    empty = [one for one in found.windows if not one.rows]
    assert empty
    assert all(one.profile is None and one.realised is None and one.coverage == 0 for one in empty)
    assert all(measure.why for measure in (empty[0].estimated.measures if empty[0].estimated else ()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.with_columns(late=pl.lit(None, pl.Int8)), "nobody knows an outcome"),
        (lambda rows: rows.head(1), "one row"),
        (lambda rows: rows.with_columns(late=pl.lit(0, pl.Int8)), "one class"),
        (lambda rows: rows.with_columns(x=pl.lit(None, pl.Float64)), "all missing"),
        (lambda rows: rows.with_columns(x=pl.lit(float("inf"))), "infinite inputs"),
        (lambda rows: rows.with_columns(where=pl.lit("sideways")), "a level nobody saw"),
    ],
)
def test_odd_rows_are_looked_at_and_crash_nothing(change, says):
    found = lg.monitored(change(QUIET.head(14 * PER_DAY)), REFERENCE, **NAMED, name="calls")
    assert found.windows, says
    for window in found.windows:
        if window.realised is not None and says == "one class":
            assert window.realised.measure("roc_auc").why == "one class only, or one row"
            assert window.realised.skill.why


def test_a_reference_of_one_class_is_told_and_judges_no_decay():
    found = lg.monitored(QUIET.head(14 * PER_DAY), REFERENCE.with_columns(late=pl.lit(0, pl.Int8)), **NAMED)
    assert found.reference.skill.value is None
    assert not [one for one in found.verdicts if one.gate.name == "degradation"]


@pytest.mark.parametrize(
    ("rows", "changed", "error", "says"),
    [
        (QUIET.head(0), {}, SpecError, "has no rows"),
        (QUIET, {"time": "when"}, SpecError, "no column 'when'"),
        (QUIET, {"time": "x"}, SpecError, "'x' holds Float64, not times"),
        (QUIET.with_columns(at=None), {}, SpecError, "not times|is missing in row 0"),
        (
            QUIET.with_columns(x=pl.col("where")),
            {},
            ContractError,
            "'x' was a number in the reference, and is String here",
        ),
        (QUIET.drop("x"), {}, ContractError, "'x' is in the reference, and not among the predictions"),
        (
            QUIET.with_columns(score=pl.lit(float("nan"))).with_columns(score=pl.lit(float("inf"))),
            {},
            SpecError,
            "infinite",
        ),
        (QUIET.with_columns(late=pl.lit(3)), {}, SpecError, "neither 0 nor 1"),
        (QUIET.drop("late"), {"outcomes": QUIET.select("id", "late"), "prediction_id": None}, SpecError, "need an id"),
        (QUIET, {"window": "1s"}, SpecError, "windows lie between"),
        (QUIET, {"metric": "rmse"}, SpecError, "no metric 'rmse'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(rows, changed, error, says):
    with pytest.raises(error, match=says):
        lg.monitored(rows, REFERENCE, **(NAMED | changed))


BROKEN_SINCE = QUIET["at"][40 * PER_DAY]
BROKEN: dict[str, tuple[pl.Expr, str]] = {
    "missing x": (pl.lit(None, pl.Float64).alias("x"), "x is missing in"),
    "stuck x": (pl.lit(0.25).alias("x"), "x is stuck at 0.25"),
    "unseen where": (pl.lit("sideways").alias("where"), "levels that the reference never had"),
    "constant": (pl.lit(0.5).alias("score"), "the prediction is always 0.5"),
}


@pytest.mark.parametrize("about", BROKEN)
def test_a_hard_fault_is_named_within_the_day_that_it_began(about):
    """Three rows an hour: of so few some faults take as many hours."""
    change, says = BROKEN[about]
    day = pl.col("at").is_between(BROKEN_SINCE, BROKEN_SINCE + dt.timedelta(days=6))
    name = change.meta.output_name()
    broken = QUIET.with_columns(pl.when(day).then(change).otherwise(pl.col(name)).alias(name))
    found = lg.monitored(broken, REFERENCE, **NAMED, name="calls")
    told = [(window, one) for window in found.windows for one in window.faults]
    assert [one.gate.name.split(" of ")[0] for _, one in told][:1] == [about.split()[0]]
    window, first = told[0]
    assert says in first.sentence
    assert 0 <= first.at_s - BROKEN_SINCE.timestamp() <= 86_400
    assert window.since_s <= first.at_s < window.until_s + 3_600
    assert "fault" in window.alarmed
    assert first in found.verdicts
    assert found.ruling is Ruling.FAIL
    assert "fault" not in found.windows[-1].alarmed, "it is over by then"


def test_a_stream_that_stops_is_told_with_the_moment_that_it_was_silent():
    """Eight days without a row, in a table whose hours were never silent for longer than a night."""
    gap = pl.col("at").is_between(BROKEN_SINCE, BROKEN_SINCE + dt.timedelta(days=8))
    found = lg.monitored(QUIET.filter(~gap), REFERENCE, **NAMED, name="calls")
    (told,) = [one for one in found.verdicts if one.gate.claim == "broken"]
    assert told.gate.name == "silent"
    assert f"{BROKEN_SINCE - dt.timedelta(hours=4):%Y-%m-%d}" in told.sentence


def test_a_reference_without_times_tells_faults_all_the_same():
    broken = QUIET.with_columns(pl.when(pl.col("at") > BROKEN_SINCE).then(None).otherwise(pl.col("x")).alias("x"))
    found = lg.monitored(broken, REFERENCE.drop("at"), **NAMED, name="calls")
    assert "missing of x" in {one.gate.name for one in found.verdicts}
