"""Sample-ratio mismatch: the published formula, fairness unit by unit, merging, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats import srm

COUNTS = st.tuples(st.integers(0, 300), st.integers(0, 300))


def test_each_share_for_itself_is_lindons_and_maleks_formula() -> None:
    """The Dirichlet-multinomial's chance of the counts over the multinomial's, by scipy."""
    for w, champion, canary in ((0.5, 40, 60), (0.05, 900, 80), (0.25, 0, 7)):
        alone = srm._each_share(*(np.array([part], dtype=float) for part in (w, champion, canary)))
        predictive = stats.betabinom(champion + canary, 100 * w, 100 * (1 - w)).logpmf(canary)
        assert float(alone) == pytest.approx(predictive - stats.binom(champion + canary, w).logpmf(canary))


@given(st.floats(0.01, 0.99), COUNTS, st.floats(0.01, 0.99), COUNTS)
@settings(max_examples=100, deadline=None)
def test_the_next_unit_of_a_fair_lot_leaves_the_evidence_where_it_was_on_average(
    w: float, seen: tuple[int, int], other: float, elsewhere: tuple[int, int]
) -> None:
    """The definition of an e-process, whatever has been counted under this share and another."""
    now, canary_next, champion_next = (
        float(srm.log_e([w, other], [champion, elsewhere[0]], [canary, elsewhere[1]]))
        for champion, canary in (seen, (seen[0], seen[1] + 1), (seen[0] + 1, seen[1]))
    )
    assert w * math.exp(canary_next - now) + (1 - w) * math.exp(champion_next - now) == pytest.approx(1, abs=1e-6)


def test_no_units_are_no_evidence() -> None:
    assert float(srm.log_e([0.5, 0.1], [0, 0], [0, 0])) == pytest.approx(0, abs=1e-12)
    assert float(srm.log_e([], [], [])) == pytest.approx(0, abs=1e-12)


def test_shares_of_nought_and_one_carry_no_evidence() -> None:
    assert float(srm.log_e([0.0, 1.0, 0.3], [5, 50, 60], [9, 0, 40])) == pytest.approx(float(srm.log_e(0.3, 60, 40)))


def test_the_order_of_shares_does_not_matter() -> None:
    share, champion, canary = np.array([0.05, 0.25, 0.5]), np.array([950, 300, 80]), np.array([40, 120, 100])
    turned = srm.log_e(share[::-1], champion[::-1], canary[::-1])
    assert float(turned) == pytest.approx(float(srm.log_e(share, champion, canary)))


def test_many_looks_at_once_are_each_look_alone() -> None:
    rng = np.random.default_rng(1)
    champion, canary = rng.integers(0, 500, (2, 4, 6, 3))
    share = np.array([0.05, 0.25, 0.5])
    found = srm.log_e(share, champion, canary)
    assert found.shape == (4, 6)
    for at in np.ndindex(4, 6):
        assert found[at] == pytest.approx(float(srm.log_e(share, champion[at], canary[at])), rel=1e-12)


def test_arms_swapped_are_the_same_evidence() -> None:
    assert float(srm.log_e(0.3, 500, 100)) == pytest.approx(float(srm.log_e(0.7, 100, 500)))


def test_a_lot_that_goes_wrong_voids_and_one_that_goes_right_does_not() -> None:
    assert srm.is_void(float(srm.log_e(0.5, 1_000, 800)))
    assert srm.is_void(float(srm.log_e([0.01, 0.05, 0.25], [990, 990, 990], [10, 10, 10])))
    assert not srm.is_void(float(srm.log_e(0.5, 1_000, 980)))
    assert srm.is_void(math.log(srm.VOID_AT))


def test_a_billion_units_keep_their_digits() -> None:
    found = srm.log_e(0.5, [500_000_000], [500_000_000])
    assert -20 < float(found) < 0


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(SpecError, match="share"):
        srm.log_e(share, 1, 1)


@pytest.mark.parametrize("count", [-1, 0.5, math.nan, math.inf])
def test_a_count_that_is_none_is_refused_with_its_arm(count: float) -> None:
    with pytest.raises(SpecError, match="canary"):
        srm.log_e(0.5, 1, count)
    with pytest.raises(SpecError, match="champion"):
        srm.log_e(0.5, count, 1)
