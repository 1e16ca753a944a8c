"""Links of the fallback chain that raise, hang or answer nonsense: the next one answers, and the label says so."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lockgate.records import Routing
from lockgate.runtime.fallback import Bounds, alone, chain

HANG_S = 1.5
DEADLINE_S = 0.1


def columns(*waits: float):
    return {"wait": np.array(waits, dtype=np.float64)}


def raises(matrix):
    raise RuntimeError("broken inside")


def leaves(matrix):
    raise SystemExit(3)


def hangs(matrix):
    time.sleep(HANG_S)
    return np.full(len(matrix), 0.9)


def nan(matrix):
    return np.full(len(matrix), np.nan)


def infinite(matrix):
    return np.full(len(matrix), np.inf)


def too_many(matrix):
    return np.full(len(matrix) + 1, 0.9)


def two_columns(matrix):
    return np.full((len(matrix), 2), 0.9)


def text(matrix):
    return np.array(["high"] * len(matrix))


def no_chance(matrix):
    return np.full(len(matrix), 1.7)


def fine(value: float):
    return lambda matrix: np.full(len(matrix), value)


def bad_beyond_five(nonsense):
    """Nonsense for the rows beyond five, and 0.9 for the innocent ones."""

    def answer(matrix):
        if (matrix[:, 0] > 5).any():
            return nonsense(matrix)
        return np.full(len(matrix), 0.9)

    return answer


ROUTING = Routing(model="late", revision=1, champion="champ", baseline="base", constant=0.23)
FAULTS = [
    (raises, "raised"),
    (leaves, "raised"),
    (nan, "non_finite"),
    (infinite, "non_finite"),
    (too_many, "shape"),
    (two_columns, "shape"),
    (text, "raised"),
    (no_chance, "out_of_range"),
]


@pytest.mark.parametrize(
    ("fault", "reason", "is_bounded"),
    [*((*fault, True) for fault in FAULTS), *((*fault, False) for fault in FAULTS), (hangs, "late", True)],
)
def test_the_next_link_answers_and_the_label_says_why(predictor, fault, reason, is_bounded):
    held = {"champ": predictor("champ", fault), "base": predictor("base", fine(0.4))}
    link = chain(ROUTING, "champ", held, deadline_s=DEADLINE_S if is_bounded else None)
    began = time.perf_counter()
    found = link(columns(1.0, 2.0))
    assert time.perf_counter() - began < HANG_S
    assert found.values.tolist() == [0.4, 0.4]
    assert found.served_by == ["base", "base"]
    assert found.failures == [reason, reason]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_innocent_rows_of_the_batch_keep_their_own_answers(predictor, fault, reason):
    held = {"champ": predictor("champ", bad_beyond_five(fault)), "base": predictor("base", fine(0.4))}
    found = chain(ROUTING, "champ", held, deadline_s=1.0)(columns(1.0, 9.0, 2.0, 3.0, 8.0))
    assert found.values.tolist() == [0.9, 0.4, 0.9, 0.9, 0.4]
    assert found.served_by == ["champ", "base", "champ", "champ", "base"]
    assert found.failures == [None, reason, None, None, reason]


def test_when_every_link_fails_the_constant_answers(predictor):
    held = {"champ": predictor("champ", raises), "base": predictor("base", nan)}
    found = chain(ROUTING, "champ", held, deadline_s=1.0)(columns(1.0))
    assert (found.values.tolist(), found.served_by, found.failures) == ([0.23], ["constant"], ["raised"])


def test_a_hanging_champion_and_a_hanging_baseline_cost_a_deadline_each(predictor):
    held = {"champ": predictor("champ", hangs), "base": predictor("base", hangs)}
    link = chain(ROUTING, "champ", held, deadline_s=DEADLINE_S)
    began = time.perf_counter()
    found = link(columns(1.0))
    assert DEADLINE_S * 2 <= time.perf_counter() - began < HANG_S
    assert (found.values.tolist(), found.served_by, found.failures) == ([0.23], ["constant"], ["late"])


def test_a_version_that_is_not_loaded_is_answered_for_by_name(predictor):
    found = chain(ROUTING, "champ", {"base": predictor("base", fine(0.4))}, deadline_s=1.0)(columns(1.0))
    assert (found.served_by, found.failures) == (["base"], ["not_loaded"])


def test_a_challenger_that_fails_falls_back_to_the_champion(predictor):
    held = {"chal": predictor("chal", raises), "champ": predictor("champ", fine(0.6))}
    found = chain(ROUTING, "chal", held, deadline_s=1.0)(columns(1.0))
    assert (found.values.tolist(), found.served_by, found.failures) == ([0.6], ["champ"], ["raised"])


def test_once_every_thread_hangs_calls_are_answered_at_once_and_after_it_by_the_link_again(predictor, until):
    bounds, is_stuck = Bounds(threads=2), [True]

    def sometimes(matrix):
        if is_stuck[0]:
            time.sleep(HANG_S)
        return np.full(len(matrix), 0.9)

    held = {"champ": predictor("champ", sometimes), "base": predictor("base", fine(0.4))}
    link = chain(ROUTING, "champ", held, deadline_s=DEADLINE_S, bounds={"champ": bounds})
    assert [link(columns(1.0)).failures for _ in range(2)] == [["late"], ["late"]]
    assert bounds.pool.hanging == 2
    is_stuck[0] = False
    began = time.perf_counter()
    assert link(columns(1.0)).failures == ["busy"]
    assert time.perf_counter() - began < DEADLINE_S
    until(lambda: bounds.pool.hanging == 0, "the threads' return")
    assert link(columns(1.0)).served_by == ["champ"]


def test_a_shadow_that_fails_has_no_value_and_a_reason(predictor):
    found = alone(predictor("chal", bad_beyond_five(raises)), deadline_s=1.0)(columns(1.0, 9.0))
    assert found.failures == [None, "raised"]
    assert found.values[0] == 0.9
    assert np.isnan(found.values[1])
