"""Bets on one rate: that it is under a tolerance, which unlocks a step, or over it, which stops a rollout.

Capital multiplies by p/tolerance for a failing call and (1 - p)/(1 - tolerance) for a clean one, mixed over p below the
tolerance; its mean is at most 1 whenever the true rate is at or above it, also one that moves. n clean calls give
about n x tolerance nats, less the price of the prior. METHODS 8, *Ladder*.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlog1py, xlogy

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

UNDER = np.array([0.0, 0.1, 0.25, 0.5, 0.75])
UNDER_PRIOR = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
OVER = np.array([0.05, 0.1, 0.25, 0.5, 1.0])
OVER_PRIOR = np.array([0.15, 0.2, 0.2, 0.2, 0.25])


def log_e_over(calls: int, bad: int, *, tolerance: float) -> float:
    """Natural log of the e-value for "the rate is over `tolerance`": alternatives part of the way from it to 1.

    Raises SpecError where the counts cannot be, or the tolerance is outside (0, 1).
    """
    _check(calls, bad, tolerance)
    return _log_mixture(calls, bad, tolerance, tolerance + OVER * (1 - tolerance), OVER_PRIOR)


def log_e_under(calls: int, bad: int, *, tolerance: float) -> float:
    """Natural log of the e-value for "the rate is under `tolerance`" after `calls`, of which `bad` were bad.

    Raises SpecError where the counts cannot be, or the tolerance is outside (0, 1).
    """
    _check(calls, bad, tolerance)
    return _log_mixture(calls, bad, tolerance, UNDER * tolerance, UNDER_PRIOR)


def _log_mixture(calls: int, bad: int, null: float, rates: Floats, prior: Floats) -> float:
    clean = calls - bad
    log_capital = xlogy(bad, rates / null) + xlog1py(clean, -rates) - xlog1py(clean, -null)
    return float(logsumexp(log_capital + np.log(prior)))


def _check(calls: int, bad: int, tolerance: float) -> None:
    if not 0 <= bad <= calls:
        raise SpecError(f"{bad} bad calls among {calls} cannot be.")
    if not 0 < tolerance < 1:
        raise SpecError(f"A tolerance of {tolerance} is not a rate.", cure="Give a share of calls between 0 and 1.")
