"""How often each memory of GLS-t gives a false verdict in worlds of known truth, and how soon it gives a true one.

A look after each block, alpha .05 and .01, the true mean exactly at the margin, a history of 60 blocks of the same world.
The short form follows 400 paths over 200 blocks, the long form 2,000 over 400; each fails above alpha + 3 standard errors.
Seeds are fixed, so a run repeats itself. On a fresh seed a method whose true rate is exactly alpha fails with chance .003
per world (.01 at alpha .01, where a standard error is coarse). Where a memory does not keep alpha, a test says so: the
documents must change on the day that it does.
"""



from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from lockgate.sim.days import WORLDS
from lockgate.stats import glst

ALPHAS = (0.05, 0.01)
LINE = math.log(20)
HISTORY = 60

# Worlds where the mean of each block is not 0: the null holds over the horizon alone, and no test can know the horizon.
OVER_THE_HORIZON = ("rising trend", "falling trend", "level shift up", "level shift down")
STEADY = tuple(world for world in WORLDS if world not in OVER_THE_HORIZON)
NOT_HELD: dict[glst.Memory, tuple[str, ...]] = {
    "independent": (),
    "new": (),
    "short": (),
    "long": (),
}
EXACT = ("Gaussian", "growing volume")
CALIBRATED = [
    (memory, world)
    for memory in ("new", "short", "long")
    for world in (*STEADY, "rising trend", "level shift up")
    if world not in NOT_HELD[memory]
]


@lru_cache(maxsize=256)
def highest(memory: glst.Memory, world: str, *, paths: int, blocks: int, history: int = HISTORY) -> np.ndarray:
    """The largest log E of each path."""
    rng = np.random.default_rng([7, list(WORLDS).index(world)])
    differences, past = WORLDS[world](rng, (paths, blocks)), WORLDS[world](rng, (paths, history))
    top: np.ndarray = glst.log_e(differences, memory=memory, history=past).max(axis=1)
    return top
