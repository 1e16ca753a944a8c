"""The e-detector's edges: its recursion by hand, batches, refusals, and bets that are fair at the worst risk."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lockgate.errors import SpecError
from lockgate.stats import change


def recursion(log_bets: np.ndarray, headstart: np.ndarray) -> np.ndarray:
    """M_t = (M_{t-1} + 1) L_t for each alternative, averaged, less the headstart: as METHODS 4 writes it."""
    m, found = headstart, []
    for one in np.exp(log_bets).T:
        m = (m + 1) * one
        found.append(m @ change.PRIOR - headstart @ change.PRIOR)
    return np.array(found)


def assert_same_state(one: change.Watch, other: change.Watch) -> None:
    assert one.seen == other.seen
    for mine, its in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_the_path_is_the_recursion_of_the_paper() -> None:
    losses = np.random.default_rng(1).beta(1, 4, 200)
    _, path = change.after_losses(change.start_losses(0.15), losses, worst=0.15)
    odds = change.ODDS[:, None]
    expected = recursion(
        np.log((odds * losses + 1 - losses) / (1 + 0.15 * (odds - 1))), np.exp(change.start_losses(0.15).opened)
    )
    is_over = expected > 0
    np.testing.assert_allclose(np.exp(path[is_over]), expected[is_over], rtol=1e-9)
    assert np.isneginf(path[~is_over]).all()


def test_the_gaussian_path_is_the_recursion_too() -> None:
    x = np.random.default_rng(2).normal(5.2, 2, 150)
    _, path = change.after_values(change.start_mean(), x, mean=5.0, sd=2.0)
    shift = change.SHIFTS[:, None]
    expected = recursion(shift * (x - 5) / 2 - shift**2 / 2, 2 / change.SHIFTS**2)
    is_over = expected > 0
    np.testing.assert_allclose(np.exp(path[is_over]), expected[is_over], rtol=1e-9)


@given(st.integers(0, 1_000), st.lists(st.integers(0, 40), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_split_into_batches_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    losses = np.random.default_rng(seed).random(40)
    whole, path = change.after_losses(change.start_losses(0.4), losses, worst=0.4)
    watch, parts = change.start_losses(0.4), []
    for batch in np.split(losses, sorted(cuts)):
        watch, part = change.after_losses(watch, batch, worst=0.4)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), path)
    assert_same_state(watch, whole)


def test_one_record_at_a_time_gives_the_same_bits_as_a_batch() -> None:
    values = np.random.default_rng(3).standard_normal(2_001)
    whole, path = change.after_values(change.start_mean(), values, mean=0.0, sd=1.0)
    watch, alone = change.start_mean(), []
    for value in values:
        watch, step = change.after_values(watch, [value], mean=0.0, sd=1.0)
        alone.append(step[0])
    np.testing.assert_array_equal(alone, path)
    assert_same_state(watch, whole)


def test_many_streams_at_once_are_each_stream_alone() -> None:
    losses = np.random.default_rng(4).random((3, 2, 57))
    watch, path = change.after_losses(change.start_losses(0.3, streams=(3, 2)), losses, worst=0.3)
    assert path.shape == losses.shape
    assert watch.total.shape == (3, 2, 5)
    for at in np.ndindex(3, 2):
        np.testing.assert_array_equal(path[at], change.after_losses(change.start_losses(0.3), losses[at], worst=0.3)[1])


@pytest.mark.parametrize("worst", [0.001, 0.1, 0.5, 0.97])
def test_each_bet_has_a_mean_of_one_at_the_worst_risk_and_never_loses_all(worst: float) -> None:
    odds_bet, clean_bet = change._loss_bets(worst)
    np.testing.assert_allclose(worst * odds_bet + (1 - worst) * clean_bet, 1)
    assert (clean_bet > 0).all()
    assert (odds_bet > 1).all()


def test_evidence_falls_in_quiet_times_and_a_lasting_rise_raises_the_alarm() -> None:
    rng = np.random.default_rng(5)
    watch, quiet = change.after_losses(change.start_losses(0.1), (rng.random(3_000) < 0.08) * 1.0, worst=0.1)
    _, risen = change.after_losses(watch, (rng.random(1_000) < 0.2) * 1.0, worst=0.1)
    line = math.log(100_000)
    assert (quiet < line).all()
    assert 50 < np.flatnonzero(risen >= line)[0] < 400


def test_ten_million_quiet_records_before_a_rise_do_not_dull_it() -> None:
    """Sums in logs grow without end; they must keep the digits that the newest records need."""
    fresh = change.start_losses(0.1)
    old = change.Watch(10_000_000, fresh.total - 1e6, fresh.opened + 1e6, fresh.headstart)
    ones = np.ones(50)
    np.testing.assert_allclose(
        change.after_losses(old, ones, worst=0.1)[1], change.after_losses(fresh, ones, worst=0.1)[1], rtol=1e-7
    )


def test_an_empty_batch_changes_nothing() -> None:
    watch, path = change.after_losses(change.start_losses(0.1), [], worst=0.1)
    assert path.shape == (0,)
    assert_same_state(watch, change.start_losses(0.1))


def test_the_highest_risk_is_clopper_and_pearsons_bound_and_the_tolerance() -> None:
    bound = stats.binomtest(2_000, 20_000).proportion_ci(0.9, method="exact").high
    assert change.highest_risk(20_000, 2_000, delta=0.05) == pytest.approx(bound)
    assert change.highest_risk(20_000, 2_000, delta=0.05, tolerance=0.01) == pytest.approx(bound + 0.01)
    assert change.highest_risk(300, 0, delta=0.05) == pytest.approx(1 - 0.05 ** (1 / 300))


def test_the_highest_risk_is_under_the_truth_as_seldom_as_it_says() -> None:
    """Added up over every count that 500 rows at a rate of .1 can give: no chance in this one."""
    counts = np.arange(500)
    chance = stats.binom(500, 0.1).pmf(counts)
    is_under = np.array([change.highest_risk(500, int(count), delta=0.05) < 0.1 for count in counts])
    assert 0.03 < chance[is_under].sum() <= 0.05


@pytest.mark.parametrize("loss", [math.nan, -0.01, 1.01, math.inf])
def test_a_loss_out_of_range_is_refused_with_its_value(loss: float) -> None:
    with pytest.raises(SpecError, match=f"loss of {loss}"):
        change.after_losses(change.start_losses(0.1), [0.5, loss], worst=0.1)


def test_a_value_or_a_baseline_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError, match="value of nan"):
        change.after_values(change.start_mean(), [math.nan], mean=0, sd=1)
    for mean, sd in ((math.nan, 1.0), (0.0, 0.0), (0.0, math.nan), (0.0, math.inf)):
        with pytest.raises(SpecError, match="no baseline"):
            change.after_values(change.start_mean(), [0.0], mean=mean, sd=sd)


@pytest.mark.parametrize("worst", [0.0, 1.0, math.nan, -0.2])
def test_a_risk_that_is_none_is_refused(worst: float) -> None:
    with pytest.raises(SpecError, match="held to"):
        change.start_losses(worst)


def test_a_reference_that_says_nothing_is_refused() -> None:
    for rows, bad in ((0, 0), (5, 6), (5, -1)):
        with pytest.raises(SpecError, match="cannot be a reference"):
            change.highest_risk(rows, bad, delta=0.05)
    with pytest.raises(SpecError, match="no rate to rise to"):
        change.highest_risk(10, 10, delta=0.05)
    with pytest.raises(SpecError, match="no rate to rise to"):
        change.highest_risk(100, 50, delta=0.05, tolerance=0.5)
    with pytest.raises(SpecError, match="not both rates"):
        change.highest_risk(100, 50, delta=0.0)
