"""The corrected resampled t against its formula and scipy's Student distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats.crossval import corrected_t

FOLDS = np.array([0.012, -0.004, 0.021, 0.009, 0.015, 0.002, -0.001, 0.018, 0.011, 0.007])


def test_ten_folds_worked_by_hand() -> None:
    """Nadeau, Bengio (2003): variance (1/J + n_test/n_train) s^2; here (1/10 + 100/900) s^2, nine degrees of freedom."""
    found = corrected_t(FOLDS, n_train=900, n_test=100, alpha=0.05)
    mean = sum(FOLDS) / 10
    variance = sum((d - mean) ** 2 for d in FOLDS) / 9
    se = math.sqrt((1 / 10 + 1 / 9) * variance)
    assert (found.mean, found.se, found.t) == pytest.approx((0.009, se, 0.009 / se), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.t(9).sf(0.009 / se), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 9, 0.009, se), abs=1e-12)
    assert found.folds == 10


def test_with_next_to_nothing_to_test_on_it_is_the_plain_t() -> None:
    found = corrected_t(FOLDS, n_train=10**15, n_test=1, alpha=0.05)
    plain = stats.ttest_1samp(FOLDS, 0)
    interval = plain.confidence_interval(0.95)
    assert (found.t, found.p, found.low, found.high) == pytest.approx(
        (plain.statistic, plain.pvalue, interval.low, interval.high), rel=1e-10
    )


def test_a_hundred_folds_of_ten_repeats_say_little_more_than_ten() -> None:
    """Ten times the folds cut the plain error by the root of ten; the corrected by the root of 1.74."""
    once = corrected_t(FOLDS, n_train=900, n_test=100, alpha=0.05)
    often = corrected_t(np.tile(FOLDS, 10), n_train=900, n_test=100, alpha=0.05)
    s_ratio = np.tile(FOLDS, 10).std(ddof=1) / FOLDS.std(ddof=1)
    assert often.se / once.se == pytest.approx(s_ratio * math.sqrt((1 / 100 + 1 / 9) / (1 / 10 + 1 / 9)))


def test_the_other_way_round_everything_is_mirrored() -> None:
    here, there = (corrected_t(d, n_train=90, n_test=10, alpha=0.1) for d in (FOLDS, -FOLDS))
    assert (here.mean, here.low, here.high, here.p) == (-there.mean, -there.high, -there.low, there.p)


def test_learners_that_never_differ_are_not_told_apart() -> None:
    assert corrected_t(np.zeros(10), n_train=90, n_test=10, alpha=0.05) == (0, 0, 0, 1, 0, 0, 10)


@pytest.mark.parametrize(
    ("differences", "sizes", "alpha", "said"),
    [
        (FOLDS[:1], (90, 10), 0.05, "not two folds"),
        (FOLDS.reshape(2, 5), (90, 10), 0.05, "not two folds"),
        (np.r_[FOLDS, np.nan], (90, 10), 0.05, "difference of fold 10 is not finite"),
        (FOLDS, (0, 10), 0.05, "0 rows to train"),
        (FOLDS, (90, 0), 0.05, "0 to test"),
        (FOLDS, (90, -1), 0.05, "-1 to test"),
        (np.full(10, 0.3), (90, 10), 0.05, "All 10 folds differ by 0.3 exactly"),
        (FOLDS, (90, 10), 1.5, "alpha of 1.5"),
    ],
)
def test_folds_that_cannot_be_judged_are_refused_by_name(
    differences: np.ndarray, sizes: tuple[int, int], alpha: float, said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        corrected_t(differences, n_train=sizes[0], n_test=sizes[1], alpha=alpha)
