"""Holm, Benjamini-Hochberg and e-BH against statsmodels, scipy and their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats.multiplicity import benjamini_hochberg, e_bh, holm

SETS = [
    np.array([0.01, 0.04, 0.03, 0.005]),
    np.array([0.5]),
    np.array([0.0, 1.0, 0.05, 0.05, 0.05]),
    *(np.random.default_rng([1, seed]).random(n) ** 3 for seed, n in enumerate((2, 5, 20, 200))),
]


@pytest.mark.parametrize("p", SETS)
@pytest.mark.parametrize(("method", "name"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_statsmodels_adjusts_and_rejects_the_same(p: np.ndarray, method: Any, name: str, alpha: float) -> None:
    multitest: Any = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is only an oracle")
    is_rejected, adjusted, *_ = multitest.multipletests(p, alpha=alpha, method=name)
    found = method(p, alpha=alpha)
    np.testing.assert_allclose(found.adjusted, adjusted, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.is_rejected, is_rejected)


@pytest.mark.parametrize("p", SETS)
def test_scipy_adjusts_for_the_false_discovery_rate_the_same(p: np.ndarray) -> None:
    adjusted = benjamini_hochberg(p, alpha=0.05).adjusted
    np.testing.assert_allclose(adjusted, stats.false_discovery_control(p, method="bh"), rtol=0, atol=1e-12)


def test_holm_by_hand() -> None:
    """Sorted .005 .01 .03 .04 times 4 3 2 1, never falling: .02 .03 .06 .06."""
    found = holm(SETS[0], alpha=0.05)
    assert found.adjusted.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert found.is_rejected.tolist() == [True, False, False, True]


def test_holm_stops_at_the_first_that_stands_while_the_false_discovery_rate_looks_for_the_last() -> None:
    p = np.array([0.02, 0.03, 0.04])
    assert holm(p, alpha=0.05).is_rejected.tolist() == [False] * 3
    assert benjamini_hochberg(p, alpha=0.05).is_rejected.tolist() == [True] * 3


def by_definition(e: np.ndarray, alpha: float) -> list[bool]:
    """Wang, Ramdas (2022), section 4: the k largest, k the largest with k e_[k] / m >= 1 / alpha."""
    m, falling = e.size, sorted(e, reverse=True)
    k = max((k for k in range(1, m + 1) if k * falling[k - 1] / m >= 1 / alpha), default=0)
    return [bool(k) and value >= falling[k - 1] for value in e]


@pytest.mark.parametrize("seed", range(20))
def test_e_bh_is_its_definition(seed: int) -> None:
    rng = np.random.default_rng([2, seed])
    log_e = 3 * rng.standard_normal(rng.integers(1, 40)) + 2
    for alpha in (0.05, 0.2):
        found = e_bh(log_e, alpha=alpha)
        assert found.is_rejected.tolist() == by_definition(np.exp(log_e), alpha)
        np.testing.assert_array_equal(found.is_rejected, found.adjusted <= alpha)


@pytest.mark.parametrize("p", SETS[3:])
def test_e_bh_adjusts_as_benjamini_hochberg_does_one_over_e(p: np.ndarray) -> None:
    np.testing.assert_allclose(e_bh(-np.log(p), alpha=0.05).adjusted, stats.false_discovery_control(p), atol=1e-12)


def test_one_e_value_is_rejected_from_one_over_alpha_on() -> None:
    for e, is_far in ((19.99, False), (20.0, True)):
        assert e_bh(np.array([math.log(e)]), alpha=0.05).is_rejected.tolist() == [is_far]


def test_capital_beyond_all_numbers_and_capital_lost_are_both_ranked() -> None:
    found = e_bh(np.array([5_000.0, -np.inf, np.inf, 0.0]), alpha=0.05)
    assert found.is_rejected.tolist() == [True, False, True, False]
    assert found.adjusted.tolist() == [0, 1, 0, 1]


def test_the_order_of_the_questions_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    p, order = rng.random(30) ** 4, rng.permutation(30)
    for method, values in ((holm, p), (benjamini_hochberg, p), (e_bh, -np.log(p))):
        found, shuffled = method(values, alpha=0.1), method(values[order], alpha=0.1)
        np.testing.assert_array_equal(found.adjusted[order], shuffled.adjusted)
        np.testing.assert_array_equal(found.is_rejected[order], shuffled.is_rejected)


@pytest.mark.parametrize("method", [holm, benjamini_hochberg, e_bh])
def test_questions_without_figures_and_levels_that_are_none_are_refused(method: Any) -> None:
    for values in (np.array([]), np.array([[0.1]]), np.array(0.1), np.array([0.1, np.nan])):
        with pytest.raises(SpecError, match=r"cannot be ranked|p-value 1 is nan"):
            method(values, alpha=0.05)
    for alpha in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(SpecError, match="no error rate"):
            method(np.array([0.1]), alpha=alpha)


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.inf])
def test_a_p_value_outside_nought_to_one_is_refused_with_its_place(method: Any, wrong: float) -> None:
    with pytest.raises(SpecError, match="p-value 2 is"):
        method(np.array([0.1, 0.2, wrong]), alpha=0.05)
