"""How often an A/B's intervals ever leave out the truth, and equals are ever told apart: a look at every visitor.

The shop of `lockgate.sim.shop`, 14 days, three arms, each interval at half of alpha .05. A world fails above .05 and 3
standard errors: the rate is calibrated, not proved. Where every arm is the champion's equal the truth is 0, also day by day;
where one has a lift, the truth is the mean over many shops. Seeds are fixed.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from lockgate.sim.shop import DAY_S, Shop, Visitors, truth, visitors
from lockgate.stats import arm_means

ALPHA = 0.05
WORLDS = {
    "even": Shop(),
    "a tenth each": Shop(shares=(0.8, 0.1, 0.1)),
    "a twentieth each": Shop(shares=(0.9, 0.05, 0.05)),
    "rare purchases": Shop(rate=0.005),
    "wild amounts": Shop(spread=2.0),
}
METRICS = ("conversion", "revenue")


def sums(values: np.ndarray, covariate: np.ndarray, own: np.ndarray) -> arm_means.Sums:
    """After each visitor, of one arm: cumulated, one stratum."""
    n = np.cumsum(own).astype(float)
    known = np.maximum(n, 1.0)
    totals = [np.cumsum(own * part) for part in (values, covariate)]
    squares = [np.cumsum(own * part) for part in (values**2, covariate**2, values * covariate)]
    found = (
        n,
        totals[0] / known,
        squares[0] - totals[0] ** 2 / known,
        totals[1] / known,
        squares[1] - totals[1] ** 2 / known,
        squares[2] - totals[0] * totals[1] / known,
    )
    return arm_means.Sums(*(part[:, None] for part in found))


class Run(NamedTuple):
    """Whether any challenger's interval ever left out its truth; whether any was ever called better; when each first was."""

    is_wrong: bool
    is_better: bool
    first: list[float]


def values_of(came: Visitors, metric: str) -> np.ndarray:
    return came.bought if metric == "conversion" else came.spent


def run(shop: Shop, came: Visitors, metric: str, *, is_adjusted: bool, truths: list[float]) -> Run:
    values, arms = values_of(came, metric), len(shop.lift)
    by_arm = [sums(values, came.habit, came.arm == arm) for arm in range(arms)]
    is_wrong, first = False, []
    for arm in range(1, arms):
        seen = arm_means.contrast(by_arm[0], by_arm[arm], is_adjusted=is_adjusted)
        half = arm_means.half_width(seen, alpha=ALPHA / (arms - 1))
        is_wrong |= bool((np.abs(seen.estimate - truths[arm]) > half).any())
        is_better = seen.estimate > half
        first.append(float(is_better.argmax()) + 1 if is_better.any() else math.inf)
    return Run(is_wrong, min(first) < math.inf, first)


def rates(world: str, metric: str, paths: int, *, is_adjusted: bool) -> None:
    shop, alike = WORLDS[world], [0.0, 0.0, 0.0]
    key = [list(WORLDS).index(world), METRICS.index(metric), is_adjusted]
    runs = [
        run(
            shop, visitors(shop, np.random.default_rng([61, *key, path])), metric, is_adjusted=is_adjusted, truths=alike
        )
        for path in range(paths)
    ]
    wrong, better = (float(np.mean([getattr(one, name) for one in runs])) for name in ("is_wrong", "is_better"))
    kind = "adjusted" if is_adjusted else "plain"
    print(f"{world}, {metric}, {kind}: {wrong:.4f} ever told apart, {better:.4f} a false winner, of {ALPHA}")
    assert wrong <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / paths)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("world", ["even", "a twentieth each", "rare purchases"])
def test_arms_alike_are_seldom_ever_told_apart(world: str, metric: str) -> None:
    rates(world, metric, 60, is_adjusted=True)


@pytest.mark.slow
@pytest.mark.parametrize("is_adjusted", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("world", WORLDS)
def test_the_long_form_over_1000_shops_holds_too(world: str, metric: str, is_adjusted: bool) -> None:
    rates(world, metric, 1_000, is_adjusted=is_adjusted)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_an_interval_covers_a_lift_that_is_there_over_its_whole_path(metric: str) -> None:
    """One arm a fifth better, one a fifth worse; working days without moods, so that the truth is one number throughout."""
    shop = Shop(lift=(1.0, 1.2, 0.8), mood=0.0, rate=0.05, days=5, visitors_per_day=8_000)
    place = METRICS.index(metric)
    truths = [truth(shop, arm, runs=400)[place] for arm in range(3)]
    runs = [
        run(shop, visitors(shop, np.random.default_rng([62, place, path])), metric, is_adjusted=True, truths=truths)
        for path in range(600)
    ]
    wrong = float(np.mean([one.is_wrong for one in runs]))
    found = float(np.mean([one.first[0] < math.inf for one in runs]))
    print(f"a lift, {metric}: {wrong:.4f} ever outside its interval of {ALPHA}; the better arm found in {found:.3f}")
    assert wrong <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 600)


def test_the_price_of_looking_at_any_time_beside_a_test_that_looks_once() -> None:
    """Visitors until the better arm is found, at half of the runs and at four in five, over those that a t-test of one look
    needs for that power at the same alpha.
    """
    shop = Shop(lift=(1.0, 1.25), shares=(0.5, 0.5), rate=0.05, visitors_per_day=6_000, days=10, habit=0.0)
    firsts = [
        run(
            shop, visitors(shop, np.random.default_rng([63, path])), "conversion", is_adjusted=False, truths=[0.0, 0.0]
        ).first[0]
        for path in range(120)
    ]
    gain, _ = truth(shop, 1)
    rate = gain / 0.25
    variance = rate * (1 - rate) + 1.25 * rate * (1 - 1.25 * rate)
    ratios = {}
    for power in (0.5, 0.8):
        needed = 2 * variance * ((norm.isf(ALPHA / 2) + norm.ppf(power)) / gain) ** 2
        ratios[power] = float(np.quantile(firsts, power)) / needed
    print(f"visitors over those of one look: {ratios[0.5]:.2f} at half of the runs, {ratios[0.8]:.2f} at four in five")
    assert ratios[0.8] <= 2.2


@pytest.mark.slow
def test_adjusting_for_what_was_known_before_saves_visitors() -> None:
    """Habits explain a good part of how much is bought: the variance that is left, and with it the visitors needed."""
    shop = Shop(rate=0.2, habit=1.2, lift=(1.0, 1.0), shares=(0.5, 0.5))
    came = visitors(shop, np.random.default_rng(64))
    by_arm = [sums(came.bought, came.habit, came.arm == arm) for arm in range(2)]
    plain, adjusted = (
        arm_means.contrast(*by_arm, is_adjusted=is_adjusted).variance[-1] for is_adjusted in (False, True)
    )
    print(f"variance left by the covariate: {adjusted / plain:.2f}")
    assert adjusted < 0.95 * plain


def test_peeking_by_a_plain_test_is_what_this_is_for() -> None:
    """The same shops by a t-test at each midnight: told apart far more often than its alpha says."""
    shop = Shop()
    told = 0
    for path in range(60):
        came = visitors(shop, np.random.default_rng([65, path]))
        by_arm = [sums(came.bought, came.habit, came.arm == arm) for arm in range(3)]
        looks = [np.searchsorted(came.first_s, DAY_S * day) - 1 for day in range(1, 15)]
        line = norm.isf(ALPHA / 4)
        seen = [arm_means.contrast(by_arm[0], by_arm[arm], is_adjusted=False) for arm in (1, 2)]
        told += any(bool((np.abs(one.estimate) > line * np.sqrt(one.variance))[looks].any()) for one in seen)
    print(f"a t-test each midnight, Bonferroni over the arms: {told / 60:.3f} told apart")
    assert told / 60 > ALPHA
