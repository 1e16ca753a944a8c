"""What counts as agreement between two engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.runtime.compile.parity import TIE, answers, parity

ROWS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def half(matrix: np.ndarray) -> np.ndarray:
    return np.full(len(matrix), 0.5)


def over_half(matrix: np.ndarray) -> np.ndarray:
    return np.full(len(matrix), 0.5 + 2 * TIE)


def told(values: np.ndarray) -> Any:
    return lambda matrix: values[: len(matrix)]


@pytest.mark.parametrize(
    ("native", "other", "over", "flips"),
    [
        (half, lambda m: np.full(len(m), 0.5 + 5e-6), 0.0, 0),
        (half, lambda m: np.full(len(m), 0.5 + 5e-5), 1.0, 0),
        (half, lambda m: np.full(len(m), 0.5 - 1e-9), 0.0, 0),  # a tie: native itself hangs on rounding there
        (over_half, lambda m: np.full(len(m), 0.5 - 2 * TIE), 0.0, 8),
        (half, lambda m: np.where(np.arange(len(m)) < 2, np.nan, 0.5), 0.25, 0),
    ],
)
def test_rows_apart_and_decisions_that_flip_are_counted(native: Any, other: Any, over: float, flips: int):
    found = parity(native, other, ROWS)
    assert (found.over_tolerance, found.flips) == (over, flips)
    assert found.is_passed == (over == 0 and flips == 0)
    assert found.reason.endswith(".")


def test_of_several_classes_the_most_likely_one_decides():
    expected = np.tile([0.5, 0.5 - 4 * TIE, 4 * TIE], (8, 1))
    given = expected.copy()
    given[:3] = given[:3, [1, 0, 2]]
    found = parity(told(expected), told(given), ROWS, task="multiclass")
    assert (found.flips, found.over_tolerance, found.is_passed) == (3, 0.0, False)


def test_values_differ_in_units_of_their_spread():
    spread = np.linspace(-4000, 4000, 8)
    assert parity(told(spread), told(spread + 0.01), ROWS, task="regression").is_passed
    tiny = spread / 1e8
    assert not parity(told(tiny), told(tiny + 1e-6), ROWS, task="regression").is_passed


def test_no_rows_are_no_pass():
    assert not parity(half, half, ROWS[:0]).is_passed


def test_another_shape_is_no_pass():
    assert not parity(half, lambda m: np.zeros((len(m), 2)), ROWS).is_passed


def test_a_row_that_native_refuses_must_be_refused():
    def picky(matrix: np.ndarray) -> np.ndarray:
        if (matrix[:, 0] == ROWS[3, 0]).any():
            raise ValueError("not this one")
        return half(matrix)

    assert parity(picky, picky, ROWS).rows == 7
    found = parity(picky, half, ROWS)
    assert not found.is_passed
    assert found.reason == "The compiled model answers 1 held-out rows that the native one refuses."


def test_a_batch_that_raises_is_asked_in_parts_until_the_guilty_rows_stand_alone():
    def picky(matrix: np.ndarray) -> np.ndarray:
        if (matrix[:, 0] > 0).any():
            raise ValueError("too large")
        return matrix[:, 0].astype(float)

    found = answers(picky, ROWS)
    assert found.is_given.tolist() == (ROWS[:, 0] <= 0).tolist()
    np.testing.assert_array_equal(found.values[found.is_given], ROWS[ROWS[:, 0] <= 0, 0])
