"""Sample-ratio mismatch from counts alone: did the arms come up as often as their shares said?

Counts under one share commute, so evidence is a pure function of integer counts per share: shards add theirs in any
order. It is the mean of two e-processes, since no single one is quick for both ways a lot goes wrong:
- each share for itself: the beta-binomial predictive, prior centred at the share, concentration 100 (the sequential
  Dirichlet-multinomial test of Lindon, Malek 2022), multiplied over shares. It sees a share that was stuck or misread, each
  pays its own price, so with fifty shares it is nearly blind;
- one drift of the log odds common to all shares, bets `theta canary - n log(1 + w (e^theta - 1))` averaged over a grid. It
  sees records of one arm lost or doubled, which moves the odds alike under every share, and pools all of them.
Each factor has mean 1 given the past if a unit is the canary's with chance w, also when w itself follows the evidence; so
the mean is at most 1 at any stopping time (Ville). Assumes one draw per unit. METHODS 8. A judge, which looks after every
unit, bets by `lockgate.stats.mismatch`; this is for counts that hosts ship.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln, logsumexp, xlog1py, xlogy

from lockgate.errors import SpecError
from lockgate.stats.mismatch import CONCENTRATION, VOID_AT

Floats = NDArray[np.float64]

# By how much the odds of the canary may be off, either way: a hundredth of its records lost, up to five in six.
_ODDS = np.array([1.01, 1.02, 1.04, 1.08, 1.16, 1.32, 1.7, 2.5, 6.0])
_THETA = np.log(np.concatenate([_ODDS, 1 / _ODDS]))


def log_e(share: ArrayLike, champion: ArrayLike, canary: ArrayLike) -> Floats:
    """Natural log of the e-value for "the lot does not follow its shares"; the verdict is void at `log(VOID_AT)`.

    share: the canary's share; champion, canary: units counted under it. Shapes (..., shares), broadcast together; returns
    shape (...). Shares of 0 and 1 carry no evidence here: a unit of the arm that has no traffic is a fault by itself.
    Raises SpecError for a share outside [0, 1] or a count that is negative or no whole number.
    """
    w, c0, c1 = _checked(share, champion, canary)
    mean: Floats = np.logaddexp(_each_share(w, c0, c1), _common_drift(w, c0, c1)) - np.log(2.0)
    return mean


def log_e_arms(shares: ArrayLike, counts: ArrayLike) -> float:
    """The same for several arms: the Dirichlet-multinomial predictive by itself, multiplied over the sets of shares.

    shares: shape (sets, arms), each row adding up to 1, the units' chances of each arm under that set; counts: alike, the
    units that came. An arm whose share is 0 has no units; one that has is a fault by itself, and the evidence infinite.
    Raises SpecError for shares that do not add up, or counts that are none.
    """
    w, c = (np.atleast_2d(np.asarray(part, dtype=np.float64)) for part in (shares, counts))
    if w.shape != c.shape or not (w >= 0).all() or not np.allclose(w.sum(axis=-1), 1.0):
        raise SpecError("The arms' shares do not add up to 1.", cure="Give the champion's share too.")
    if not ((c >= 0) & (c == np.floor(c)) & np.isfinite(c)).all():
        raise SpecError("A count of an arm's units is not a whole number from 0 up.")
    if (c[w == 0] > 0).any():
        return float("inf")
    a = np.where(w > 0, CONCENTRATION * w, 1.0)
    per_arm: Floats = np.where(w > 0, gammaln(a + c) - gammaln(a) - xlogy(c, np.where(w > 0, w, 1.0)), 0.0)
    n = c.sum(axis=-1)
    whole: Floats = np.asarray(gammaln(CONCENTRATION) - gammaln(CONCENTRATION + n), dtype=np.float64)
    return float((per_arm.sum(axis=-1) + whole).sum())


def is_void(log_evidence: float) -> bool:
    """Whether evidence for a mismatch voids the verdict: a routing bug, until somebody shows otherwise."""
    return log_evidence >= float(np.log(VOID_AT))


def _each_share(w: Floats, c0: Floats, c1: Floats) -> Floats:
    a, b = CONCENTRATION * w, CONCENTRATION * (1 - w)
    found: Floats = (betaln(a + c1, b + c0) - betaln(a, b) - xlogy(c1, w) - xlog1py(c0, -w)).sum(axis=-1)
    return found


def _common_drift(w: Floats, c0: Floats, c1: Floats) -> Floats:
    gained = [(theta * c1 - (c0 + c1) * np.log1p(w * np.expm1(theta))).sum(axis=-1) for theta in _THETA]
    found: Floats = logsumexp(np.stack(gained), axis=0) - np.log(_THETA.size)
    return found


def _checked(share: ArrayLike, champion: ArrayLike, canary: ArrayLike) -> tuple[Floats, Floats, Floats]:
    w, c0, c1 = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (share, champion, canary))
    if not ((w >= 0) & (w <= 1)).all():
        raise SpecError("A share of the canary is not in [0, 1].", cure="Give the share in force at each assignment.")
    for arm, counts in (("champion", c0), ("canary", c1)):
        if not ((counts >= 0) & (counts == np.floor(counts)) & np.isfinite(counts)).all():
            raise SpecError(f"A count of the {arm}'s units is not a whole number from 0 up.")
    # Shares that say nothing become an even one without counts: the formulas stay finite and add 0.
    says = (w > 0) & (w < 1)
    return np.where(says, w, 0.5), np.where(says, c0, 0.0), np.where(says, c1, 0.0)
