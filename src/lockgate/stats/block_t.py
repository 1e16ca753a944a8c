"""Student's t over blocks: the interval of the offline gate, where one look is taken at a fixed number of days."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from lockgate.errors import SpecError

Floats = NDArray[np.float64]


class BlockMean(NamedTuple):
    """Mean per call with its interval and standard error. design_effect: variance over what independent calls would give."""

    mean: float
    low: float
    high: float
    se: float
    blocks: int
    design_effect: float | None
    lag1: float


def interval(sums: Floats, counts: Floats, *, alpha: float, call_variance: float | None = None) -> BlockMean:
    """Interval for the mean per call, from per-block sums and counts; both ends together miss with chance `alpha`.

    sums, counts: shape (n,), n >= 3 blocks taken as independent; the ratio estimator weights a block by its calls.
    call_variance: variance of one call's value, for the design effect. Source: Cochran, Sampling Techniques, 6.
    """
    n = sums.size
    if n < 3:
        raise SpecError(
            f"{n} blocks cannot give an interval.", cure="Hold out at least 3 blocks; 14 days is a good start."
        )
    mean = float(sums.sum() / counts.sum())
    residual = (sums - mean * counts) / counts.mean()
    se = math.sqrt(float(residual @ residual) / (n - 1) / n)
    reach = float(stdtrit(n - 1, 1 - alpha / 2)) * se
    naive = None if not call_variance else call_variance / float(counts.sum())
    return BlockMean(mean, mean - reach, mean + reach, se, n, None if not naive else se * se / naive, lag1(residual))


def p_below(found: BlockMean) -> float:
    """One-sided p-value of "the mean is 0 or more": small where it is shown to be below 0."""
    if found.se <= 0:
        return 0.0 if found.mean < 0 else 1.0
    return float(stdtr(found.blocks - 1, found.mean / found.se))


def lag1(values: Floats) -> float:
    """Correlation of neighbouring blocks; 0 where they do not vary."""
    centred = values - values.mean()
    spread = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / spread if spread > 0 else 0.0
