"""How often the offline gate's 95 % interval holds the truth over 14 held-out days, in worlds of known truth.

4,000 fortnights per world, fixed seeds. The interval is exact for independent Gaussian days of equal weight, so on a fresh
seed that test fails with chance .003. The same holds for days that average 100 skewed calls, within what skewness costs.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math

import numpy as np

from lockgate.stats.block_t import interval

FORTNIGHTS, DAYS, LEVEL = 4_000, 14, 0.95
SE = math.sqrt(LEVEL * (1 - LEVEL) / FORTNIGHTS)


def coverage(means: np.ndarray) -> float:
    """means: shape (fortnights, days), each a day's mean per call with a true mean of 0; 100 calls a day."""
    calls = np.full(DAYS, 100.0)
    found = [interval(row * calls, calls, alpha=1 - LEVEL) for row in means]
    share = float(np.mean([f.low <= 0 <= f.high for f in found]))
    print(f"coverage {share:.4f} of {LEVEL}")
    return share


def test_independent_gaussian_days_are_covered_as_promised() -> None:
    days = np.random.default_rng(11).standard_normal((FORTNIGHTS, DAYS))
    assert abs(coverage(days) - LEVEL) <= 3 * SE


def test_days_that_average_a_hundred_skewed_calls_are_covered_as_promised() -> None:
    """The mean of 100 exponential calls is a gamma(100): a skewness of .2 is left of 2."""
    days = np.random.default_rng(12).gamma(100, 1 / 100, (FORTNIGHTS, DAYS)) - 1
    assert abs(coverage(days) - LEVEL) <= 3 * SE


def test_days_ruled_by_one_shock_each_are_covered_less_but_nine_times_in_ten() -> None:
    days = np.random.default_rng(13).standard_exponential((FORTNIGHTS, DAYS)) - 1
    assert 0.90 <= coverage(days) < LEVEL - 3 * SE


def test_days_that_remember_are_covered_worse_than_promised_as_the_documents_say() -> None:
    """At AR .5 the mean's variance is 2.7 times what independent days give; the gate is no substitute for GLS-t there."""
    days = np.random.default_rng(14).standard_normal((FORTNIGHTS, DAYS))
    for day in range(1, DAYS):
        days[:, day] = 0.5 * days[:, day - 1] + math.sqrt(0.75) * days[:, day]
    assert coverage(days) < 0.85
