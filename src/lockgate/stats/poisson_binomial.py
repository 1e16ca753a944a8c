"""Sums of independent outcomes of unlike chances: how many rows of a window will be right, by luck alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lockgate.stats.multiplicity import checked_alpha

Floats = NDArray[np.float64]
MOST_EXACT = 1_000
"""Rows: up to here the sum's distribution is reckoned whole; the work grows with their square."""


def interval(chance: Floats, *, alpha: float) -> tuple[float, float]:
    """Both ends of the count at 1 - alpha together. chance: shape (n,), in [0, 1]; no rows: (0, 0).

    Exact up to MOST_EXACT rows, beyond by the normal approximation with its skewness (Volkova 1996), whose ends are off by
    less than a row there. Source: Hong (2013).
    """
    checked_alpha(alpha)
    if not chance.size:
        return 0.0, 0.0
    if chance.size <= MOST_EXACT:
        # A hair's breadth for the rounding of a transform: levels are reached where they are.
        below = np.cumsum(law(chance)) + 1e-12
        return float(np.searchsorted(below, alpha / 2)), float(np.searchsorted(below, 1 - alpha / 2))
    return _refined(chance, alpha / 2), _refined(chance, 1 - alpha / 2)


def law(chance: Floats) -> Floats:
    """The chance of each count, shape (n + 1,): the characteristic function at n + 1 frequencies, transformed back.

    scipy's `poisson_binom` says the same of up to 64 rows, and takes no more. Source: Hong (2013), 2.
    """
    turn = np.exp(2j * np.pi * np.arange(chance.size + 1) / (chance.size + 1))
    values = np.ones(chance.size + 1, dtype=np.complex128)
    for one in chance.tolist():
        values *= 1 - one + one * turn
    return np.asarray(np.clip(np.fft.fft(values).real / values.size, 0.0, 1.0), dtype=np.float64)


def _refined(chance: Floats, level: float) -> float:
    """Cornish and Fisher's expansion to the skewness, held within what can be."""
    each = chance * (1 - chance)
    sd = math.sqrt(float(each.sum()))
    mean = float(chance.sum())
    if sd <= 0:
        return mean
    skewness = float((each * (1 - 2 * chance)).sum()) / sd**3
    z = float(ndtri(level))
    return min(max(mean + sd * (z + skewness * (z * z - 1) / 6), 0.0), float(chance.size))


def drawn(chance: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """So many counts, shape (draws,), by the normal law with the skewness, rounded; row by row where they are few."""
    if chance.size * draws <= 1_000_000:
        return np.asarray((rng.random((draws, chance.size)) < chance).sum(axis=1), dtype=np.float64)
    each = chance * (1 - chance)
    sd = math.sqrt(float(each.sum()))
    if sd <= 0:
        return np.full(draws, float(chance.sum()))
    skewness = float((each * (1 - 2 * chance)).sum()) / sd**3
    z = rng.standard_normal(draws)
    counts = np.rint(float(chance.sum()) + sd * (z + skewness * (z * z - 1) / 6))
    return np.asarray(np.clip(counts, 0, chance.size), dtype=np.float64)
