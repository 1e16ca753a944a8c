"""Bets on one named change: that an hour's rows lie as the change would have them, and not as the reference does.

A bet is a score h on cells, the changed share over the reference's with a floor under both. It pays `prod h_j^N_j / C^n` on
counts N, where C is at least the mean of h wherever the hour's shares lie within EPS (total variation) of the true ones of
the reference, which lie below U cell by cell, all at once, with chance 1 - DELTA. So its mean is at most 1 where nothing
has changed, and the chance that it ever reaches 1 / alpha in one look is at most alpha (Markov). METHODS 5 has the same
bets for drift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.stats import tails

Floats = NDArray[np.float64]
EPS, DELTA = 0.02, 0.01
FLOOR = 0.01


def log_scores(counts: ArrayLike, changed: Floats) -> Floats:
    """What a row of each cell pays. counts: the reference's, shape (cells,); changed: shares after the change, shape
    (..., cells). Returns natural logs of h / C, of the same shape.
    """
    before = np.asarray(counts, dtype=np.float64)
    shares = (before + 0.5) / (before + 0.5).sum()
    h = (changed + FLOOR) / (shares + FLOOR)
    upper = tails.highest_each(before, delta=DELTA)
    least, most = h.min(axis=-1, keepdims=True), h.max(axis=-1, keepdims=True)
    mean = np.minimum(most, least + (upper * (h - least)).sum(axis=-1, keepdims=True))
    found: Floats = np.log(h / np.minimum(most, mean + EPS * (most - least)))
    return found


def line(alpha: float, before: float) -> float:
    """What log e must reach: the test's own line, and twice the most that hours without a fault have shown."""
    return max(float(-np.log(alpha)), 2 * before)
