"""How far an estimate may be off, by how far it was off before: the only thing that knows of what no model of it allows for.

A method's own standard error speaks of luck alone. What was realised in past windows less what had been estimated of them
holds the luck, a reference that misleads, and a world that changes. The next error is taken to be drawn as those were, about
nought and not about their mean: an estimate that was always too high is to be widened, never quietly mended.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lockgate.errors import SpecError

Floats = NDArray[np.float64]
FEWEST = 3


def reach(errors: Floats, *, coverage: float) -> float:
    """Half the width of an interval about the next estimate; infinite under 3 errors. errors: shape (n,), any order.

    Student's prediction interval with n degrees of freedom, exact for errors drawn alike from a Gaussian about nought, and
    wider where they have a mean. Raises SpecError for a coverage outside (0, 1). Source: Geisser (1993), 2.
    """
    if not 0 < coverage < 1:
        raise SpecError(f"A coverage of {coverage:g} is no share.", cure="Give one in (0, 1), 0.95 say.")
    known = errors[np.isfinite(errors)]
    if known.size < FEWEST:
        return math.inf
    size = math.sqrt(float(np.square(known).mean()))
    return float(stdtrit(known.size, (1 + coverage) / 2)) * size
