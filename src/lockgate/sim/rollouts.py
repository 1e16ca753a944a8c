"""Traffic of whole rollouts whose truth is known: calls of both versions, day by day, whatever share is in force.

A world says how often the champion fails and how many times as often the challenger does, how far their mean losses lie
apart and how much that moves from day to day. Days are correlated: good and bad days share a factor of their failures, and
the difference of the losses is an AR(1). The share is not the world's: whoever runs the rollout asks for the next stretch of
calls under the share that its evidence has earned. METHODS 8.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.records.duration import UNITS_S
from lockgate.sim.days import remembering

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DAY_S = UNITS_S["d"]
GOLDEN = (5**0.5 - 1) / 2


class World(NamedTuple):
    """What is true of one model's traffic.

    rate: the champion's failures, a share of calls; ratio: how many times as often the challenger fails; both: the share of
    the champion's failures that the challenger fails as well; swing: log sd of a day's factor on both rates, whose mean
    is 1. loss: the champion's mean loss; worse_by: the challenger's mean loss less that; block_sd: of their difference by
    day; lag1: of neighbouring days, for both the difference and the swing; history: days known from before. late_s: mean
    time until a failure is reported, exponential, never more than deadline_s; slower: how many times later the challenger's.
    """

    calls_per_day: int = 4_000
    rate: float = 0.01
    ratio: float = 1.0
    both: float = 0.5
    swing: float = 0.3
    loss: float = 0.2
    worse_by: float = 0.0
    block_sd: float = 0.001
    lag1: float = 0.3
    history: int = 28
    late_s: float = 0.0
    deadline_s: float = 0.0
    slower: float = 4.0


def healthy(path: int) -> World:
    """A challenger like its champion; from path to path the failures lie anywhere between .5 and 2 %."""
    return World(rate=0.005 * 4 ** (path * GOLDEN % 1))


BROKEN = World(ratio=50.0)
"""The champion fails 1 % of its calls, the challenger half."""

LATE = World(rate=0.02, ratio=1.5, late_s=UNITS_S["h"] / 8, deadline_s=UNITS_S["h"])
"""The challenger fails 1.5 times as often, as bad as the last step's margin, and its failures are reported four times later
than the champion's, all of them within the call's deadline: after half an hour on average, of an hour.
"""


class Days(NamedTuple):
    """One path's days. rate: the champion's of each, shape (n,); difference: the challenger's mean loss less the champion's,
    shape (n,); history: the same of the days before, shape (m,), the latest last.
    """

    rate: Floats
    difference: Floats
    history: Floats


class Stretch(NamedTuple):
    """Calls in the order asked, shape (n,). number: each one's own; known_s: when each one's answer is in the log;
    arm: 1 the challenger's, drawn by the share in force; failed: shape (n, 2), champion first; day: into `Days`.
    """

    number: Ints
    asked_s: Floats
    known_s: Floats
    arm: Ints
    share: Floats
    failed: Bools
    day: Ints


def days(rng: np.random.Generator, world: World, count: int) -> Days:
    """So many days of one path, and those before it."""
    draw = remembering(world.lag1)
    difference = world.worse_by + world.block_sd * draw(rng, (1, world.history + count))[0]
    factor = np.exp(world.swing * draw(rng, (1, count))[0] - world.swing**2 / 2)
    top = 0.9 / max(world.ratio, 1.0)  # both rates are chances on the worst day too
    return Days(np.minimum(world.rate * factor, top), difference[world.history :], difference[: world.history])


def stretch(
    rng: np.random.Generator, world: World, path: Days, *, first: int, since_s: float, until_s: float, share: float
) -> Stretch:
    """The calls asked in [since_s, until_s), event time counted from the path's first day, under one share, numbered from
    `first`.
    """
    n = round(world.calls_per_day * (until_s - since_s) / DAY_S)
    asked_s = np.sort(rng.uniform(since_s, until_s, n))
    day = np.floor(asked_s / DAY_S).astype(np.int64)
    rate, draw = path.rate[day], rng.random(n)
    champion, shared = draw < rate, draw < world.both * rate
    alone = (world.ratio - world.both) * rate / (1 - rate)
    failed = np.stack([champion, shared | (~champion & (rng.random(n) < alone))], axis=1)
    arm = (rng.random(n) < share).astype(np.int64)
    late_s = rng.exponential(1.0, n) * world.late_s * np.where(arm == 1, world.slower, 1.0)
    is_own = failed[np.arange(n), arm]
    known_s = asked_s + np.where(is_own, np.minimum(late_s, world.deadline_s), 0.0)
    return Stretch(first + np.arange(n), asked_s, known_s, arm, np.full(n, share), failed, day)
