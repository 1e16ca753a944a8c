"""Score bets: fair everywhere in the ball, right where they should win, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import SpecError
from lockgate.stats import score_bet

EVEN = (1_000,) * 20
DELTA = 0.05 / 20


def largest_mean(bets: score_bet.Bets, shares: np.ndarray, eps: float) -> float:
    """The largest mean of any bet, for one row, over all distributions within eps of these shares: eps of the mass goes from
    the cells that pay least to the one that pays most.
    """
    worst = 0.0
    for paid in np.exp(bets.log_factor):
        order = np.argsort(paid)
        taken = np.diff(np.minimum(np.cumsum(shares[order]), eps), prepend=0.0)
        moved = shares.copy()
        moved[order] -= taken
        moved[order[-1]] += eps
        worst = max(worst, float(paid @ moved))
    return worst


@pytest.mark.parametrize(
    "bets",
    [
        score_bet.ordered(EVEN, delta=DELTA),
        score_bet.ordered((*EVEN, 300, 0), beside=2, delta=DELTA),
        score_bet.ordered((9_000, 4_000, 2_000, 500, 3), is_tied=True, delta=DELTA),
        score_bet.unordered((9_000, 4_000, 20, 0), delta=DELTA),
        score_bet.quadrants(3_000, 7_000, delta=DELTA),
    ],
    ids=["even", "with cells beside", "tied", "category", "pair"],
)
def test_every_bet_is_fair_on_the_whole_ball_around_the_reference_as_it_was_counted(bets: score_bet.Bets) -> None:
    counts = {
        20: EVEN,
        22: (*EVEN, 300, 0),
        5: (9_000, 4_000, 2_000, 500, 3),
        4: (9_000, 4_000, 20, 0),
        2: (3_000, 7_000),
    }[bets.cells]
    shares = np.array(counts) / sum(counts)
    assert bets.names
    assert 0.9 < largest_mean(bets, shares, score_bet.EPS) <= 1


def test_no_bet_is_unfair_under_a_reference_drawn_by_lot_more_often_than_delta() -> None:
    """200 references at delta .05: some 10 may mislead; over 22 has a chance of .0002."""
    rng = np.random.default_rng(1)
    p0 = np.array([0.5, 0.3, 0.15, 0.045, 0.005])
    misled = 0
    for counts in rng.multinomial(5_000, p0, size=200):
        ordered = score_bet.ordered(counts.tolist(), is_tied=True, delta=0.05)
        misled += largest_mean(ordered, p0, score_bet.EPS) > 1
    assert misled <= 22


def test_no_bet_on_quantile_cells_is_unfair_more_often_than_delta() -> None:
    rng = np.random.default_rng(2)
    bets = score_bet.ordered(EVEN, delta=0.05)
    misled = sum(largest_mean(bets, p0, score_bet.EPS) > 1 for p0 in rng.dirichlet((*EVEN[:-1], 1_001), 200))
    assert misled <= 22


@given(st.integers(0, 500), st.lists(st.integers(0, 5_000), min_size=2, max_size=25).filter(lambda c: sum(c) > 0))
@settings(max_examples=20, deadline=None)
def test_whatever_the_counts_bets_are_finite_and_fair(beside: int, counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    for bets in (
        score_bet.ordered(counts, beside=beside % len(counts), delta=0.01),
        score_bet.unordered(counts, delta=0.01),
    ):
        assert np.isfinite(bets.log_factor).all()
        assert np.isfinite(bets.log_prior).all()
        assert not bets.names or math.isclose(float(np.exp(bets.log_prior).sum()), 1.0)
        assert largest_mean(bets, shares, score_bet.EPS) <= 1 + 1e-9


def test_the_ends_of_a_clipped_ratio_take_the_slack_away_on_both_sides() -> None:
    before = np.full(20, 0.05)
    after = score_bet.moved(before, mean=0.5)
    h = np.exp(score_bet._clipped(after, before, 0.03))
    assert np.maximum(after / h.max() - before, 0).sum() == pytest.approx(0.03)
    assert np.maximum(before - after / h.min(), 0).sum() == pytest.approx(0.03)


def test_a_move_smaller_than_the_slack_leaves_no_bet() -> None:
    before = np.full(20, 0.05)
    assert np.ptp(score_bet._clipped(score_bet.moved(before, mean=0.02), before, 0.03)) == 0


def test_the_bet_that_says_what_happened_gains_most() -> None:
    bets = score_bet.ordered(EVEN, delta=DELTA)
    shares = np.full(20, 0.05)
    for change, name in (({"mean": 0.5}, "its mean +0.5 sd"), ({"spread": 1.5}, "its spread x 1.5")):
        paid = score_bet.log_e(bets, 10_000 * score_bet.moved(shares, **change))
        assert bets.names[int(paid.argmax())] == name
        assert paid.max() > 100


def test_a_million_rows_of_the_reference_itself_are_evidence_of_nothing() -> None:
    bets = score_bet.ordered(EVEN, delta=DELTA)
    assert score_bet.log_e(bets, [50_000] * 20).max() < -1_000


def test_rows_that_lost_their_value_are_found_though_the_others_stay() -> None:
    bets = score_bet.ordered((*EVEN, 0), beside=1, delta=DELTA)
    window = np.append(np.full(20, 45.0), 100.0)
    assert float(score_bet.log_mean(bets, score_bet.log_e(bets, window))) > 20


def test_clusters_temper_the_evidence() -> None:
    bets = score_bet.unordered((500, 500), delta=DELTA)
    whole = score_bet.log_e(bets, (900, 100))
    np.testing.assert_allclose(score_bet.log_e(bets, (900, 100), deff=5), whole / 5)


def test_many_windows_at_once_are_those_one_by_one() -> None:
    bets = score_bet.ordered(EVEN, delta=DELTA)
    windows = np.random.default_rng(3).multinomial(1_000, [0.05] * 20, size=(4, 3))
    at_once = score_bet.log_e(bets, windows)
    assert at_once.shape == (4, 3, len(bets.names))
    np.testing.assert_allclose(at_once[2, 1], score_bet.log_e(bets, windows[2, 1]), rtol=1e-12)


def test_a_small_drift_is_foretold_to_stay_invisible() -> None:
    shares = np.full(20, 0.05)
    bets = score_bet.ordered(EVEN, delta=DELTA)
    assert score_bet.windows_to_see(bets, shares, rows=10**9, log_line=10.0) == math.inf
    small = score_bet.moved(shares, mean=0.02)
    assert score_bet.windows_to_see(bets, small, rows=10**9, log_line=10.0) == math.inf
    large = score_bet.moved(shares, mean=0.5)
    soon = score_bet.windows_to_see(bets, large, rows=1_000, log_line=10.0)
    assert 0 < soon < 1
    assert score_bet.windows_to_see(bets, large, rows=100, log_line=10.0) == pytest.approx(10 * soon)


def test_a_column_of_one_cell_has_no_bets_and_says_nothing() -> None:
    bets = score_bet.ordered((500,), delta=DELTA)
    assert bets.names == ()
    assert float(score_bet.log_mean(bets, score_bet.log_e(bets, (90,)))) == 0


def test_what_cannot_be_bet_on_is_refused_by_name() -> None:
    bets = score_bet.unordered((500, 500), delta=DELTA)
    with pytest.raises(SpecError, match="Counts of 3 cells were bet on 2"):
        score_bet.log_e(bets, (1, 2, 3))
    with pytest.raises(SpecError, match="negative number of rows"):
        score_bet.log_e(bets, (1, -2))
    with pytest.raises(SpecError, match=r"design effect of 0\.5"):
        score_bet.log_e(bets, (1, 2), deff=0.5)
    with pytest.raises(SpecError, match="A reference of 0 rows"):
        score_bet.unordered((0, 0), delta=DELTA)
    with pytest.raises(SpecError, match=r"eps of 0\.02 and a delta of 0"):
        score_bet.unordered((5, 5), delta=0)
    with pytest.raises(SpecError, match="3 of 3 cells cannot stand beside"):
        score_bet.ordered((5, 5, 5), beside=3, delta=DELTA)
