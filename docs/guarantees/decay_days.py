"""How soon a planted decay is found, and how often one is that never was: the block test, the e-detector, and both.

    python docs/guarantees/measure.py --only decay

A day's value is how far the champion's loss lies above the bar that its skill sets; its mean is 0 while nothing is wrong,
which is the edge of what counts as well. Within: it is half a standard deviation better than that. Decay: from day 100 on
every day is worse by so many standard deviations. The block test is wrong of one champion in 20 over its whole life, the
e-detector once in 400 days on average: what `false_alarms_per_year = 4` leaves each of them in the loop, half of the share
`degradation`. Both: the sooner of the two, which is what the loop tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.stats import glst, risen

Floats = NDArray[np.float64]
DAYS, DECAY = 400, 100
SIZES = (0.5, 1.0, 3.0, 20.0)
WITHIN = -0.5
CHAMPIONS, RUN_LENGTH = 20.0, 400.0


def worlds(rng: np.random.Generator, paths: int, days: int = DAYS) -> Iterator[tuple[str, Floats]]:
    """Days of mean 0 and standard deviation 1, shape (paths, days)."""
    shape = (paths, days)
    skewed = (np.exp(0.8 * rng.standard_normal(shape)) - math.exp(0.32)) / math.sqrt(
        (math.exp(0.64) - 1) * math.exp(0.64)
    )
    yield "Gaussian", rng.standard_normal(shape)
    yield "t3", rng.standard_t(3, shape) / math.sqrt(3)
    yield "bad days far off", skewed
    yield "good days far off", -skewed
    yield "AR .5", _autoregressive(rng, shape, 0.5)
    yield "shocks of 3 days", np.repeat(rng.standard_normal((paths, days // 3 + 1)), 3, axis=1)[:, :days]
    weeks = np.repeat(rng.standard_normal((paths, days // 7 + 1)), 7, axis=1)[:, :days]
    yield "shocks of 7 under noise", (weeks + rng.standard_normal(shape)) / math.sqrt(2)


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int], phi: float) -> Floats:
    drawn = rng.standard_normal(shape)
    found = drawn.copy()
    for day in range(1, shape[1]):
        found[:, day] = phi * found[:, day - 1] + math.sqrt(1 - phi * phi) * drawn[:, day]
    return found


class Paths(NamedTuple):
    """Log evidence after each day, by either test."""

    block: Floats
    detector: Floats

    def first(self, test: str) -> float:
        """The day of the alarm, from 1; infinite without one."""
        if test == "both":
            return min(self.first("block test"), self.first("e-detector"))
        path, promise = (self.block, CHAMPIONS) if test == "block test" else (self.detector, RUN_LENGTH)
        crossed = np.flatnonzero(path >= math.log(promise))
        return float(crossed[0]) + 1 if crossed.size else math.inf


def paths_of(days: Floats) -> list[Paths]:
    """days: shape (paths, days)."""
    return [Paths(glst.log_e(one, memory="new"), risen.rise(one).log_m) for one in days]


def false_alarms(paths: list[Paths], test: str) -> float:
    return float(np.mean([math.isfinite(one.first(test)) for one in paths]))


def decayed(days: Floats, size: float) -> list[Paths]:
    return paths_of(np.where(np.arange(days.shape[1]) >= DECAY, days + size, days))


def delay(paths: list[Paths], test: str) -> float:
    """Median days from the decay to the alarm, of paths that had none before."""
    found = np.array([one.first(test) for one in paths]) - DECAY
    return float(np.median(found[found > 0]))
