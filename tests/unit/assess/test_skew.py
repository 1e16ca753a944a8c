"""Two ways to one value: what is the same, what differs, and how the one follows from the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.assess import skew
from lockgate.records import Column, Skewed

IDS = [f"c{n}" for n in range(8)]
NAN = float("nan")


def one(kind: str, logged: list[Any], table: list[Any]) -> Skewed | None:
    dtype = object if kind == "text" else np.float64
    columns = {"x": np.array(logged, dtype=dtype)}, {"x": np.array(table, dtype=dtype)}
    found = skew.columns([Column(name="x", type=kind)], IDS[: len(logged)], *columns, where="t.csv")  # type: ignore[arg-type]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("kind", "logged", "table"),
    [
        ("float", [0.1, NAN, float("inf"), -0.0], [0.1, NAN, float("inf"), 0.0]),
        ("float", [0.1, 1e30], [float(np.float32(0.1)), float(np.float32(1e30))]),
        ("int", [3.0, NAN], [3.0, NAN]),
        ("text", ["a", None, ""], ["a", None, ""]),
        ("time", [1.7e9], [1.7e9 + 4e-7]),
    ],
)
def test_what_a_table_may_hold_a_little_otherwise_is_the_same(kind: str, logged: list[Any], table: list[Any]) -> None:
    assert one(kind, logged, table) is None


@pytest.mark.parametrize(
    ("kind", "logged", "table", "first"),
    [
        ("float", [0.1, 0.2], [0.1, 0.2001], "c1"),
        ("float", [1.0, NAN], [1.0, 0.0], "c1"),
        ("float", [0.0, 0.0], [0.0, 1e-12], "c1"),
        ("float", [float("inf")], [float("-inf")], "c0"),
        ("int", [3.0], [4.0], "c0"),
        ("text", ["a", None], ["a", ""], "c1"),
        ("time", [1.7e9], [1.7e9 + 1], "c0"),
        ("bool", [1.0, NAN], [1.0, 0.0], "c1"),
    ],
)
def test_what_differs_names_the_first_call(kind: str, logged: list[Any], table: list[Any], first: str) -> None:
    found = one(kind, logged, table)
    assert found is not None
    assert (found.first, found.calls, found.differ) == (first, len(logged), 1)
    assert "t.csv" in found.sentence
    assert first in found.sentence


CELSIUS = [-3.0, 0.0, 4.5, 11.0, 20.0, 31.5, 12.0, 7.0]


@pytest.mark.parametrize(
    ("logged", "relation"),
    [
        ([1.8 * c + 32 for c in CELSIUS], "what was asked = 1.8 x the table's + 32"),
        ([c * 1000 for c in CELSIUS], "what was asked = 1000 x the table's"),
        ([c + 273.15 for c in CELSIUS], "what was asked = the table's + 273.15"),
        ([c - 1 for c in CELSIUS], "what was asked = the table's - 1"),
        ([21.0] * 8, "it was 21 in each of them"),
        ([NAN] * 8, "it has no value when it was asked"),
        ([c**2 for c in CELSIUS], ""),
    ],
)
def test_another_unit_a_default_and_a_source_that_stopped_are_told_apart(logged: list[float], relation: str) -> None:
    found = one("float", logged, CELSIUS)
    assert found is not None
    assert found.relation == relation


def test_a_line_through_few_values_says_nothing() -> None:
    found = one("float", [1.0, 2.0, 2.0, 1.0, 1.0], [5.0, 7.0, 7.0, 5.0, 5.0])
    assert found is not None
    assert found.relation == ""


def test_answers_are_the_same_within_an_engines_tolerance_and_none_is_no_answer() -> None:
    logged = np.array([0.2, 0.4, 0.6])
    assert skew.answers("v" * 64, "trees-v", IDS[:3], logged, logged + 9e-6) is None
    found = skew.answers("v" * 64, "trees-v", IDS[:3], logged, np.array([0.2, NAN, 0.7]))
    assert found is not None
    assert (found.kind, found.version, found.differ, found.first, found.table) == ("answer", "v" * 64, 2, "c1", None)
    assert found.largest == pytest.approx(0.1)
    assert "trees-v answers 2 of 3 logged calls otherwise" in found.sentence


def test_values_of_a_regression_are_measured_by_their_spread() -> None:
    logged = np.array([1e6, 2e6, 3e6])
    assert skew.answers("v", "v", IDS[:3], logged, logged + 5.0, unit=float(logged.std())) is None
    assert skew.answers("v", "v", IDS[:3], logged, logged + 5_000.0, unit=float(logged.std())) is not None


def test_a_feature_that_depends_on_the_other_rows_is_named() -> None:
    alone = np.array([[1.0, 5.0], [2.0, NAN]])
    together = np.array([[1.0, 4.0], [2.0, NAN]])
    (found,) = skew.features("v", "trees-v", ("a", "b"), IDS[:2], alone, together)
    assert (found.kind, found.column, found.differ, found.first) == ("feature", "b", 1, "c0")
    assert "The feature 'b' of trees-v depends on the other rows" in found.sentence
