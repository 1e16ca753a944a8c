"""McNemar, DeLong and signed ranks against published tables, other libraries and the definitions written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

from lockgate.errors import SpecError
from lockgate.stats import paired

# 43 patients of DeLong, DeLong, Clarke-Pearson (1988): albumin, total protein, K-G score, and whether surgery helped.
# Printed with the results below in the SAS/STAT User's Guide, "Comparing Receiver Operating Characteristic Curves".
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


# ---- accuracy


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (1, 7), (6, 16), (9, 9), (40, 41), (0, 30), (300, 420)])
def test_mid_p_is_the_binomial_tail_less_the_chance_of_the_very_count_seen(gained: int, lost: int) -> None:
    k, total = min(gained, lost), gained + lost
    expected = 2 * stats.binom.cdf(k, total, 0.5) - stats.binom.pmf(k, total, 0.5)
    assert paired.mcnemar_counts(gained, lost, 1_000, alpha=0.05).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(1, 7), (6, 16), (12, 2), (55, 80)])
def test_mid_p_is_the_exact_test_of_statsmodels_less_the_chance_of_the_very_count_seen(gained: int, lost: int) -> None:
    tables: Any = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is only an oracle")
    exact = tables.mcnemar([[20, gained], [lost, 30]], exact=True).pvalue
    expected = exact - stats.binom.pmf(min(gained, lost), gained + lost, 0.5)
    assert paired.mcnemar_counts(gained, lost, 200, alpha=0.05).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "p", "low", "high"),
    [(6, 16, 161, 0.034690, -0.1240, -0.0054), (1, 7, 21, 0.0390625, -0.517, -0.026)],
)
def test_the_worked_examples_of_fagerland_lydersen_and_laake(
    gained: int, lost: int, n: int, p: float, low: float, high: float
) -> None:
    """Cavo (2012) and Bentur (2009): mid-p of their 2013 paper, Tango's interval of their 2014 paper and 2017 book."""
    found = paired.mcnemar_counts(gained, lost, n, alpha=0.05)
    assert found.p == pytest.approx(p, abs=5e-7)
    digits = 4 if n == 161 else 3
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


def likeliest_lost(delta: float, gained: int, lost: int, n: int) -> float:
    """The share of lost rows at which the likelihood peaks once the difference is `delta`, by its own derivative."""
    both = n - gained - lost

    def slope(q: float) -> float:
        return gained / (q + delta) + lost / q - 2 * both / (1 - 2 * q - delta)

    least, most = max(0.0, -delta), (1 - delta) / 2
    edge = 1e-12 * (most - least)
    return float(optimize.brentq(slope, least + edge, most - edge, xtol=1e-15))


@pytest.mark.parametrize(("gained", "lost", "n"), [(6, 16, 161), (1, 7, 21), (5, 5, 40), (120, 80, 900)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_score_statistic_at_either_end_is_the_normal_quantile(gained: int, lost: int, n: int, alpha: float) -> None:
    found = paired.mcnemar_counts(gained, lost, n, alpha=alpha)
    for end, side in ((found.low, 1), (found.high, -1)):
        share = likeliest_lost(end, gained, lost, n)
        score = (gained - lost - n * end) / math.sqrt(n * (2 * share + end * (1 - end)))
        assert score == pytest.approx(side * stats.norm.isf(alpha / 2), abs=1e-8)


def test_the_interval_leaves_out_nought_just_when_mcnemars_chi_square_does() -> None:
    for gained in range(30):
        for lost in range(30 - gained):
            found = paired.mcnemar_counts(gained, lost, 60, alpha=0.05)
            is_far = (gained - lost) ** 2 > stats.chi2.isf(0.05, 1) * (gained + lost)
            assert (found.low > 0 or found.high < 0) == is_far


def test_rows_give_what_their_counts_give() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    found = paired.mcnemar(a, b, alpha=0.05)
    assert found == paired.mcnemar_counts(int((a & ~b & 1).sum()), int((~a & b & 1).sum()), 300, alpha=0.05)
    assert found.difference == pytest.approx(a.mean() - b.mean())


def test_the_other_way_round_everything_is_mirrored() -> None:
    for gained, lost in ((3, 11), (0, 5), (0, 60), (7, 7)):
        here, there = (paired.mcnemar_counts(*pair, 60, alpha=0.05) for pair in ((gained, lost), (lost, gained)))
        assert here.p == there.p
        assert (here.low, here.high) == pytest.approx((-there.high, -there.low), abs=1e-11)


def test_versions_that_are_right_on_the_same_rows_differ_by_nought_give_or_take_what_so_few_rows_can_hide() -> None:
    """With no discordant row the score equation is z^2 = n |delta| / (1 - |delta|)."""
    found = paired.mcnemar_counts(0, 0, 500, alpha=0.05)
    reach = stats.norm.isf(0.025) ** 2 / (500 + stats.norm.isf(0.025) ** 2)
    assert (found.difference, found.p) == (0, 1)
    assert (found.low, found.high) == pytest.approx((-reach, reach), abs=1e-10)


def test_a_version_that_is_right_where_the_other_is_always_wrong_reaches_the_end_of_the_scale() -> None:
    found = paired.mcnemar_counts(10, 0, 10, alpha=0.05)
    assert (found.difference, found.high) == (1, 1)
    assert 0 < found.low < 1


def test_ten_million_rows_give_the_normal_interval() -> None:
    found = paired.mcnemar_counts(500_000, 499_000, 10_000_000, alpha=0.05)
    se = math.sqrt(999_000 - 1_000**2 / 1e7) / 1e7
    assert (found.low, found.high) == pytest.approx((1e-4 - 1.96 * se, 1e-4 + 1.96 * se), rel=1e-4)
    assert found.p == pytest.approx(2 * stats.norm.sf(1_000 / math.sqrt(999_000)), rel=1e-4)


# ---- ROC-AUC


def by_definition(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float]:
    """Both areas, their difference and its standard error from all pairs of rows, as DeLong et al. (1988) print them."""
    ones, noughts = y == 1, y == 0
    m, n = ones.sum(), noughts.sum()
    psi = [np.heaviside(s[ones][:, None] - s[noughts][None, :], 0.5) for s in (a, b)]
    v10, v01 = np.array([k.mean(axis=1) for k in psi]), np.array([k.mean(axis=0) for k in psi])
    s = np.cov(v10) / m + np.cov(v01) / n
    areas = v10.mean(axis=1)
    return areas[0], areas[1], areas[0] - areas[1], math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [None, 4, 30])
def test_the_fast_form_is_delongs_definition_also_with_ties(seed: int, levels: int | None) -> None:
    rng = np.random.default_rng([2, seed])
    y = (rng.random(150) < 0.3).astype(float)
    a, b = rng.standard_normal((2, 150)) + y
    if levels:
        a, b = np.floor(a * levels / 4), np.floor(b * levels / 4)
    found = paired.delong(y, a, b, alpha=0.1)
    first, second, difference, se = by_definition(y, a, b)
    assert (found.candidate, found.other, found.difference, found.se) == pytest.approx(
        (first, second, difference, se), abs=1e-12
    )
    assert (found.candidate, found.other) == pytest.approx((roc_auc_score(y, a), roc_auc_score(y, b)), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(difference / se)), abs=1e-10)
    assert (found.low, found.high) == pytest.approx(stats.norm.interval(0.9, difference, se), abs=1e-10)


@pytest.mark.parametrize(
    ("test", "area", "printed"),
    [
        (0, 0.7366, (0.0108, 0.0953, -0.1761, 0.1976, 0.0127, 0.9102)),
        (1, 0.6478, (-0.0780, 0.1046, -0.2830, 0.1271, 0.5554, 0.4561)),
    ],
)
def test_the_printed_results_on_the_patients_of_the_first_paper(
    test: int, area: float, printed: tuple[float, ...]
) -> None:
    """Albumin (0) and total protein (1) against the K-G score: estimate, error, limits, chi-square and its p."""
    table = np.array(PATIENTS.split(), dtype=float).reshape(-1, 4)
    found = paired.delong(table[:, 3], table[:, test], 10 - table[:, 2], alpha=0.05)
    assert (round(found.candidate, 4), round(found.other, 4)) == (area, 0.7258)
    values = (found.difference, found.se, found.low, found.high, found.z**2, found.p)
    assert tuple(round(value, 4) for value in values) == printed


def test_only_the_order_of_the_scores_matters_and_the_same_order_twice_is_no_difference() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(80) < 0.4).astype(float)
    a, b = rng.standard_normal((2, 80)) + y
    assert paired.delong(y, np.exp(3 * a), b, alpha=0.05) == paired.delong(y, a, b, alpha=0.05)
    same = paired.delong(y, np.exp(3 * a), a, alpha=0.05)
    assert (same.difference, same.se, same.z, same.p, same.low, same.high) == (0, 0, 0, 1, 0, 0)


def test_two_hundred_thousand_rows_are_no_matter() -> None:
    """All pairs would be seven thousand million."""
    rng = np.random.default_rng(4)
    y = (rng.random(200_000) < 0.2).astype(float)
    a, b = rng.standard_normal((2, 200_000)) + y
    found = paired.delong(y, a, b, alpha=0.05)
    assert found.candidate == pytest.approx(roc_auc_score(y, a), abs=1e-12)
    assert abs(found.difference) < 4 * found.se < 0.01


# ---- signed ranks


def test_signed_ranks_are_scipys_with_an_effect_that_can_be_read() -> None:
    d = np.random.default_rng(5).standard_normal(60) + 0.3
    found = paired.signed_rank(np.r_[d, 0, 0, 0])
    ranks = stats.rankdata(np.abs(d))
    assert found.p == pytest.approx(stats.wilcoxon(d).pvalue, abs=1e-12)
    assert found.effect == pytest.approx((ranks[d > 0].sum() - ranks[d < 0].sum()) / ranks.sum())
    assert found.n == 60
    assert paired.signed_rank(-d).effect == pytest.approx(-found.effect)


def test_signed_ranks_go_from_all_below_to_all_above_and_say_nothing_of_versions_that_agree() -> None:
    assert paired.signed_rank(-np.arange(1.0, 9.0)).effect == -1
    assert paired.signed_rank(np.arange(1.0, 9.0)).p == pytest.approx(2 / 2**8)
    assert paired.signed_rank(np.zeros(9)) == (1, 0, 0)


# ---- what is refused

Y, UP = np.array([0.0, 0, 0, 1, 1, 1]), np.arange(6.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: paired.mcnemar(np.ones(5), np.ones(6), alpha=0.05), "other holds 6 rows, candidate 5"),
        (lambda: paired.mcnemar(np.array([]), np.array([]), alpha=0.05), "holds no rows"),
        (lambda: paired.mcnemar(np.ones((2, 2)), np.ones((2, 2)), alpha=0.05), r"shape \(2, 2\)"),
        (lambda: paired.mcnemar(np.array([1, 0.5]), np.ones(2), alpha=0.05), "candidate holds 0.5, neither 0 nor 1"),
        (lambda: paired.mcnemar(np.ones(2), np.array([1, np.nan]), alpha=0.05), "other is nan in row 1"),
        (lambda: paired.mcnemar_counts(3, 4, 6, alpha=0.05), "Of 6 rows, 3 gained and 4 lost"),
        (lambda: paired.mcnemar_counts(-1, 4, 6, alpha=0.05), "-1 gained"),
        (lambda: paired.mcnemar_counts(0, 0, 0, alpha=0.05), "Of 0 rows"),
        (lambda: paired.mcnemar_counts(1, 2, 6, alpha=0.0), "alpha of 0"),
        (lambda: paired.mcnemar_counts(1, 2, 6, alpha=math.nan), "alpha of nan"),
        (lambda: paired.delong(Y[:5], UP, UP, alpha=0.05), "candidate holds 6 rows, outcome 5"),
        (lambda: paired.delong(Y, UP, np.r_[UP[:5], np.inf], alpha=0.05), "other is inf in row 5"),
        (lambda: paired.delong(Y + 1, UP, UP, alpha=0.05), "outcome holds 2, neither"),
        (lambda: paired.delong(np.ones(6), UP, UP, alpha=0.05), "6 rows of class 1 and 0 of class 0"),
        (lambda: paired.delong(np.array([0.0, 0, 0, 0, 0, 1]), UP, UP, alpha=0.05), "1 rows of class 1"),
        (lambda: paired.delong(Y, UP, np.zeros(6), alpha=0.05), "differ by 0.5 leave no variance"),
        (lambda: paired.delong(Y, UP, UP, alpha=1.0), "alpha of 1"),
        (lambda: paired.signed_rank(np.array([1.0, np.nan])), "differences is nan in row 1"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused_by_name(asked: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        asked()
