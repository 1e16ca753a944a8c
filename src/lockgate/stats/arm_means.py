"""The difference of two arms' means over randomised units, with an interval that holds at every look.

A unit counts once, with one value. `Sums` of disjoint units add up, so evidence is a pure function of sums: whoever looks,
however often, at whatever moment, sees the same. Arms are compared within a stratum, the units that came under one set of
shares, and the strata's differences are averaged: a share that moves while the days differ confounds nothing.

The e-value is the right-Haar mixture for linear models (Lindon, Ham, Tingley, Bojinov 2022): an effect drawn from a normal
whose spread is `PRIOR` times the values' variance, the scale integrated out. With a covariate it is the linear adjustment,
one slope for both arms (Deng et al. 2013; Lin 2013). It is exact for normal values of one variance; for values of any other
shape it leans on the central limit theorem, as every asymptotic confidence sequence does (Waudby-Smith et al. 2021), and is
calibrated: tests/calibration/test_arm_means_rates.py measures it on a shop. Two things keep early looks honest, where the
limit is far: the prior is narrow, so that a few hundred units decide nothing, and the variance is the larger of the arms'
own and the pooled one, so that an arm in which nothing has happened yet is not taken for one in which nothing can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.stats.summary import PairSummary

Floats = NDArray[np.float64]

# The prior's variance over the values' own: an effect of some 3 % of a standard deviation, which is what a tenth more
# conversions is at a rate of 10 %. The sample that is needed hardly depends on it.
PRIOR = 1e-3
_DOUBLINGS = 40
_ROUNDING = 1e-9  # values that differ by less of their size do not differ: their spread is that of the last digit


class Sums(NamedTuple):
    """By stratum, the last axis: units, the means of value and covariate, their squared deviations and products."""

    n: Floats
    mean: Floats
    m2: Floats
    mean_x: Floats
    m2_x: Floats
    cross: Floats


class Contrast(NamedTuple):
    """Challenger less champion. variance: of the estimate; size: the effective number of units, 1 / (1/n0 + 1/n1) over the
    strata; degrees: of freedom. nan, inf, 0 and 0 where nothing can be said yet. Shapes (...).
    """

    estimate: Floats
    variance: Floats
    size: Floats
    degrees: Floats


def of(strata: Sequence[PairSummary]) -> Sums:
    """The sums of one arm, from its strata's summaries of (value, covariate)."""
    columns = [(s.n, s.mean[0], s.m2[0], s.mean[1], s.m2[1], s.cross) for s in strata]
    return Sums(*np.array(columns, dtype=np.float64).reshape(-1, 6).T)


def contrast(champion: Sums, challenger: Sums, *, is_adjusted: bool = True) -> Contrast:
    """The difference of the arms' means, adjusted for the covariate where it is wanted. Strata with less than two units of
    an arm are left out.
    """
    n0, n1 = champion.n, challenger.n
    says = (n0 >= 2) & (n1 >= 2)
    n0, n1 = np.where(says, n0, 2.0), np.where(says, n1, 2.0)
    slope = _slope(champion, challenger, says) if is_adjusted else np.zeros(says.shape[:-1])
    b = slope[..., None]
    gap = challenger.mean - champion.mean - b * (challenger.mean_x - champion.mean_x)
    squares = [np.maximum(0.0, arm.m2 - 2 * b * arm.cross + b * b * arm.m2_x) for arm in (champion, challenger)]
    own = squares[0] / (n0 - 1) / n0 + squares[1] / (n1 - 1) / n1
    pooled = (squares[0] + squares[1]) / (n0 + n1 - 2) * (1 / n0 + 1 / n1)
    weight = np.where(says, n0 * n1 / (n0 + n1), 0.0)
    size = weight.sum(axis=-1)
    known = np.where(size > 0, size, 1.0)
    estimate = (weight * np.where(says, gap, 0.0)).sum(axis=-1) / known
    variance = (weight**2 * np.where(says, np.maximum(own, pooled), 0.0)).sum(axis=-1) / known**2
    degrees = np.where(says, np.minimum(n0, n1) - 1, 0.0).sum(axis=-1)
    scale = np.maximum(np.abs(champion.mean), np.abs(challenger.mean)).max(axis=-1)
    is_known = (size > 0) & (variance * size > (_ROUNDING * scale) ** 2)
    return Contrast(
        np.where(is_known, estimate, np.nan),
        np.where(is_known, variance, np.inf),
        np.where(is_known, size, 0.0),
        degrees,
    )


def log_e(seen: Contrast, *, difference: Floats | float = 0.0) -> Floats:
    """Natural log of the e-value against "the difference is `difference`", both ways; 0 where nothing can be said."""
    is_known, nu, gain = _known(seen)
    squared = np.where(is_known, (seen.estimate - difference) ** 2 / seen.variance, 0.0)
    ratio = np.log1p(squared / nu) - np.log1p(squared / (nu * (1 + gain)))
    return np.where(is_known, -0.5 * np.log1p(gain) + 0.5 * (nu + 1) * ratio, 0.0)


def half_width(seen: Contrast, *, alpha: float) -> Floats:
    """Half of the interval around the estimate: with chance `alpha` at most, at any look at all, it leaves out the truth.

    inf until there is enough to say anything. Raises SpecError unless alpha is in (0, 1).
    """
    if not 0 < alpha < 1:
        raise SpecError(f"An alpha of {alpha} is no chance of an error.", cure="Give one in (0, 1), 0.05 say.")
    is_known, nu, gain = _known(seen)
    line = np.exp((2 * math.log(1 / alpha) + np.log1p(gain)) / (nu + 1))
    room = 1 - line / (1 + gain)
    is_bounded = is_known & (room > 0)
    squared = nu * (line - 1) / np.where(is_bounded, room, 1.0)
    return np.where(is_bounded, np.sqrt(squared * np.where(is_bounded, seen.variance, 1.0)), np.inf)


def times_until_told(seen: Contrast, *, alpha: float) -> float:
    """How many times the units seen it takes until the interval leaves out 0, if the estimate stays as it is; at least 1,
    inf where it never would within a trillion times as many.
    """

    def is_told(times: float) -> bool:
        more = Contrast(seen.estimate, seen.variance / times, seen.size * times, seen.degrees * times)
        return bool(np.abs(seen.estimate) > half_width(more, alpha=alpha))

    if not seen.size or is_told(1.0):
        return 1.0 if seen.size else math.inf
    low, high = 1.0, 2.0
    while not is_told(high):
        low, high = high, 2 * high
        if high > 2.0**_DOUBLINGS:
            return math.inf
    for _ in range(_DOUBLINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_told(middle) else (middle, high)
    return high


def _slope(champion: Sums, challenger: Sums, says: NDArray[np.bool_]) -> Floats:
    """Of value on covariate within arms and strata; 0 where the covariate does not vary."""
    cross = np.where(says, champion.cross + challenger.cross, 0.0).sum(axis=-1)
    m2_x = np.where(says, champion.m2_x + challenger.m2_x, 0.0).sum(axis=-1)
    return np.where(m2_x > 0, cross / np.where(m2_x > 0, m2_x, 1.0), 0.0)


def _known(seen: Contrast) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Whether anything is known; the degrees of freedom; the prior's variance over the estimate's."""
    is_known = (seen.size > 0) & np.isfinite(seen.variance) & (seen.degrees > 0)
    return is_known, np.where(is_known, seen.degrees, 1.0), PRIOR * np.where(is_known, seen.size, 1.0)
