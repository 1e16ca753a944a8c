"""Windows in sequence: has a column's distribution left its reference, since some window that nobody can name?

An e-detector of Shiryaev-Roberts form for each bet of `score_bet`: `M_t = (M_{t-1} + 1) L_t` in logs (Shin, Ramdas, Rinaldo
2022), averaged over bets by their prior and over columns. While every window stays within eps of its reference,
`E[L_t | past] <= 1` and the average less t never rises in the mean: an alarm at `M >= A` comes after A windows or more on
average, whatever moves inside the ball and however columns hang together. A year of W windows at so many false alarms a
year gives A. Evidence of one bet rests at its last start, so the window where it last began anew dates the change.

Pure: states and windows go in, states come out. `lockgate.stats.change` is the same detector for losses and means, record
by record. METHODS 4, 5; tests/calibration/test_drift_rates.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.stats import score_bet
from lockgate.stats.score_bet import Bets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 40.0


class Column(NamedTuple):
    """One column's evidence. log_m: shape (bets,), log M of each; since: the window, counted from 1, in which the evidence
    began that stands now; pooled: shape (cells,), rows of all windows since then.
    """

    log_m: Floats
    since: int
    pooled: Ints


class Onset(NamedTuple):
    """windows: seen so far that had rows; columns: in the order of their bets."""

    windows: int
    columns: tuple[Column, ...]


def windows_to_alarm(*, windows_per_year: float, false_alarms_per_year: float) -> float:
    """A: the windows to a false alarm that the budget asks for. Raises SpecError where either is not positive."""
    if not 0 < windows_per_year < math.inf or not 0 < false_alarms_per_year < math.inf:
        raise SpecError(
            f"{false_alarms_per_year:g} false alarms in {windows_per_year:g} windows a year cannot be kept to.",
            cure="Give both as numbers above 0.",
        )
    if windows_per_year <= false_alarms_per_year:
        raise SpecError(
            f"{false_alarms_per_year:g} false alarms a year are as many as there are windows, {windows_per_year:g}.",
            cure="Allow fewer false alarms, or look at shorter windows.",
        )
    return windows_per_year / false_alarms_per_year


def start(bets: Sequence[Bets]) -> Onset:
    """Before the first window."""
    return Onset(
        0,
        tuple(Column(np.full(len(one.names), -np.inf), 1, np.zeros(one.cells, dtype=np.int64)) for one in bets),
    )


def after(onset: Onset, bets: Sequence[Bets], counts: Sequence[Ints], *, deff: float = 1.0) -> Onset:
    """The state after one more window. counts: each column's rows per cell. A window without rows changes nothing.

    deff: the design effect of rows that come in clusters. Raises SpecError as `score_bet.log_e`, or for other columns.
    """
    if not len(onset.columns) == len(bets) == len(counts):
        raise SpecError(f"{len(counts)} columns of a window were bet on {len(bets)}.")
    if not any(rows.any() for rows in counts):
        return onset
    now = onset.windows + 1
    each = zip(onset.columns, bets, counts, strict=True)
    return Onset(now, tuple(_column(held, one, rows, now, deff) for held, one, rows in each))


def _column(held: Column, bets: Bets, rows: Ints, now: int, deff: float) -> Column:
    log_m = step(held.log_m, score_bet.log_e(bets, rows, deff=deff))
    if log_evidence(bets, held.log_m) <= 0:
        return Column(log_m, now, np.array(rows, dtype=np.int64))
    return Column(log_m, held.since, held.pooled + rows)


def step(log_m: Floats, log_paid: Floats) -> Floats:
    """One window on, log((M + 1) L); shape (..., bets).

    Held under MOST, which no line comes near: what is given up keeps the promise, and a change that is over is soon seen to
    be.
    """
    found: Floats = np.minimum(np.logaddexp(log_m, 0.0) + log_paid, MOST)
    return found


def log_evidence(bets: Bets, log_m: Floats) -> float:
    """Log M of one column: its bets' average."""
    return float(score_bet.log_mean(bets, log_m))


def log_mean(log_m: Floats, weights: Floats) -> float:
    """Log of the columns' weighted average: what the alarm is raised on at `log A`. weights: shape (columns,), sum 1."""
    with np.errstate(divide="ignore"):
        return float(np.logaddexp.reduce(log_m + np.log(weights), initial=-np.inf))
