"""Sample-ratio mismatch, one unit at a time: did the arms come up as often as their shares said?

The predictive bet of a Dirichlet-multinomial with concentration 100 (Lindon, Malek 2022): the next unit is the canary's
with chance `w + excess / (100 + n)`, where `excess` is how many more canary units there were than the shares foretold.
For one share that is their test exactly; the form lets the share move from unit to unit, and stays a betting martingale
because the chance is fixed before the unit is seen. Assumes one draw per unit. METHODS 8.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONCENTRATION = 100.0
VOID_AT = 100.0
_LEAST = 1e-3


class Mismatch(NamedTuple):
    """units seen; excess of canary units over what the shares foretold; e, at least 100 when the evidence is unsound."""

    units: int = 0
    excess: float = 0.0
    e: float = 1.0


def after(state: Mismatch, arm: int, share: float) -> Mismatch:
    """The state after one more unit."""
    chance = share + state.excess / (CONCENTRATION + state.units)
    chance = min(max(chance, _LEAST * share), 1.0 - _LEAST * (1.0 - share))
    factor = chance / share if arm else (1.0 - chance) / (1.0 - share)
    return Mismatch(state.units + 1, state.excess + (arm - share), state.e * factor)


def path(state: Mismatch, arm: NDArray[np.int64], share: Floats) -> tuple[Floats, Floats]:
    """(excess, e) after each of a batch of units, with the same bits as `after` one by one. Shapes (n,)."""
    excess = np.add.accumulate(np.concatenate(([state.excess], arm - share)))
    chance = share + excess[:-1] / (CONCENTRATION + (state.units + np.arange(arm.size)))
    chance = np.minimum(np.maximum(chance, _LEAST * share), 1.0 - _LEAST * (1.0 - share))
    factor = np.where(arm == 1, chance / share, (1.0 - chance) / (1.0 - share))
    with np.errstate(over="ignore"):
        # Far behind the line, in a batch that goes on under a gross mismatch: nobody looks there.
        e = np.multiply.accumulate(np.concatenate(([state.e], factor)))
    return excess[1:], e[1:]
