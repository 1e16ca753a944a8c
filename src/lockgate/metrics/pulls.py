"""How far each row pulls a summary metric: its derivative in the row's weight, times the number of rows.

The pulls of a metric sum to nought, and the sum of their squares over n^2 is its variance: the infinitesimal jackknife.
So an interval costs one pass, however many rows, also by blocks (the pulls of a block add up) and for the difference of
two versions (the pulls subtract). Of ROC-AUC this is DeLong's variance, but for n against n - 1.
Assumes rows enough for the metric to be near to straight in their weights; tests/calibration/test_scores.py counts how
often the intervals miss. Source: Jaeckel (1972); Efron, Tibshirani (1993), 21.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def of_mean(values: Floats) -> Floats:
    found: Floats = values - values.mean()
    return found


def of_ratio(top: Floats, bottom: Floats) -> Floats:
    """Of sum(top) / sum(bottom); nought where the divisor is."""
    mean = float(bottom.mean())
    if mean == 0:
        return np.zeros(top.size)
    found: Floats = (top - float(top.mean()) / mean * bottom) / mean
    return found


def of_auc(score: Floats, is_one: Bools) -> Floats:
    """Of the chance that a 1 is ranked above a 0, ties half."""
    ones, noughts = int(is_one.sum()), int((~is_one).sum())
    every, own_ones, own_noughts = _midranks(score), _midranks(score[is_one]), _midranks(score[~is_one])
    above = (every[is_one] - own_ones) / noughts
    below = 1.0 - (every[~is_one] - own_noughts) / ones
    auc = float(above.mean())
    found = np.empty(score.size)
    found[is_one] = (above - auc) * score.size / ones
    found[~is_one] = (below - auc) * score.size / noughts
    return found


def of_average_precision(score: Floats, is_one: Bools) -> Floats:
    """Of the mean, over the 1s, of the precision at each one's score. A row pulls by its own precision, and by what it
    adds to the precision of every cut at or under its score.
    """
    order = np.argsort(-score, kind="stable")
    hit = is_one[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    group = np.searchsorted(ends, np.arange(score.size))
    hits, rows = np.cumsum(hit)[ends], ends + 1.0
    precision = hits / rows
    ones_in = np.diff(hits, prepend=0.0)
    # Sums over the cuts at or under a row's own: from the last group backwards.
    gain = np.cumsum((ones_in / rows)[::-1])[::-1]
    drag = np.cumsum((ones_in * hits / rows**2)[::-1])[::-1]
    ones = float(hit.sum())
    mean = float((ones_in * precision).sum()) / ones
    pulled = (hit * (precision[group] + gain[group] - mean) - drag[group]) * score.size / ones
    found = np.empty(score.size)
    found[order] = pulled
    return found


def _midranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
