"""Count, mean and spread of a sample as one small value that merges: summaries of disjoint samples add up to the whole's.

Sums of squared deviations are kept, not sums of squares, so a mean far from nought costs no digits. Two summaries add to
the same bits either way round; three or more only up to rounding, so where bits must agree, add in one order.
Source: Chan, Golub, LeVeque (1983); Pebay (2008).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.errors import SpecError

Floats = NDArray[np.float64]


class Summary(msgspec.Struct, frozen=True):
    """n values, their mean, and m2, the sum of squared deviations from it. `Summary()` is that of no values."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def __add__(self, other: Summary) -> Summary:
        """The summary of two samples that share no value."""
        if not self.n or not other.n:
            return self if self.n else other
        n, gap = self.n + other.n, other.mean - self.mean
        return Summary(n, _between(self, other), self.m2 + other.m2 + gap * gap * (self.n * other.n / n))

    @property
    def variance(self) -> float:
        """Sample variance, over n - 1. Raises SpecError under 2 values."""
        return self.m2 / _degrees(self.n)

    @property
    def sd(self) -> float:
        """Sample standard deviation. Raises SpecError under 2 values."""
        return math.sqrt(self.variance)

    @property
    def se(self) -> float:
        """Standard error of the mean, if the values are independent. Raises SpecError under 2 values."""
        return math.sqrt(self.variance / self.n)


class PairSummary(msgspec.Struct, frozen=True):
    """n rows of paired values: their two means, the two sums of squared deviations, and the sum of their products."""

    n: int = 0
    mean: tuple[float, float] = (0.0, 0.0)
    m2: tuple[float, float] = (0.0, 0.0)
    cross: float = 0.0

    def __add__(self, other: PairSummary) -> PairSummary:
        """The summary of two samples that share no row."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        first, second = self.first + other.first, self.second + other.second
        gaps = (other.mean[0] - self.mean[0]) * (other.mean[1] - self.mean[1])
        cross = self.cross + other.cross + gaps * (self.n * other.n / n)
        return PairSummary(n, (first.mean, second.mean), (first.m2, second.m2), cross)

    @property
    def first(self) -> Summary:
        """The summary of the first values alone."""
        return Summary(self.n, self.mean[0], self.m2[0])

    @property
    def second(self) -> Summary:
        """The summary of the second values alone."""
        return Summary(self.n, self.mean[1], self.m2[1])

    @property
    def covariance(self) -> float:
        """Sample covariance, over n - 1. Raises SpecError under 2 rows."""
        return self.cross / _degrees(self.n)

    @property
    def correlation(self) -> float:
        """Pearson's correlation; 0 where either side does not vary. Raises SpecError under 2 rows."""
        _degrees(self.n)
        # Roots before the product: the product of two small sums of squares could underflow.
        spread = math.sqrt(self.m2[0]) * math.sqrt(self.m2[1])
        return min(1.0, max(-1.0, self.cross / spread)) if spread > 0 else 0.0

    @property
    def difference(self) -> Summary:
        """The summary of second - first, row by row. Exact to rounding at the scale of the sides, not of the difference."""
        m2 = self.m2[0] + self.m2[1] - 2 * self.cross
        return Summary(self.n, self.mean[1] - self.mean[0], max(0.0, m2))


def after_pair(state: PairSummary, first: float, second: float) -> PairSummary:
    """The summary with one more row. Row by row any cut into batches gives the same bits."""
    n = state.n + 1
    gaps = first - state.mean[0], second - state.mean[1]
    mean = state.mean[0] + gaps[0] / n, state.mean[1] + gaps[1] / n
    left = second - mean[1]
    m2 = state.m2[0] + gaps[0] * (first - mean[0]), state.m2[1] + gaps[1] * left
    return PairSummary(n, mean, m2, state.cross + gaps[0] * left)


def of(values: ArrayLike, *, name: str = "The sample") -> Summary:
    """The summary of values of any shape; of none, `Summary()`. Raises SpecError where one is not finite."""
    x = _finite(values, name)
    if not x.size:
        return Summary()
    mean = float(x.mean())
    return Summary(x.size, mean, float(np.square(x - mean).sum()))


def of_pairs(first: ArrayLike, second: ArrayLike, *, name: str = "The sample of pairs") -> PairSummary:
    """The summary of paired rows. Raises SpecError where the two differ in length or a value is not finite."""
    x, y = _finite(first, name), _finite(second, name)
    if x.size != y.size:
        raise SpecError(f"{name} has {x.size} first and {y.size} second values.", cure="Give both sides of each row.")
    if not x.size:
        return PairSummary()
    mean = float(x.mean()), float(y.mean())
    dx, dy = x - mean[0], y - mean[1]
    return PairSummary(x.size, mean, (float(np.square(dx).sum()), float(np.square(dy).sum())), float((dx * dy).sum()))


def _between(one: Summary, other: Summary) -> float:
    """The pooled mean, from the larger side, and never outside the two: both orders give the same bits."""
    if one.n == other.n:
        return 0.5 * one.mean + 0.5 * other.mean
    large, small = (one, other) if one.n > other.n else (other, one)
    mean = large.mean + (small.mean - large.mean) * (small.n / (large.n + small.n))
    return min(max(mean, min(one.mean, other.mean)), max(one.mean, other.mean))


def _degrees(n: int) -> int:
    if n < 2:
        raise SpecError(f"{n} values have no variance.", cure="Wait for two at least.")
    return n - 1


def _finite(values: ArrayLike, name: str) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    bad = np.flatnonzero(~np.isfinite(x))
    if bad.size:
        raise SpecError(
            f"{name} holds {x[bad[0]]} at place {bad[0]}, {bad.size} such in all.", cure="Leave out or mend those rows."
        )
    return x
