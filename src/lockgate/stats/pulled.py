"""An interval from the pulls of rows: the infinitesimal jackknife, by rows or by blocks of them, in one pass.

The pull of a row is a statistic's derivative in the row's weight, times the number of rows (metrics.pulls). Rows of one
block move together, so their pulls are added first.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from lockgate.errors import SpecError
from lockgate.stats import tails
from lockgate.stats.multiplicity import checked_alpha

Floats = NDArray[np.float64]
Scale = Literal["plain", "logit", "log", "explained"]


class Pulled(NamedTuple):
    """low, high: nan where the scale has no such value or the pulls do not vary. p: two-sided, against nought, on the
    plain scale. degrees: of Student's t; n: rows, or blocks.
    """

    estimate: float
    low: float
    high: float
    se: float
    p: float
    degrees: float
    n: int


def interval(
    estimate: float, pulls: Floats, *, alpha: float, scale: Scale = "plain", block: NDArray[np.generic] | None = None
) -> Pulled:
    """Both ends at 1 - alpha together. pulls: shape (n,), adding up to nought; block: shape (n,), None for rows.

    scale: where errors are taken as even; ends are carried back from it. Degrees of freedom are those of Satterthwaite
    (1946), from how unevenly the pulls share the variance: where a handful of rows holds it all, a handful is what it
    is worth. Raises SpecError under 3 rows or blocks. Source: Efron, Tibshirani (1993), 21.
    """
    checked_alpha(alpha)
    parts = pulls if block is None else np.bincount(np.unique(block, return_inverse=True)[1], weights=pulls)
    if parts.size < 3:
        raise SpecError(f"{parts.size} rows or blocks cannot give an interval.", cure="Hold out at least 3.")
    squares = np.square(parts)
    total = float(squares.sum())
    se = math.sqrt(total * parts.size / (parts.size - 1)) / pulls.size
    if se <= 1e-12:
        return Pulled(estimate, math.nan, math.nan, 0.0, 1.0 if abs(estimate) < 1e-12 else 0.0, 0.0, parts.size)
    unevenness = float(np.square(squares - squares.mean()).sum())
    degrees = float(parts.size - 1)
    if unevenness > 0:
        degrees = max(min(degrees, 2 * total * total / unevenness), 1.0)
    reach = float(stdtrit(degrees, 1 - alpha / 2)) * se
    low, high = _ends(estimate, reach, scale)
    p = 2 * float(stdtr(degrees, -abs(estimate) / se))
    return Pulled(estimate, low, high, se, p, degrees, parts.size)


def _ends(estimate: float, reach: float, scale: Scale) -> tuple[float, float]:
    if scale == "plain":
        return estimate - reach, estimate + reach
    if scale == "log":
        if estimate <= 0:
            return math.nan, math.nan
        return estimate * math.exp(-reach / estimate), estimate * math.exp(reach / estimate)
    if scale == "explained":
        rest = 1 - estimate
        if rest <= 0:
            return math.nan, math.nan
        return 1 - rest * math.exp(reach / rest), 1 - rest * math.exp(-reach / rest)
    if not 0 < estimate < 1:
        return math.nan, math.nan
    centre, width = math.log(estimate / (1 - estimate)), reach / (estimate * (1 - estimate))
    return 1 / (1 + math.exp(-(centre - width))), 1 / (1 + math.exp(-(centre + width)))


def wilson(hits: float, rows: int, *, alpha: float) -> tuple[float, float]:
    """Score interval for a share of independent rows; never outside [0, 1], and of use at 0 and 1 too.

    Raises SpecError for no rows. Source: Wilson (1927); Brown, Cai, DasGupta (2001).
    """
    if rows < 1 or not 0 <= hits <= rows:
        raise SpecError(f"{hits:g} of {rows} rows is no share.", cure="Count rows once.")
    z2 = float(stdtrit(1e9, 1 - checked_alpha(alpha) / 2)) ** 2
    share = hits / rows
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    reach = math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows * rows))) / (1 + z2 / rows)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def exact_share(hits: float, rows: int, *, alpha: float) -> tuple[float, float]:
    """An interval for a share that misses with chance `alpha` at most, however near to 0 or 1 it is; wider than Wilson's.

    Raises SpecError for no rows. Source: Clopper, Pearson (1934).
    """
    if rows < 1 or not 0 <= hits <= rows:
        raise SpecError(f"{hits:g} of {rows} rows is no share.", cure="Count rows once.")
    half = checked_alpha(alpha) / 2
    return tails.lowest(rows, hits, delta=half), tails.highest(rows, hits, delta=half)


def mean_of_shares(value: Floats, low: Floats, high: Floats, together: Floats) -> tuple[float, float]:
    """Interval for the mean of k quantities from their own intervals: each end's distances, added as errors are.

    value, low, high: shape (k,); together: shape (k, k), how the errors lean together, as correlations. Unlike the sum of
    variances it keeps the unevenness of intervals near 0 and 1. Source: Zou, Donner (2008), MOVER.
    """
    below, above = (value - low) / value.size, (high - value) / value.size
    reach = [math.sqrt(max(0.0, float(side @ together @ side))) for side in (below, above)]
    mean = float(value.mean())
    return mean - reach[0], mean + reach[1]
