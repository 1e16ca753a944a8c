"""Scores for latency, cost, or any value where larger is worse: ranks in the champion's running distribution.

The distribution is kept as exact counts over fixed cells, a sixteenth of a doubling wide, so it merges over workers and
its size never grows. `u` = rank, `z` = Phi^-1(u), and the scores are `exp(theta z - theta^2 / 2)` for a grid of theta (a
shift of the whole distribution, of a normal one the likelihood ratio) and steps at the .9 and .99 ranks (a heavier tail).
A score that does not fall with the value and was fixed before the call is all that label betting asks. METHODS 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

EDGES: Floats = np.exp2(np.arange(-10 * 16, 24 * 16 + 1) / 16)
CELLS = EDGES.size + 1
FEWEST = 32
GROWTH = 8

_THETA = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
_STEPS = ((0.9, 3.0), (0.99, 10.0))
PRIOR = np.array([0.1, 0.15, 0.2, 0.2, 0.1, 0.05, 0.1, 0.1])


def cells(values: Floats) -> Counts:
    """The cell of each value; values at or under 2^-10 share the first, values over 2^24 the last."""
    return np.searchsorted(EDGES, values, side="left")


def refresh_at(seen: int) -> int:
    """How many of the champion's values must have been seen before the scores are next made anew.

    A rule in counts alone: the same records give the same scores however they are batched.
    """
    return FEWEST if seen < FEWEST else seen + max(1, seen // GROWTH)


def scores(counts: Counts) -> Floats:
    """The score of each cell under each bet, shape (8, CELLS), from the champion's counts; rising from cell to cell."""
    total = int(counts.sum())
    rank = (np.cumsum(counts) - counts / 2 + 0.5) / (total + 1)
    z = ndtri(np.clip(rank, 0.5 / (total + 1), 1 - 0.5 / (total + 1)))
    shifts = np.exp(_THETA[:, None] * z - _THETA[:, None] ** 2 / 2)
    steps = [np.where(rank > at, high, (1 - high * (1 - at)) / at) for at, high in _STEPS]
    found: Floats = np.vstack([shifts, *steps])
    return found


def quantile(counts: Counts, q: float) -> float:
    """The q-quantile, to within a cell (4 %); NaN without values."""
    total = int(counts.sum())
    if not total:
        return float("nan")
    cell = int(np.searchsorted(np.cumsum(counts), q * total))
    return float(EDGES[min(cell, EDGES.size - 1)])
