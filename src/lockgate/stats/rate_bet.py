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
Counts = int | NDArray[np.int64]

UNDER = np.array([0.0, 0.1, 0.25, 0.5, 0.75])
UNDER_PRIOR = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
OVER = np.array([0.05, 0.1, 0.25, 0.5, 1.0])
OVER_PRIOR = np.array([0.15, 0.2, 0.2, 0.2, 0.25])


def log_e_over(calls: Counts, bad: Counts, *, tolerance: float) -> Floats:
    """Natural log of the e-value for "the rate is over `tolerance`": alternatives part of the way from it to 1.

    calls, bad: numbers, or arrays of one shape for many looks at once; the result has that shape. Raises SpecError where
    the counts cannot be, or the tolerance is outside (0, 1).
    """
    return _log_mixture(calls, bad, tolerance, tolerance + OVER * (1 - tolerance), OVER_PRIOR)


def log_e_under(calls: Counts, bad: Counts, *, tolerance: float) -> Floats:
    """Natural log of the e-value for "the rate is under `tolerance`" after `calls`, of which `bad` were bad.

    calls, bad: numbers, or arrays of one shape for many looks at once; the result has that shape. Raises SpecError where
    the counts cannot be, or the tolerance is outside (0, 1).
    """
    return _log_mixture(calls, bad, tolerance, UNDER * tolerance, UNDER_PRIOR)


def _log_mixture(calls: Counts, bad: Counts, null: float, rates: Floats, prior: Floats) -> Floats:
    seen, events = np.asarray(calls, dtype=np.float64), np.asarray(bad, dtype=np.float64)
    _check(seen, events, null)
    bad_calls, clean = events[..., None], (seen - events)[..., None]
    log_capital = xlogy(bad_calls, rates / null) + xlog1py(clean, -rates) - xlog1py(clean, -null)
    found = logsumexp(log_capital + np.log(prior), axis=-1)
    return np.asarray(found, dtype=np.float64)


def _check(calls: Floats, bad: Floats, tolerance: float) -> None:
    wrong = (bad < 0) | (bad > calls)
    if wrong.any():
        raise SpecError(f"{bad[wrong].flat[0]:g} bad calls among {calls[wrong].flat[0]:g} cannot be.")
    if not 0 < tolerance < 1:
        raise SpecError(f"A tolerance of {tolerance} is not a rate.", cure="Give a share of calls between 0 and 1.")
