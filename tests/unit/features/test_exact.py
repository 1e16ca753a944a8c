"""Sums that lose nothing: correctly rounded whatever the order and the distance of the summands."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lockgate.features import exact
from lockgate.features.running import Running
from lockgate.records import Event

HARD = [
    1e300,
    -1e300,
    1e-300,
    5e-324,
    -5e-324,
    1.7e308,
    -1.7e308,
    1.0,
    -1.0,
    0.1,
    2.0**-1022,
    2.0**53,
    1e16,
    3.0,
    0.0,
    -0.0,
]


def rounded(values: list[float]) -> float:
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return math.nan


@pytest.mark.parametrize("seed", range(20))
def test_running_sums_of_any_values_differ_by_the_rounded_sum_of_what_lies_between(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(HARD, 60) if seed % 2 else rng.normal(size=60) * 10.0 ** rng.integers(-30, 30, 60)
    upto, less = rng.integers(0, 61, 40), rng.integers(0, 61, 40)
    upto, less = np.maximum(upto, less), np.minimum(upto, less)
    found = exact.between(values, upto, values, less)
    for row, (first, last) in enumerate(zip(less.tolist(), upto.tolist(), strict=True)):
        wanted = rounded(values[first:last].tolist())
        assert found[row] == wanted or (math.isnan(found[row]) and math.isnan(wanted)), (seed, row)


def event(value: float | int | bool | None) -> Event:
    return Event(0, 0, 0, (value,))


@pytest.mark.parametrize("seed", range(20))
def test_a_list_that_grows_and_is_forgotten_has_the_rounded_sums_of_its_stretches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [
        *rng.choice(HARD, 30).tolist(),
        *rng.integers(-9, 9, 20).tolist(),
        None,
        True,
        *rng.choice(HARD, 8).tolist(),
    ]
    events, running = [event(values[at]) for at in rng.permutation(len(values))], Running(0)
    held: list[Event] = []
    for step, one in enumerate(events):
        place = int(rng.integers(0, len(held) + 1)) if step % 3 else len(held)
        held.insert(place, one)
        running.cut(place)
        if step % 11 == 10:
            gone = int(rng.integers(0, 4))
            del held[:gone]
            running.forget(gone)
        first, last = sorted(rng.integers(0, len(held) + 1, 2).tolist())
        total = running.between(held, first, last, but=held[first:last][:1])
        inside = [one.values[0] for one in held[first:last][1:] if one.values[0] is not None]
        own, wanted = running.rounded(total), rounded(inside)
        assert total.values == len(inside)
        assert own == wanted or (own is None and math.isnan(wanted)), (seed, step)


def test_one_event_of_1e300_spoils_no_later_window() -> None:
    values = np.array([1e300, 0.1, 0.2])
    assert exact.between(values, np.array([3]), values, np.array([1])).tolist() == [0.1 + 0.2]
    naive = np.cumsum(values)
    assert naive[2] - naive[0] == 0.0, "what a running sum in float64 says"


def test_two_orders_of_the_same_values_take_each_other_away() -> None:
    rng = np.random.default_rng(3)
    values = rng.choice(HARD[:9], 1000)
    other = rng.permutation(values)
    assert exact.between(values, np.array([1000]), other, np.array([1000])).tolist() == [0.0]


def test_a_sum_beyond_float64_is_none_and_one_that_passes_through_there_is_its_value() -> None:
    events, running = [event(1.7e308), event(1.7e308), event(-1.7e308)], Running(0)
    assert running.rounded(running.between(events, 0, 2)) is None
    assert running.rounded(running.between(events, 0, 3)) == 1.7e308
    values = np.array([1.7e308, 1.7e308, -1.7e308])
    found = exact.between(values, np.array([2, 3]), values, np.array([0, 0]))
    assert math.isnan(found[0])
    assert found[1] == 1.7e308


def test_values_beyond_one_stretch_are_summed_as_if_there_were_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=1000) * 10.0 ** rng.integers(-9, 9, 1000)
    upto, less = rng.integers(500, 1001, 200), rng.integers(0, 500, 200)
    whole = exact.between(values, upto, values, less)
    monkeypatch.setattr(exact, "STRETCH", 7)
    assert exact.between(values, upto, values, less).tolist() == whole.tolist()


def test_nothing_is_nought_and_no_sum_is_minus_nought() -> None:
    assert exact.between(
        np.empty(0), np.zeros(2, dtype=np.int64), np.empty(0), np.zeros(2, dtype=np.int64)
    ).tolist() == [0, 0]
    values = np.array([-0.0, 0.3, -0.3])
    found = exact.between(values, np.array([1, 3]), values, np.array([0, 0]))
    assert [math.copysign(1, value) for value in found] == [1, 1]
    running = Running(0)
    total = running.rounded(running.between([event(-0.0)], 0, 1))
    assert total is not None
    assert math.copysign(1, total) == 1
