"""Exact one-sided tests on block differences, each under its own assumption; the margin is subtracted beforehand.

E2 and E+ are the right-Haar mixture t test, two-sided and one-sided: exact at every stopping time for independent normal
blocks of one mean and one spread (Gonen et al. 2005; Hendriksen, de Heide, Gruenwald 2021). The sign flip is exact for
blocks that are symmetric given the past (de la Pena 1999; Ramdas et al. 2020), the bounded bet for blocks within a known
bound whose mean given the past is at most 0 (Waudby-Smith, Ramdas 2024). Days that remember break all of them but the last,
and that one too where the past shifts the next day's mean: see `glst`. All look after each block: a path's first k
values do not depend, to the bit, on how many blocks come after. METHODS 3.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, stdtr

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

SCALE = 0.5  # variance of the normal prior on mean over spread
FLIPS = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.8])


def log_e2(differences: Floats) -> Floats:
    """Natural log of E after each block, for "the mean is not 0", either way.

    differences: shape (..., n), one per block, oldest first. Returns shape (..., n); 0 while all blocks are 0. Exact for
    independent normal blocks. Raises SpecError where a difference is not finite.
    """
    return _two_sided(finite(differences))[0]


def log_e_plus(differences: Floats) -> Floats:
    """Natural log of E+ after each block, for "the mean is above 0": E2 times twice the posterior chance of that.

    differences: shape (..., n), one per block, oldest first. Returns shape (..., n); 0 while all blocks are 0, and never
    more than n log 2, what n coins could show: no verdict before 5 blocks at alpha .05, before 7 at .01. Exact through
    Ville alone for independent normal blocks of mean 0, so do not average it over metrics. Raises SpecError where a
    difference is not finite.
    """
    path, posterior = _two_sided(finite(differences))
    n = np.arange(1, path.shape[-1] + 1, dtype=np.float64)
    capped: Floats = np.minimum(path + log_twice_cdf(n, posterior), n * math.log(2))
    return capped


def log_sign_flip(differences: Floats) -> Floats:
    """Natural log of E after each block, for "the median is above 0": a mean of bets on the sign of the next block.

    differences: shape (..., n), one per block, oldest first. A bet is `2 / (1 + exp(-2 theta d / s))` with s the root
    mean square of the blocks before; none is laid while those are all 0. Exact where each block is, given the past,
    symmetric about 0 or less; such e-values may be averaged. Raises SpecError where a difference is not finite.
    """
    d = finite(differences)
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    spread = np.zeros(d.shape)
    spread[..., 1:] = np.sqrt(np.cumsum(d * d, axis=-1) / n)[..., :-1]
    scaled = np.divide(d, spread, out=np.zeros(d.shape), where=spread > 0)
    bets = [math.log(2) - np.logaddexp(0.0, -2 * theta * scaled) for theta in FLIPS]
    return log_mean([np.cumsum(bet, axis=-1) for bet in bets])


def log_bounded_bet(differences: Floats, *, bound: float) -> Floats:
    """Natural log of E after each block, for "the mean is above 0", whatever the shape: a mean of bets `1 + c d / bound`.

    differences: shape (..., n), one per block, oldest first, all within [-bound, bound]. Exact where each block's mean
    given the past is at most 0; such e-values may be averaged. Raises SpecError where a difference is not finite or
    beyond the bound, or the bound is not above 0.
    """
    d = finite(differences)
    if not 0 < bound < math.inf:
        raise SpecError(f"A bound of {bound:g} bounds nothing.", cure="Give the largest difference there can be.")
    if (np.abs(d) > bound).any():
        raise SpecError(
            f"A block difference of {d.flat[np.abs(d).argmax()]:g} is beyond the bound of {bound:g}.",
            cure="Give a bound that is known, not one that was seen.",
        )
    return log_mean([np.cumsum(np.log1p(stake * d / bound), axis=-1) for stake in STAKES])


def finite(differences: Floats) -> Floats:
    """The differences as floats. Raises SpecError where one is not finite."""
    d = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(d).all():
        raise SpecError("A block difference is not finite.", cure="Leave out blocks without outcomes.")
    return d


def log_twice_cdf(degrees: Floats, x: Floats) -> Floats:
    """log(2 T_n(x)), finite far out in the left tail where the Student CDF underflows."""
    chance = stdtr(degrees, x)
    with np.errstate(divide="ignore"):
        log_chance: Floats = np.where(chance > 0, np.log(chance), log_ndtr(x))
    twice: Floats = math.log(2.0) + log_chance
    return twice


def log_mean(logs: list[Floats]) -> Floats:
    """Log of the mean of exp(logs), place by place."""
    return log_sum(logs) - math.log(len(logs))


def log_sum(logs: list[Floats]) -> Floats:
    """Log of the sum of exp(logs), place by place; added one after the other.

    numpy's own sum may add in another order where an axis is short, and then a path's bits would depend on its length.
    """
    top = functools.reduce(np.maximum, logs)
    found: Floats = top + np.log(functools.reduce(np.add, [np.exp(log - top) for log in logs]))
    return found


def _two_sided(d: Floats) -> tuple[Floats, Floats]:
    """Log E2, and how many spreads the posterior mean lies above 0; both 0 while all blocks are 0."""
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    total, squares = np.cumsum(d, axis=-1), np.cumsum(d * d, axis=-1)
    k = n * SCALE / (1 + n * SCALE)
    is_known = squares > 0
    r2 = np.divide(total * total, n * squares, out=np.zeros(d.shape), where=is_known)
    # Rounding may put r2 above 1, and k nears 1 with n: without the cap a stretch of equal blocks could end in NaN.
    left = 1 - k * np.minimum(r2, 1.0)
    posterior = np.divide(total * np.sqrt(k), np.sqrt(squares * left), out=np.zeros(d.shape), where=is_known)
    path = np.where(is_known, -0.5 * np.log1p(n * SCALE) - n / 2 * np.log(left), 0.0)
    return path, posterior
