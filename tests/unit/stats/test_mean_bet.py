"""Confidence sequences' edges: bets by hand, ends that never say more than the bets do, batches, refusals, size."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import SpecError
from lockgate.stats import mean_bet
from lockgate.stats.mean_bet import after, after_randomised, interval, log_e_paths, log_e_paths_randomised, start

ALPHA = 0.05
LINE = math.log(2 / ALPHA)


def routed(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, canary and share of calls on a ladder of two steps."""
    share = np.repeat([0.1, 0.5], n // 2)
    canary = (rng.random(n) < share).astype(np.int64)
    return (rng.random(n) < 0.2 + 0.1 * canary) * 1.0, canary, share


def test_the_bets_are_the_mixture_by_hand() -> None:
    values, m = np.array([2.0, 3.5, 3.0, 2.2]), 2.6
    above, below = log_e_paths(values, mean=m, low=2.0, high=4.0)
    for t in range(1, 5):
        x = values[:t]
        up = np.mean([np.prod(1 + c * (x - m) / (m - 2)) for c in mean_bet.STAKES])
        down = np.mean([np.prod(1 - c * (x - m) / (4 - m)) for c in mean_bet.STAKES])
        assert np.exp([above[t - 1], below[t - 1]]) == pytest.approx([up, down])


@pytest.mark.parametrize("mean", [0.01, 0.3, 0.99])
def test_the_bets_have_a_mean_of_one_at_the_mean(mean: float) -> None:
    for side in (0, 1):
        one, nought = (math.exp(log_e_paths([x], mean=mean, low=0, high=1)[side][0]) for x in (1.0, 0.0))
        assert mean * one + (1 - mean) * nought == pytest.approx(1)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.05, 0.4), (0.9, 0.6)])
def test_the_bets_on_a_difference_have_a_mean_of_one_at_the_difference(
    share: float, rates: tuple[float, float]
) -> None:
    """After three calls that moved the centre, over every arm and value of the fourth."""
    past, arms = [1.0, 0.0, 1.0], [0, 1, 0]
    for side in (0, 1):
        mean = 0.0
        before = log_e_paths_randomised(past, canary=arms, share=share, difference=rates[1] - rates[0], low=0, high=1)[
            side
        ][-1]
        for arm, value in ((0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0)):
            chance = (share if arm else 1 - share) * (rates[arm] if value else 1 - rates[arm])
            path = log_e_paths_randomised(
                [*past, value], canary=[*arms, arm], share=share, difference=rates[1] - rates[0], low=0, high=1
            )[side]
            mean += chance * math.exp(path[-1] - before)
        assert mean == pytest.approx(1)


@given(st.integers(0, 10_000), st.floats(0.02, 0.98), st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_what_an_interval_leaves_out_the_bets_have_driven_out(seed: int, rate: float, n: int) -> None:
    """Ends lie on straight lines between 127 candidates; they may only be wider than the bets at that very mean say."""
    rng = np.random.default_rng(seed)
    values = -1 + 4 * rng.beta(5 * rate, 5 * (1 - rate), n)
    low, high = interval(after(start(-1, 3), values), alpha=ALPHA)
    span = 4 * 1e-9
    if low > -1:
        assert log_e_paths(values, mean=low - span, low=-1, high=3)[0][-1] >= LINE
    if high < 3:
        assert log_e_paths(values, mean=high + span, low=-1, high=3)[1][-1] >= LINE


@pytest.mark.parametrize("seed", range(5))
def test_what_an_interval_of_differences_leaves_out_the_bets_have_driven_out(seed: int) -> None:
    values, canary, share = routed(np.random.default_rng(seed), 1_000)
    state = after_randomised(start(0, 1, of="difference"), values, canary=canary, share=share)
    low, high = interval(state, alpha=ALPHA)
    for end, side in ((low - 1e-9, 0), (high + 1e-9, 1)):
        assert -1 < end < 1
        paths = log_e_paths_randomised(values, canary=canary, share=share, difference=end, low=0, high=1)
        assert LINE <= paths[side][-1] <= LINE + 0.1


@pytest.mark.parametrize(("rate", "n"), [(0.5, 2_000), (0.1, 2_000), (0.01, 5_000)])
def test_little_is_lost_between_the_candidates(rate: float, n: int) -> None:
    """At each end the bets themselves stand at most a fifth of a nat over the line."""
    values = (np.random.default_rng(6).random(n) < rate) * 1.0
    low, high = interval(after(start(0, 1), values), alpha=ALPHA)
    assert log_e_paths(values, mean=low, low=0, high=1)[0][-1] <= LINE + 0.2
    assert log_e_paths(values, mean=high, low=0, high=1)[1][-1] <= LINE + 0.2


@pytest.mark.parametrize("cuts", [range(1, 150), [3, 3, 70], [64, 128], [149]])
def test_any_split_into_batches_gives_the_same_bits(cuts: list[int]) -> None:
    rng = np.random.default_rng(7)
    values, canary, share = routed(rng, 150)
    whole = after(start(0, 1), values)
    gap = after_randomised(start(0, 1, of="difference"), values, canary=canary, share=share)
    one, other = start(0, 1), start(0, 1, of="difference")
    for x, arm, w in zip(*(np.split(part, list(cuts)) for part in (values, canary, share)), strict=True):
        one, other = after(one, x), after_randomised(other, x, canary=arm, share=w)
    for mine, its in zip((*one, *other), (*whole, *gap), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_the_range_moves_with_the_unit() -> None:
    x = np.random.default_rng(8).random(500)
    low, high = interval(after(start(0, 1), x), alpha=ALPHA)
    assert interval(after(start(10, 60), 10 + 50 * x), alpha=ALPHA) == pytest.approx((10 + 50 * low, 10 + 50 * high))


def test_values_turned_round_turn_the_interval_round() -> None:
    x = np.random.default_rng(9).beta(1, 6, 400)
    low, high = interval(after(start(0, 1), x), alpha=ALPHA)
    assert interval(after(start(0, 1), 1 - x), alpha=ALPHA) == pytest.approx((1 - high, 1 - low))


def test_arms_swapped_turn_the_difference_round() -> None:
    values, canary, share = routed(np.random.default_rng(10), 600)
    there = after_randomised(start(0, 1, of="difference"), values, canary=canary, share=share)
    back = after_randomised(start(0, 1, of="difference"), values, canary=1 - canary, share=1 - share)
    low, high = interval(there, alpha=ALPHA)
    assert interval(back, alpha=ALPHA) == pytest.approx((-high, -low))


def test_before_the_first_value_everything_is_possible() -> None:
    assert interval(start(-2, 5), alpha=ALPHA) == (-2, 5)
    assert interval(start(0, 10, of="difference"), alpha=ALPHA) == (-10, 10)
    assert interval(after(start(0, 1), []), alpha=ALPHA) == (0, 1)


def test_clean_calls_alone_bring_the_upper_end_down_to_about_their_own_bound() -> None:
    """ln(2/alpha)/n is the exact bound of one look; being right at any time costs half as much again, or a little more."""
    low, high = interval(after(start(0, 1), np.zeros(10_000)), alpha=ALPHA)
    assert low == 0
    assert LINE / 10_000 < high <= 1.8 * LINE / 10_000


def test_more_alpha_is_a_narrower_interval() -> None:
    state = after(start(0, 1), np.random.default_rng(11).random(300))
    lows, highs = zip(*(interval(state, alpha=alpha) for alpha in (0.001, 0.01, 0.1, 0.5)), strict=True)
    assert list(lows) == sorted(lows)
    assert list(highs) == sorted(highs, reverse=True)


def test_a_mean_that_moved_may_leave_nothing() -> None:
    """Half noughts, then half ones: the low end passes the high end, which is news and no error."""
    low, high = interval(after(start(0, 1), np.repeat([0.0, 1.0], 2_000)), alpha=ALPHA)
    assert np.isfinite([low, high]).all()


def test_paired_differences_are_means_over_twice_the_range() -> None:
    rng = np.random.default_rng(12)
    loss = rng.random(4_000)
    better = np.clip(loss - 0.05 + 0.05 * rng.standard_normal(4_000), 0, 1)
    low, high = interval(after(start(-1, 1), better - loss), alpha=ALPHA)
    assert low < float((better - loss).mean()) < high < -0.03


def test_the_state_is_under_20_kb_whatever_it_has_seen() -> None:
    state = after(start(0, 1), np.random.default_rng(13).random(5_000))
    assert len(pickle.dumps(state)) < 20_000


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1, math.inf])
def test_a_value_out_of_range_is_refused_with_its_value(value: float) -> None:
    with pytest.raises(SpecError, match=f"value of {value}"):
        after(start(0, 1), [0.5, value])
    with pytest.raises(SpecError, match=f"value of {value}"):
        after_randomised(start(0, 1, of="difference"), [value], canary=[1], share=0.5)
    with pytest.raises(SpecError, match=f"value of {value}"):
        log_e_paths([value], mean=0.5, low=0, high=1)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (math.nan, 1), (0, math.inf)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(SpecError, match="cannot range"):
        start(low, high)


def test_bettors_on_means_and_on_differences_are_not_mixed_up() -> None:
    with pytest.raises(SpecError, match="on a difference, not on a mean"):
        after(start(0, 1, of="difference"), [0.5])
    with pytest.raises(SpecError, match="on a mean, not on a difference"):
        after_randomised(start(0, 1), [0.5], canary=[1], share=0.5)
    with pytest.raises(SpecError, match="no kind of bettors 'ratio'"):
        start(0, 1, of="ratio")  # type: ignore[arg-type]


@pytest.mark.parametrize(("arm", "share"), [(2, 0.5), (0.5, 0.5), (1, 0.0), (1, 1.0), (1, math.nan)])
def test_a_call_that_was_not_routed_by_lot_is_refused(arm: float, share: float) -> None:
    with pytest.raises(SpecError, match="not routed by lot"):
        after_randomised(start(0, 1, of="difference"), [0.5], canary=[arm], share=share)


def test_a_margin_or_an_alpha_that_cannot_be_is_refused() -> None:
    for mean in (0.0, 1.0, math.nan, 2.0):
        with pytest.raises(SpecError, match="not inside"):
            log_e_paths([0.5], mean=mean, low=0, high=1)
    for difference in (1.0, -1.0, math.nan):
        with pytest.raises(SpecError, match="cannot differ"):
            log_e_paths_randomised([0.5], canary=[1], share=0.5, difference=difference, low=0, high=1)
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(SpecError, match="alpha"):
            interval(start(0, 1), alpha=alpha)
