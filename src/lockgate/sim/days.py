"""Worlds of block differences whose true mean is 0: what the error rates of the block tests are measured on.

Each world is a pure draw: `draw(rng, (paths, blocks))` gives an array of that shape, one row a path, oldest block first,
of standard deviation about 1 unless the world says otherwise. Add an effect to a draw to see how soon it is found.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

WEEK = 7
CALMEST, WILDEST, SWITCH = 1.0, 5.0, 1 / 20  # regimes: their standard deviations, and the chance to leave one
GROWTH = 10.0  # how many times the calls of a block grow over the horizon
LEAN = 0.5  # of a trend at its ends and of a level before and after its shift, in standard deviations


def gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Independent, normal."""
    return rng.standard_normal(shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Independent Student t with 3 degrees of freedom; standard deviation 1."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def regimes(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Normal blocks whose standard deviation is 1 or 5, in stretches of 20 blocks on average."""
    switched = np.cumsum(rng.random(shape) < SWITCH, axis=1) + rng.integers(0, 2, (shape[0], 1))
    return rng.standard_normal(shape) * np.where(switched % 2 == 0, CALMEST, WILDEST)


def skewed_left(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Independent, 1 less an exponential: a skewness of -2."""
    return 1 - rng.standard_exponential(shape)


def left_log_normal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Independent small gains and a rare large loss, a skewness of -6: what makes a t test promise too much."""
    spread = math.sqrt((math.e - 1) * math.e)
    return (math.exp(0.5) - np.exp(rng.standard_normal(shape))) / spread


def remembering(phi: float) -> Draw:
    """A stationary AR(1) of variance 1."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        path = rng.standard_normal(shape)
        for block in range(1, shape[1]):
            path[:, block] = phi * path[:, block - 1] + math.sqrt(1 - phi * phi) * path[:, block]
        return path

    return draw


def shocks(blocks: int) -> Draw:
    """Normal shocks that each last so many blocks and then end: moving sums of independent ones."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        fresh = rng.standard_normal((shape[0], shape[1] + blocks - 1))
        ends = np.cumsum(np.pad(fresh, ((0, 0), (1, 0))), axis=1)
        summed: Floats = (ends[:, blocks:] - ends[:, :-blocks]) / math.sqrt(blocks)
        return summed

    return draw


def under_noise(draw: Draw, share: float = 0.5) -> Draw:
    """A world that makes up so much of the variance; the rest is independent normal noise.

    The neighbours' correlation is small and the sum's variance large all the same, so it is hard to see and does harm.
    """

    def drawn(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        mixed: Floats = math.sqrt(share) * draw(rng, shape) + math.sqrt(1 - share) * rng.standard_normal(shape)
        return mixed

    return drawn


def weekly_season(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A wave of seven blocks and an amplitude of 1, begun on a random day, under independent normal noise of 1."""
    begun = rng.integers(0, WEEK, (shape[0], 1))
    return np.sin(2 * math.pi * (np.arange(shape[1]) + begun) / WEEK) + rng.standard_normal(shape)


def volume(growth: float) -> Draw:
    """Independent normal blocks whose calls grow so many times over the horizon: the noise shrinks by its root."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        calls = growth ** np.linspace(0, 1, shape[1])
        noise: Floats = rng.standard_normal(shape) / np.sqrt(calls / calls.mean())
        return noise

    return draw


def trend(at_the_end: float) -> Draw:
    """Normal noise of 1 about a line that ends at `at_the_end` and began as far on the other side of 0.

    The mean is 0 over the whole horizon and over nothing else: where the line falls, the first half is truly better.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return rng.standard_normal(shape) + at_the_end * np.linspace(-1, 1, shape[1])

    return draw


def level_shift(afterwards: float) -> Draw:
    """Normal noise of 1 about a level that changes sign at half of the horizon: 0 over the whole and over nothing else."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        is_late = np.arange(shape[1]) >= shape[1] / 2
        return rng.standard_normal(shape) + afterwards * np.where(is_late, 1.0, -1.0)

    return draw


def resampled(series: Floats, blocks: int) -> Draw:
    """A real series less its mean, over its standard deviation, redrawn in stretches of so many neighbouring blocks.

    series: shape (n,), n > blocks; stretches begin anywhere and run over its end to its beginning.
    Source: the circular block bootstrap of Politis, Romano (1992). Raises SpecError where the series is too short or flat.
    """
    if not 0 < blocks < series.size or not series.std() > 0:
        raise SpecError(f"A series of {series.size} cannot be redrawn in stretches of {blocks} blocks.")
    centred = (series - series.mean()) / series.std()

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        starts = rng.integers(0, centred.size, (shape[0], -(-shape[1] // blocks), 1))
        places = (starts + np.arange(blocks)).reshape(shape[0], -1)[:, : shape[1]]
        redrawn: Floats = centred[places % centred.size]
        return redrawn

    return draw


WORLDS: dict[str, Draw] = {
    "Gaussian": gaussian,
    "t3": heavy_tailed,
    "sd x5 in regimes": regimes,
    "skewed left": skewed_left,
    "left log-normal": left_log_normal,
    "AR .2": remembering(0.2),
    "AR .5": remembering(0.5),
    "AR .8": remembering(0.8),
    "shocks of 3": shocks(3),
    "shocks of 7": shocks(7),
    "shocks of 14": shocks(14),
    "AR .8 under noise": under_noise(remembering(0.8)),
    "shocks of 3 under noise": under_noise(shocks(3)),
    "shocks of 7 under noise": under_noise(shocks(7)),
    "shocks of 14 under noise": under_noise(shocks(14)),
    "weekly season": weekly_season,
    "growing volume": volume(GROWTH),
    "shrinking volume": volume(1 / GROWTH),
    "rising trend": trend(LEAN),
    "falling trend": trend(-LEAN),
    "level shift up": level_shift(LEAN),
    "level shift down": level_shift(-LEAN),
}
"""By name; the mean of every block is 0, but in the last four, where only the mean over the horizon is."""
