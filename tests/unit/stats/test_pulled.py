"""Intervals from pulls: by hand, by blocks, on a scale, and where there is nothing to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats.block_t import interval as block_t
from lockgate.stats.pulled import exact_share, interval, mean_of_shares, wilson

RNG = np.random.default_rng(59)
VALUES = RNG.normal(3, 1, 50)


def test_of_a_mean_it_is_students_interval() -> None:
    """But for its degrees, which the spread of the squares decides: near to n - 1 or under."""
    found = interval(VALUES.mean(), VALUES - VALUES.mean(), alpha=0.05)
    assert found.se == pytest.approx(stats.sem(VALUES))
    assert 20 < found.degrees <= 49
    reach = stats.t.ppf(0.975, found.degrees) * found.se
    assert (found.low, found.high) == pytest.approx((VALUES.mean() - reach, VALUES.mean() + reach))


def test_blocks_are_added_first_as_block_t_does() -> None:
    block = np.repeat(np.arange(10), 5)
    found = interval(VALUES.mean(), VALUES - VALUES.mean(), alpha=0.05, block=block)
    sums = np.bincount(block, weights=VALUES)
    assert found.se == pytest.approx(block_t(sums, np.full(10, 5.0), alpha=0.05).se)
    assert found.n == 10


def test_rows_that_hold_all_the_variance_are_the_degrees() -> None:
    pulls = np.zeros(1000)
    pulls[:5], pulls[5:10] = 100.0, -100.0
    assert interval(0.5, pulls, alpha=0.05).degrees < 25


def test_ends_stay_inside_their_scale() -> None:
    pulls = RNG.normal(0, 0.5, 40)
    pulls -= pulls.mean()
    share = interval(0.97, pulls, alpha=0.05, scale="logit")
    assert 0 < share.low < 0.97 < share.high < 1
    size = interval(0.05, pulls, alpha=0.05, scale="log")
    assert 0 < size.low < 0.05 < size.high
    told = interval(0.97, pulls, alpha=0.05, scale="explained")
    assert told.low < 0.97 < told.high < 1


@pytest.mark.parametrize(("estimate", "scale"), [(1.0, "logit"), (0.0, "log"), (1.0, "explained")])
def test_where_the_scale_ends_nothing_is_said(estimate: float, scale: str) -> None:
    pulls = RNG.normal(0, 0.5, 40)
    assert math.isnan(interval(estimate, pulls - pulls.mean(), alpha=0.05, scale=scale).low)  # type: ignore[arg-type]


def test_pulls_that_do_not_vary_say_nothing() -> None:
    assert math.isnan(interval(0.7, np.zeros(40), alpha=0.05).low)
    assert interval(0.0, np.zeros(40), alpha=0.05).p == 1.0


def test_two_blocks_are_refused() -> None:
    with pytest.raises(SpecError, match="2 rows or blocks"):
        interval(0.5, RNG.normal(size=10), alpha=0.05, block=np.repeat([0, 1], 5))


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (3, 10), (10, 10), (97, 1000)])
def test_wilson_is_scipys(hits: int, rows: int) -> None:
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    assert wilson(hits, rows, alpha=0.05) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_a_share_of_no_rows_is_refused() -> None:
    with pytest.raises(SpecError, match="is no share"):
        exact_share(0, 0, alpha=0.05)
    with pytest.raises(SpecError, match="is no share"):
        wilson(0, 0, alpha=0.05)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (3, 10), (10, 10), (97, 1000)])
def test_an_exact_share_is_scipys(hits: int, rows: int) -> None:
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, method="exact")
    assert exact_share(hits, rows, alpha=0.05) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_mean_of_one_share_has_its_own_interval_and_of_several_a_shorter_one() -> None:
    value, low, high = np.array([0.9, 0.8]), np.array([0.7, 0.6]), np.array([0.95, 0.9])
    assert mean_of_shares(value[:1], low[:1], high[:1], np.eye(1)) == pytest.approx((0.7, 0.95))
    apart = mean_of_shares(value, low, high, np.eye(2))
    assert apart == pytest.approx((0.85 - math.hypot(0.1, 0.1), 0.85 + math.hypot(0.025, 0.05)))
    as_one = mean_of_shares(value, low, high, np.ones((2, 2)))
    assert as_one == pytest.approx((0.65, 0.925))
