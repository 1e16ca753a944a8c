"""Summaries: the whole's from its parts', in any grouping, against numpy's own figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import SpecError
from lockgate.stats.summary import PairSummary, Summary, of, of_pairs

VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=30)
PAIRS = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), max_size=30)


def pairs_of(rows: list[tuple[float, float]]) -> PairSummary:
    return of_pairs([first for first, _ in rows], [second for _, second in rows])


def assert_alike(one: Summary, other: Summary, values: list[float]) -> None:
    scale = max((abs(value) for value in values), default=0.0)
    assert one.n == other.n
    assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-12 * scale)
    assert one.m2 == pytest.approx(other.m2, rel=1e-9, abs=1e-12 * scale**2 * (1 + len(values)))


@given(VALUES, VALUES, VALUES)
@settings(max_examples=60, deadline=None)
def test_any_grouping_of_three_samples_gives_the_summary_of_all(a: list[float], b: list[float], c: list[float]) -> None:
    whole = of(a + b + c)
    assert_alike((of(a) + of(b)) + of(c), whole, a + b + c)
    assert_alike(of(a) + (of(b) + of(c)), whole, a + b + c)
    assert_alike(of(c) + (of(a) + of(b)), whole, a + b + c)


@given(VALUES, VALUES)
@settings(max_examples=60, deadline=None)
def test_two_summaries_add_to_the_same_bits_either_way_round(a: list[float], b: list[float]) -> None:
    assert of(a) + of(b) == of(b) + of(a)


@given(PAIRS, PAIRS, PAIRS)
@settings(max_examples=60, deadline=None)
def test_any_grouping_of_three_samples_of_pairs_gives_the_summary_of_all(
    a: list[tuple[float, float]], b: list[tuple[float, float]], c: list[tuple[float, float]]
) -> None:
    whole, parts = pairs_of(a + b + c), (pairs_of(a), pairs_of(b), pairs_of(c))
    for found in ((parts[0] + parts[1]) + parts[2], parts[0] + (parts[1] + parts[2])):
        assert_alike(found.first, whole.first, [first for first, _ in a + b + c])
        assert_alike(found.second, whole.second, [second for _, second in a + b + c])
        assert found.cross == pytest.approx(whole.cross, rel=1e-9, abs=1e-4)


@given(PAIRS, PAIRS)
@settings(max_examples=100, deadline=None)
def test_two_summaries_of_pairs_add_to_the_same_bits_either_way_round(
    a: list[tuple[float, float]], b: list[tuple[float, float]]
) -> None:
    assert pairs_of(a) + pairs_of(b) == pairs_of(b) + pairs_of(a)


def test_the_figures_are_numpys() -> None:
    x = np.random.default_rng(1).normal(5, 2, 400)
    found = of(x)
    assert (found.n, found.mean) == (400, pytest.approx(x.mean()))
    assert found.variance == pytest.approx(x.var(ddof=1))
    assert found.sd == pytest.approx(x.std(ddof=1))
    assert found.se == pytest.approx(x.std(ddof=1) / 20)


def test_the_figures_of_pairs_are_numpys() -> None:
    x, y = np.random.default_rng(2).multivariate_normal([1, 3], [[2, 1.2], [1.2, 1]], 300).T
    found = of_pairs(x[:100], y[:100]) + of_pairs(x[100:], y[100:])
    assert found.covariance == pytest.approx(np.cov(x, y)[0, 1])
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.difference.mean == pytest.approx((y - x).mean())
    assert found.difference.variance == pytest.approx((y - x).var(ddof=1))


def test_a_mean_far_from_nought_costs_no_digits() -> None:
    """A sum of squares would keep none of the variance here."""
    x = 1e9 + np.array([0.0, 1.0, 2.0, 3.0])
    assert (of(x[:1]) + of(x[1:])).variance == pytest.approx(5 / 3)


def test_a_thousand_shards_of_one_value_each_are_the_whole() -> None:
    x = np.random.default_rng(3).exponential(size=1_000)
    found = sum((of(value) for value in x), Summary())
    assert found.mean == pytest.approx(x.mean(), rel=1e-12)
    assert found.variance == pytest.approx(x.var(ddof=1), rel=1e-12)


def test_no_values_add_nothing() -> None:
    some = of([1.0, 4.0])
    assert of([]) == Summary()
    assert some + Summary() == Summary() + some == some
    assert of_pairs([], []) + of_pairs([1], [2]) == of_pairs([1], [2])


def test_a_side_that_does_not_vary_has_a_correlation_of_nought() -> None:
    assert of_pairs([1, 1, 1], [1, 2, 3]).correlation == 0


def test_a_correlation_of_tiny_values_is_not_lost_to_underflow() -> None:
    assert of_pairs([0, 1e-120, 2e-120], [0, 1e-120, 2e-120]).correlation == pytest.approx(1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_name_and_place(bad: float) -> None:
    with pytest.raises(SpecError, match=rf"Latencies holds {bad} at place 2, 1 such"):
        of([1.0, 2.0, bad], name="Latencies")
    with pytest.raises(SpecError, match="holds"):
        of_pairs([1.0, bad], [1.0, 2.0])


def test_one_value_has_no_variance() -> None:
    for read in (lambda: of([1.0]).variance, lambda: of([1.0]).se, lambda: of_pairs([1], [1]).correlation):
        with pytest.raises(SpecError, match="1 values"):
            read()


def test_pairs_with_a_side_missing_are_refused() -> None:
    with pytest.raises(SpecError, match="2 first and 1 second"):
        of_pairs([1.0, 2.0], [1.0])
