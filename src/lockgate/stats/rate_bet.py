"""A bet that a failure rate is under a tolerance: what unlocks a step when there are no failures to compare.

Capital multiplies by p/tolerance for a failing call and (1 - p)/(1 - tolerance) for a clean one, mixed over p below the
tolerance; its mean is at most 1 whenever the true rate is at or above it, also one that moves. n clean calls give
about n x tolerance nats, less the price of the prior. METHODS 8, *Ladder*.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp, xlog1py, xlogy

from lockgate.errors import SpecError

FRACTIONS = np.array([0.0, 0.1, 0.25, 0.5, 0.75])
PRIOR = np.array([0.5, 0.2, 0.15, 0.1, 0.05])


def log_e(calls: int, failures: int, *, tolerance: float) -> float:
    """Natural log of the e-value for "the failure rate is under `tolerance`" after `calls`, of which `failures` failed.

    Raises SpecError where the counts cannot be, or the tolerance is outside (0, 1).
    """
    if not 0 <= failures <= calls:
        raise SpecError(f"{failures} failures among {calls} calls cannot be.")
    if not 0 < tolerance < 1:
        raise SpecError(f"A tolerance of {tolerance} is not a rate.", cure="Give a share of calls between 0 and 1.")
    rates = FRACTIONS * tolerance
    log_capital = xlogy(failures, rates / tolerance) + (calls - failures) * np.log1p(-rates)
    log_null = xlog1py(calls - failures, -tolerance)
    return float(logsumexp(log_capital - log_null + np.log(PRIOR)))
