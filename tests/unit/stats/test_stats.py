"""The statistics' edges: what they refuse, what is silent, what is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats import block_t, distance, glst, label_bet, rate_bet


def test_no_counts_are_no_evidence() -> None:
    assert label_bet.log_e([]) == pytest.approx(0)
    assert label_bet.log_e([(0.25, 0, 0)]) == pytest.approx(0)
    assert rate_bet.log_e_under(0, 0, tolerance=0.01) == pytest.approx(0)
    assert rate_bet.log_e_over(0, 0, tolerance=0.01) == pytest.approx(0)


def test_shares_of_nought_and_one_carry_no_evidence() -> None:
    assert label_bet.log_e([(0.0, 5, 50), (1.0, 5, 50)]) == pytest.approx(0)


def test_the_factor_of_one_failing_call_has_a_mean_of_one_when_both_arms_fail_alike() -> None:
    """The definition of a fair bet, by hand: the challenger's with chance w, the champion's otherwise."""
    for w in (0.05, 0.25, 0.5, 0.9):
        mean = w * math.exp(label_bet.log_e([(w, 0, 1)])) + (1 - w) * math.exp(label_bet.log_e([(w, 1, 0)]))
        assert mean == pytest.approx(1)


def test_the_rate_bets_have_a_mean_of_one_at_the_tolerance() -> None:
    for tolerance in (0.005, 0.3):
        for bet in (rate_bet.log_e_under, rate_bet.log_e_over):
            bad, clean = (math.exp(bet(1, count, tolerance=tolerance)) for count in (1, 0))
            assert tolerance * bad + (1 - tolerance) * clean == pytest.approx(1)


def test_more_failures_of_the_challenger_are_more_evidence_and_more_of_the_champion_less() -> None:
    assert label_bet.log_e([(0.5, 5, 9)]) > label_bet.log_e([(0.5, 5, 8)]) > label_bet.log_e([(0.5, 6, 8)])


@pytest.mark.parametrize("cell", [(1.1, 0, 0), (-0.1, 0, 0), (0.5, -1, 0), (0.5, 0, -1), (math.nan, 0, 0)])
def test_a_bet_refuses_counts_that_cannot_be(cell: tuple[float, int, int]) -> None:
    with pytest.raises(SpecError):
        label_bet.log_e([cell])


def test_a_bet_refuses_a_margin_under_one_and_a_rate_that_is_none() -> None:
    with pytest.raises(SpecError, match="margin"):
        label_bet.log_e([], margin=0.5)
    for bet in (rate_bet.log_e_under, rate_bet.log_e_over):
        with pytest.raises(SpecError, match="cannot be"):
            bet(3, 4, tolerance=0.1)
        for tolerance in (0.0, 1.0, -1.0):
            with pytest.raises(SpecError, match="not a rate"):
                bet(3, 1, tolerance=tolerance)


@pytest.mark.parametrize("memory", ["independent", "new"])
def test_a_path_is_the_same_whether_looked_at_early_or_late(memory: glst.Memory) -> None:
    """A look must not depend on the future."""
    d = np.random.default_rng(1).standard_normal(60) + 0.4
    whole = glst.log_e(d, memory=memory)
    for cut in (1, 2, 3, 10, 59):
        np.testing.assert_allclose(glst.log_e(d[:cut], memory=memory), whole[:cut], rtol=1e-9, atol=1e-9)


def test_short_and_long_do_not_look_ahead_either() -> None:
    rng = np.random.default_rng(2)
    d, history = rng.standard_normal(41) + 0.4, rng.standard_normal(33)
    for memory in ("short", "long"):
        whole = glst.log_e(d, memory=memory, history=history)
        for cut in (2, 3, 20, 40):
            np.testing.assert_allclose(
                glst.log_e(d[:cut], memory=memory, history=history), whole[:cut], rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize("memory", ["independent", "new", "short", "long"])
def test_the_scale_of_the_metric_does_not_matter(memory: glst.Memory) -> None:
    rng = np.random.default_rng(3)
    d, history = rng.standard_normal(40) + 0.3, rng.standard_normal(30)
    past = history if memory in ("short", "long") else None
    scaled = None if past is None else 1e-4 * past
    one, other = glst.log_e(d, memory=memory, history=past), glst.log_e(1e-4 * d, memory=memory, history=scaled)
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_many_paths_at_once_are_each_path_alone() -> None:
    d = np.random.default_rng(4).standard_normal((5, 30))
    for memory in ("independent", "new"):
        np.testing.assert_allclose(
            glst.log_e(d, memory=memory), np.stack([glst.log_e(row, memory=memory) for row in d]), rtol=1e-9, atol=1e-12
        )


def test_e_plus_is_the_formula_of_the_papers() -> None:
    """METHODS 3, written out for the last look, with scipy's Student distribution."""
    d = np.random.default_rng(5).standard_normal(25) + 0.5
    n, g = d.size, 0.5
    k = n * g / (1 + n * g)
    r2 = d.sum() ** 2 / (n * (d @ d))
    x = d.sum() * math.sqrt(k) / math.sqrt((d @ d) * (1 - k * r2))
    expected = -0.5 * math.log(1 + n * g) - n / 2 * math.log(1 - k * r2) + math.log(2 * stats.t(n).cdf(x))
    assert glst.log_e(d, memory="independent")[-1] == pytest.approx(expected)


@pytest.mark.parametrize("memory", ["independent", "new"])
@pytest.mark.parametrize("values", [np.zeros(12), np.full(12, -0.002), np.r_[np.zeros(6), 1.0, 2.0]])
def test_blocks_that_do_not_vary_or_are_nought_give_finite_evidence(memory: glst.Memory, values: np.ndarray) -> None:
    """Two versions that say the same have differences of exactly nought; a warning is an error here."""
    assert np.isfinite(glst.log_e(values, memory=memory)).all()


def test_a_history_of_nought_gives_finite_evidence() -> None:
    path = glst.log_e(np.random.default_rng(6).standard_normal(20), memory="short", history=np.zeros(30))
    assert np.isfinite(path).all()


def test_worse_blocks_never_prove_anything() -> None:
    assert glst.log_e(np.random.default_rng(7).standard_normal(100) - 1, memory="new").max() <= 0


def test_too_few_blocks_are_silent() -> None:
    assert glst.log_e(np.array([]), memory="new").size == 0
    assert glst.log_e(np.array([9.0, 9.1]), memory="new").tolist() == [0, 0]
    path = glst.log_e(np.array([9.0, 9.1, 9.0, 9.2, 9.3, 9.1]), memory="independent")
    assert path[3] < math.log(1 / 0.05)
    assert path[5] < math.log(1 / 0.01)


@pytest.mark.parametrize("length", [0, 19, 91])
def test_a_history_of_the_wrong_length_is_refused_with_its_length(length: int) -> None:
    with pytest.raises(SpecError, match=f"history of {length} blocks"):
        glst.log_e(np.zeros(5), memory="short", history=np.zeros(length))


def test_a_difference_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SpecError, match="not finite"):
        glst.log_e(np.array([1.0, np.nan]), memory="new")


def test_a_memory_that_needs_history_is_new_until_it_has_twenty_blocks() -> None:
    assert glst.effective_memory("short", 19) == "new"
    assert glst.effective_memory("short", 20) == "short"
    assert glst.effective_memory("long", 5) == "new"
    assert glst.effective_memory("independent", 0) == "independent"


def test_the_interval_of_even_days_is_students_own() -> None:
    means = np.random.default_rng(8).standard_normal(14)
    found = block_t.interval(means * 50, np.full(14, 50.0), alpha=0.05)
    low, high = stats.t.interval(0.95, 13, loc=means.mean(), scale=stats.sem(means))
    assert (found.mean, found.low, found.high) == pytest.approx((means.mean(), low, high))
    assert found.blocks == 14


def test_the_design_effect_is_one_for_independent_calls_and_large_for_days_that_move_together() -> None:
    rng = np.random.default_rng(9)
    calls = rng.standard_normal((400, 100))
    counts = np.full(400, 100.0)
    alone = block_t.interval(calls.sum(axis=1), counts, alpha=0.05, call_variance=1.0).design_effect
    together = calls + rng.standard_normal((400, 1))
    shared = block_t.interval(together.sum(axis=1), counts, alpha=0.05, call_variance=2.0).design_effect
    assert alone == pytest.approx(1, abs=0.25)
    assert shared == pytest.approx(50, rel=0.25)


def test_two_days_cannot_give_an_interval() -> None:
    with pytest.raises(SpecError, match="2 blocks"):
        block_t.interval(np.ones(2), np.ones(2), alpha=0.05)


def test_lag_one_tells_days_that_follow_from_days_that_alternate() -> None:
    assert block_t.lag1(np.arange(50.0)) > 0.9
    assert block_t.lag1(np.resize([1.0, -1.0], 50)) < -0.9
    assert block_t.lag1(np.full(5, 3.0)) == 0


def test_total_variation_goes_from_alike_to_disjoint() -> None:
    assert distance.total_variation(np.array([1, 3]), np.array([10, 30])) == pytest.approx(0)
    assert distance.total_variation(np.array([5, 0]), np.array([0, 7])) == pytest.approx(1)
    assert distance.total_variation(np.array([1, 1]), np.array([3, 1])) == pytest.approx(0.25)


def test_profiles_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(SpecError, match="2 and 3 cells"):
        distance.total_variation(np.ones(2, dtype=int), np.ones(3, dtype=int))
    with pytest.raises(SpecError, match="without rows"):
        distance.total_variation(np.ones(2, dtype=int), np.zeros(2, dtype=int))
