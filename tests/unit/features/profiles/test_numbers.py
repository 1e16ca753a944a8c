"""Sums of numbers, near their centre and far from it."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.features.profiles import columns as counting
from lockgate.records import Column

X = (Column(name="x", type="float"),)
REFERENCE = counting.reference({"x": np.random.default_rng(1).normal(size=5_000)}, X)


@pytest.mark.parametrize("away", [0.0, 100.0, 500.0, 1e6, 1e9])
def test_mean_and_spread_are_right_however_far_the_values_have_gone(away: float) -> None:
    values = np.random.default_rng(2).normal(away, 3.0, size=1_000)
    (found,) = counting.window({"x": values}, REFERENCE).columns
    assert found.moments is not None
    assert found.moments.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    assert found.moments.sd == pytest.approx(values.std(), rel=1e-3)


def test_one_value_among_others_may_be_anything() -> None:
    values = np.array([*np.zeros(99), 1e140])
    (found,) = counting.window({"x": values}, REFERENCE).columns
    assert found.moments is not None
    assert found.moments.sd == pytest.approx(values.std(), rel=1e-9)


def test_units_that_a_float_cannot_count_are_counted() -> None:
    tight = counting.reference({"x": np.random.default_rng(1).normal(0.0, 1e-200, size=5_000)}, X)
    values = np.array([1e140, 3e140])
    (found,) = counting.window({"x": values}, tight).columns
    assert found.moments is not None
    assert found.moments.mean == pytest.approx(2e140)
    assert found.moments.sd == pytest.approx(1e140)


def test_far_values_add_up_in_any_batches() -> None:
    values = np.random.default_rng(3).normal(1e5, 1e4, size=500)
    (whole,) = counting.window({"x": values}, REFERENCE).columns
    parts = [counting.window({"x": part}, REFERENCE).columns[0] for part in np.split(values[::-1], [7, 300])]
    assert parts[0] + parts[1] + parts[2] == whole
