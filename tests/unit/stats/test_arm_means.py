"""The difference of arms' means: the figures by hand, strata, and what says nothing yet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from lockgate.errors import SpecError
from lockgate.stats import arm_means, srm
from lockgate.stats.summary import PairSummary, after_pair, of_pairs


def arm(*strata: tuple[list[float], list[float]]) -> arm_means.Sums:
    return arm_means.of([of_pairs(*stratum) for stratum in strata])


def drawn(seed: int, n: int, mean: float = 0.0) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return (mean + x + rng.normal(size=n)).tolist(), x.tolist()


def test_the_difference_is_that_of_the_means_and_its_variance_welchs_or_the_pooled_one() -> None:
    own, other = [1.0, 2.0, 4.0, 7.0], [0.0, 1.0, 1.0]
    seen = arm_means.contrast(arm((other, [0.0] * 3)), arm((own, [0.0] * 4)), is_adjusted=False)
    welch = np.var(own, ddof=1) / 4 + np.var(other, ddof=1) / 3
    squares = np.var(own) * 4 + np.var(other) * 3
    assert float(seen.estimate) == pytest.approx(3.5 - 2 / 3)
    assert float(seen.variance) == pytest.approx(max(welch, squares / 5 * (1 / 4 + 1 / 3)))


def test_the_adjusted_difference_is_that_of_least_squares() -> None:
    (y0, x0), (y1, x1) = drawn(1, 400), drawn(2, 300, mean=0.5)
    seen = arm_means.contrast(arm((y0, x0)), arm((y1, x1)))
    design = np.column_stack([np.ones(700), np.repeat([0.0, 1.0], [400, 300]), [*x0, *x1]])
    assert float(seen.estimate) == pytest.approx(np.linalg.lstsq(design, np.array([*y0, *y1]), rcond=None)[0][1])
    assert seen.variance < 0.7 * arm_means.contrast(arm((y0, x0)), arm((y1, x1)), is_adjusted=False).variance


def test_arms_are_compared_within_the_shares_that_their_units_came_under() -> None:
    """Equals, with a share that grew when everybody was worth more: pooled, the challenger would look better by far."""
    low, high = drawn(3, 900), drawn(4, 100, mean=5.0)
    more_low, more_high = drawn(5, 100), drawn(6, 900, mean=5.0)
    strata = arm_means.contrast(arm(low, high), arm(more_low, more_high), is_adjusted=False)
    assert abs(float(strata.estimate)) < 4 * math.sqrt(float(strata.variance))
    assert float(strata.estimate) < 1.0


def test_the_e_value_is_the_mixture_over_effects_for_many_units() -> None:
    seen = arm_means.Contrast(np.array(0.03), np.array(1e-4), np.array(1e4), np.array(1e7))
    spread = math.sqrt(arm_means.PRIOR * 1e4 * 1e-4)
    mixed, _ = integrate.quad(
        lambda effect: stats.norm.pdf(0.03, effect, 0.01) * stats.norm.pdf(effect, 0, spread), -0.4, 0.4, points=[0.03]
    )
    assert float(arm_means.log_e(seen)) == pytest.approx(math.log(mixed / stats.norm.pdf(0.03, 0, 0.01)), abs=1e-4)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001])
def test_the_interval_ends_where_the_evidence_reaches_its_line(alpha: float) -> None:
    seen = arm_means.contrast(arm(drawn(7, 20_000)), arm(drawn(8, 20_000)))
    end = seen.estimate + arm_means.half_width(seen, alpha=alpha)
    assert float(arm_means.log_e(seen, difference=end)) == pytest.approx(math.log(1 / alpha))


def test_nothing_is_said_of_nobody_of_one_or_of_units_all_alike() -> None:
    for own, other in (([], []), ([1.0], [2.0, 3.0]), ([0.0] * 50, [0.0] * 50), ([0.1] * 50, [0.1] * 70)):
        seen = arm_means.contrast(arm((other, [0.0] * len(other))), arm((own, [0.0] * len(own))))
        assert float(arm_means.log_e(seen)) == 0.0
        assert math.isinf(float(arm_means.half_width(seen, alpha=0.05)))
        assert math.isinf(arm_means.times_until_told(seen, alpha=0.05))


def test_an_arm_in_which_nothing_has_happened_yet_is_not_taken_for_one_in_which_nothing_can() -> None:
    bought = [1.0] * 60 + [0.0] * 1_940
    seen = arm_means.contrast(arm((bought, [0.0] * 2_000)), arm(([0.0] * 60, [0.0] * 60)), is_adjusted=False)
    assert abs(float(seen.estimate)) < 2 * math.sqrt(float(seen.variance))


def test_the_forecast_is_when_the_interval_would_leave_out_nothing() -> None:
    seen = arm_means.contrast(arm(drawn(9, 2_000)), arm(drawn(10, 2_000, mean=0.05)))
    times = arm_means.times_until_told(seen, alpha=0.05)
    assert times > 1
    more = arm_means.Contrast(seen.estimate, seen.variance / times, seen.size * times, seen.degrees * times)
    assert float(arm_means.half_width(more, alpha=0.05)) == pytest.approx(abs(float(seen.estimate)), rel=1e-6)


def test_an_alpha_that_is_none_is_refused() -> None:
    seen = arm_means.contrast(arm(drawn(1, 9)), arm(drawn(2, 9)))
    with pytest.raises(SpecError, match="no chance"):
        arm_means.half_width(seen, alpha=1.0)


def test_rows_one_by_one_are_the_summary_of_all() -> None:
    y, x = drawn(11, 300)
    found = PairSummary()
    for first, second in zip(y, x, strict=True):
        found = after_pair(found, first, second)
    whole = of_pairs(y, x)
    assert found.n == whole.n
    for ours, theirs in zip((*found.mean, *found.m2, found.cross), (*whole.mean, *whole.m2, whole.cross), strict=True):
        assert ours == pytest.approx(theirs)


def test_three_arms_by_lot_are_seldom_ever_void_and_one_that_loses_a_fifth_soon_is() -> None:
    shares, rng = [0.4, 0.3, 0.3], np.random.default_rng(12)
    fair = 0
    for _ in range(200):
        counts = np.cumsum(rng.multinomial(20, shares, size=100), axis=0)
        fair += any(srm.is_void(srm.log_e_arms([shares], [row])) for row in counts)
    assert fair / 200 <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / 200)
    lossy = np.array([0.4, 0.24, 0.3]) / 0.94
    assert srm.is_void(srm.log_e_arms([shares], [np.round(4_000 * lossy)]))
    assert srm.log_e_arms([[0.7, 0.3, 0.0]], [[70, 30, 1]]) == math.inf
    with pytest.raises(SpecError, match="add up"):
        srm.log_e_arms([[0.5, 0.4]], [[1, 1]])
