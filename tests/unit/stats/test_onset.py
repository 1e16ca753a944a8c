"""The e-detector over windows: its recursion by hand, its dates, its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.stats import onset, score_bet

BETS = [
    score_bet.ordered((1_000,) * 20, delta=0.0025),
    score_bet.unordered((9_000, 8_000, 3_000), delta=0.0025),
]


def windows(count: int, *, mean: float = 0.0, seed: int = 0) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    shares = score_bet.moved(np.full(20, 0.05), mean=mean)
    return [[rng.multinomial(1_000, shares), rng.multinomial(1_000, [0.45, 0.4, 0.15])] for _ in range(count)]


def seen(found: list[list[np.ndarray]], *, deff: float = 1.0) -> onset.Onset:
    state = onset.start(BETS)
    for one in found:
        state = onset.after(state, BETS, one, deff=deff)
    return state


def test_evidence_is_the_recursion_of_the_paper() -> None:
    found = windows(6, mean=0.1)
    m = np.zeros(len(BETS[0].names))
    for one in found:
        m = (m + 1) * np.exp(score_bet.log_e(BETS[0], one[0]))
    np.testing.assert_allclose(np.exp(seen(found).columns[0].log_m), m, rtol=1e-9)


def test_a_change_is_dated_by_the_window_in_which_it_began() -> None:
    state = seen(windows(40) + windows(6, mean=0.4, seed=1))
    moved, still = state.columns
    assert onset.log_evidence(BETS[0], moved.log_m) > math.log(20_000)
    assert moved.since == 41
    assert moved.pooled.sum() == 6_000
    assert onset.log_evidence(BETS[1], still.log_m) < math.log(100)


def test_a_window_without_rows_changes_nothing() -> None:
    state = seen(windows(5))
    nothing = [np.zeros(20, dtype=np.int64), np.zeros(3, dtype=np.int64)]
    assert onset.after(state, BETS, nothing) is state


def test_evidence_of_a_change_that_is_over_is_gone_within_thirty_windows() -> None:
    state = seen(windows(30, mean=1.0))
    assert state.columns[0].log_m.max() == onset.MOST
    for one in windows(30, seed=2):
        state = onset.after(state, BETS, one)
    assert onset.log_evidence(BETS[0], state.columns[0].log_m) < 0


def test_columns_are_averaged_by_their_weights() -> None:
    log_m = np.array([math.log(8.0), -np.inf])
    assert onset.log_mean(log_m, np.array([0.25, 0.75])) == pytest.approx(math.log(2))
    assert onset.log_mean(log_m, np.array([0.0, 1.0])) == -math.inf


def test_a_budget_of_false_alarms_gives_the_line() -> None:
    assert onset.windows_to_alarm(windows_per_year=8_760, false_alarms_per_year=4) == 2_190
    with pytest.raises(SpecError, match="cannot be kept to"):
        onset.windows_to_alarm(windows_per_year=8_760, false_alarms_per_year=0)
    with pytest.raises(SpecError, match="as many as there are windows"):
        onset.windows_to_alarm(windows_per_year=4, false_alarms_per_year=4)


def test_windows_of_other_columns_are_refused() -> None:
    with pytest.raises(SpecError, match="1 columns of a window were bet on 2"):
        onset.after(onset.start(BETS), BETS, [np.zeros(20, dtype=np.int64)])
