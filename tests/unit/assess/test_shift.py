"""Adversarial validation: a planted shift by name, none on rows of one kind, and days that do not give themselves away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lockgate.assess.check import Answers, CheckQuestion
from lockgate.assess.shift import findings, shift
from lockgate.errors import SpecError
from lockgate.records import Column, Contract

DAY = 86_400.0


def columns(rows: int, seed: int, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=rows),
        "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
        "town": rng.choice(np.array(["Aa", "Bo", "Ce", None], dtype=object), rows),
    } | more


NAMES = ("x", "gaps", "town")


def question(tested: dict[str, Any], trained: dict[str, Any] | None, *, time: str | None = None) -> CheckQuestion:
    rows = tested["x"].size
    made = [Column(name=n, type="time" if n == time else "float") for n in tested]
    half = np.full(rows, 0.5)
    return CheckQuestion(
        name="m",
        task="binary",
        target="y",
        classes=("0", "1"),
        format="joblib",
        library=None,
        contract=Contract(model="m", target="y", columns=tuple(made), time=time),
        columns=tested,
        outcome=np.arange(rows) % 2 * 1.0,
        values=half,
        rivals=(Answers(name="half", what="", values=half),),
        block=None,
        by="row",
        split="",
        rows=rows,
        now_s=0.0,
        trained_on=trained,
    )


def test_rows_of_one_kind_are_not_told_apart() -> None:
    found = shift(columns(600, 1), columns(500, 2), NAMES, time=None, seed=0)
    assert found.low < 0.5 < found.high + 0.03
    assert findings(question(columns(600, 1), columns(500, 2))) == ()


def test_a_moved_column_is_named_first() -> None:
    tested = columns(600, 1)
    tested["gaps"] = tested["gaps"] + 2.0
    told = findings(question(tested, columns(500, 2)))[0]
    assert (told.kind, told.grade, told.column) == ("shift", "warn", "gaps")
    assert "by gaps (0." in told.sentence
    assert "AUC 0." in told.sentence


def test_levels_that_changed_their_shares_are_named() -> None:
    rng = np.random.default_rng(5)
    town = rng.choice(np.array(["Aa", "New"], dtype=object), 600)
    told = findings(question(columns(600, 1, town=town), columns(500, 2)))[0]
    assert told.column == "town"


def test_a_change_of_the_joint_alone_is_found_although_no_column_moved() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 2000))
    tied = {"x": a, "gaps": a + 0.1 * b}
    loose = {"x": rng.normal(size=2000), "gaps": rng.normal(size=2000)}
    told = findings(question(tied, loose))[0]
    assert "by no column alone" in told.sentence
    assert told.column is None


def test_a_running_number_is_left_out_and_said_to_be() -> None:
    at = 1.7e9 + np.arange(1200) * DAY / 20
    rng = np.random.default_rng(7)
    x = rng.normal(size=1200) + 1.5 * (np.arange(1200) > 600)
    tested = columns(1200, 3, at=at, x=x, number=np.arange(1200.0))
    told = findings(question(tested, None, time="at"))[0]
    assert told.column == "x"
    assert "number moves with time by nature and was left out" in told.sentence
    assert told.sentence.startswith("The later half of the tested rows")


def test_days_of_their_own_weather_do_not_give_themselves_away() -> None:
    """Each day's rows share their weather, so rows tell their day; days of one kind all the same."""
    rng = np.random.default_rng(8)
    weather = rng.normal(size=60)
    sides = []
    for days in (np.arange(0, 60, 2), np.arange(1, 60, 2)):
        day = np.repeat(days, 30)
        sides.append({"x": weather[day], "at": (day + 0.5) * DAY})
    found = shift(*sides, ("x",), time="at", seed=0)
    assert found.low < 0.55
    blind = shift(*sides, ("x",), time=None, seed=0)
    assert blind.low > 0.9


def test_infinite_values_are_large_ones() -> None:
    rng = np.random.default_rng(9)
    wild = np.where(rng.random(600) < 0.3, np.inf, rng.normal(size=600))
    told = findings(question(columns(600, 1, x=wild), columns(500, 2)))[0]
    assert told.column == "x"


def test_too_few_rows_are_refused_and_in_a_check_passed_over() -> None:
    with pytest.raises(SpecError, match="100 rows in either table"):
        shift(columns(60, 1), columns(500, 2), NAMES, time=None, seed=0)
    assert findings(question(columns(60, 1), columns(500, 2))) == ()


def test_a_column_that_is_empty_on_one_side_is_found_and_nothing_raises() -> None:
    tested = columns(300, 1, gaps=np.full(300, np.nan))
    told = findings(question(tested, columns(300, 2)))[0]
    assert told.column == "gaps"
    empty = replace(question(tested, columns(300, 2, gaps=np.full(300, np.nan))), seed=3)
    assert findings(empty) == ()
