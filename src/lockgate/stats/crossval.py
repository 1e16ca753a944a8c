"""The corrected t test over the folds of a repeated cross-validation.

Folds share most of their training rows, and repeats share all rows, so their differences are no sample of independent
ones: the plain t calls equal learners different more than half of the time (tests/calibration/test_offline_intervals.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from lockgate.errors import SpecError
from lockgate.stats.multiplicity import checked_alpha

Floats = NDArray[np.float64]


class FoldMean(NamedTuple):
    """Mean difference over folds with its corrected standard error, two-sided p and interval; `folds` - 1 degrees."""

    mean: float
    se: float
    t: float
    p: float
    low: float
    high: float
    folds: int


def corrected_t(differences: Floats, *, n_train: int, n_test: int, alpha: float) -> FoldMean:
    """Mean difference of two learners over J folds, its variance `(1/J + n_test/n_train) s^2` in place of `s^2 / J`.

    differences: shape (J,), one per fold and repeat, J >= 2, in the metric's own units; n_train, n_test: rows of one fold,
    nearly the same in all. Both ends of the interval together miss with chance `alpha`. Assumes that two folds' differences
    have the correlation n_test / (n_train + n_test): a rule of thumb, no bound, for no unbiased estimate of that variance
    exists (Bengio, Grandvalet 2004). It speaks of learners trained on n_train rows, not of one version.
    Raises SpecError for fewer than 2 folds, a difference that is not finite, a size under 1, or folds that all differ alike.
    Source: Nadeau, Bengio (2003), section 5; Bouckaert, Frank (2004) for repeats.
    """
    d = _checked(differences, n_train, n_test)
    checked_alpha(alpha)
    mean, s = float(d.mean()), float(d.std(ddof=1))
    if s <= 1e-12 * abs(mean):
        return _alike(mean, d.size)
    se = s * math.sqrt(1 / d.size + n_test / n_train)
    t = mean / se
    reach = float(stdtrit(d.size - 1, 1 - alpha / 2)) * se
    p = 2 * float(stdtr(d.size - 1, -abs(t)))
    return FoldMean(mean, se, t, p, mean - reach, mean + reach, d.size)


def _checked(differences: Floats, n_train: int, n_test: int) -> Floats:
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or d.size < 2:
        raise SpecError(f"Differences of shape {d.shape} are not two folds.", cure="Give one per fold, ten at best.")
    if not np.isfinite(d).all():
        raise SpecError(f"The difference of fold {int(np.flatnonzero(~np.isfinite(d))[0])} is not finite.")
    if n_train < 1 or n_test < 1:
        raise SpecError(
            f"A fold of {n_train} rows to train and {n_test} to test is none.",
            cure="Give the rows of one fold's halves.",
        )
    return d


def _alike(mean: float, folds: int) -> FoldMean:
    """Two learners that say the same differ by nought in each fold; by anything else they cannot all differ alike."""
    if mean == 0:
        return FoldMean(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, folds)
    raise SpecError(
        f"All {folds} folds differ by {mean:g} exactly, so nothing says how far that may be off.",
        cure="Give each fold's own difference; the same split counted many times is one fold.",
    )
