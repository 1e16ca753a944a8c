"""Label betting: is the canary worse than the champion on the traffic so far?

A bad call belonged to the canary with probability w, its share of traffic when the call was routed, if both arms are
alike; bet on which arm it was. With a score h that never falls as a call gets worse the bet is `q = w h / (w h + 1 - w)`
and capital multiplies by `q / w` for a canary's call, by `(1 - q) / (1 - w)` for a champion's: in logs
`label log h - log(1 + w (h - 1))`. The factor's mean is `1 + integral (f1 - f0) q`, at most 1 whenever the canary is
stochastically no worse, whatever the base rate does and however the shares move: exact at every stopping time
(Ville 1939). Capital is a mixture over a grid of scores. Assumes that a unit's arm was drawn by lot with chance w and
that each unit bets once. Related: Turner, Ly, Gruenwald (2024, safe 2x2 tables); Lindon, Malek (2022); Waudby-Smith,
Ramdas (2024, betting). METHODS 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lockgate.errors import SpecError

Floats = NDArray[np.float64]

# How many times as often the canary fails, if it is worse (harm), or not worse (promotion), and how likely each is held.
RATIOS = np.array([1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100])
PRIOR = np.array([0.08, 0.12, 0.16, 0.18, 0.14, 0.12, 0.10, 0.06, 0.04])
NO_WORSE = np.array([0.5, 0.7, 0.85, 0.95, 1.0])
NO_WORSE_PRIOR = np.array([0.05, 0.1, 0.2, 0.25, 0.4])
DECLARED = 0.4
PAIRED = 0.5

# Ratios that the confidence sequence may exclude, a seventh apart, and how far off the bets against each of them stand.
STEP = 1.15
GRID: Floats = np.power(STEP, np.arange(-30, 37, dtype=np.float64))
_UP = np.array([1, 2, 3, 5, 8, 12, 17, 25, 33])
_DOWN = np.array([1, 2, 3, 5, 9, 17])
_DOWN_PRIOR = np.array([0.25, 0.25, 0.2, 0.15, 0.1, 0.05])


class Bets(NamedTuple):
    """Alternatives and their prior weights, which sum to 1."""

    ratios: Floats
    prior: Floats


def harm_bets(declared: float | None = None) -> Bets:
    """The grid of ratios above 1; a declared harm takes 40 % of the prior. Raises SpecError unless it is above 1."""
    if declared is None:
        return Bets(RATIOS, PRIOR)
    if not 1 < declared < np.inf:
        raise SpecError(f"A harm of {declared:g} times is none.", cure="Declare a ratio above 1, 2 say.")
    return Bets(np.append(RATIOS, declared), np.append(PRIOR * (1 - DECLARED), DECLARED))


def log_gain(share: Floats | float, score: Floats, log_score: Floats, label: NDArray[np.int64] | int) -> Floats:
    """What each bet gains on each call, in nats: shape (calls, scores), or (scores,) for one call.

    share: shape (calls, 1), in (0, 1); score and its log: shape (scores,) or (calls, scores), positive; label: shape
    (calls, 1), 1 where the call was the canary's. A score of 1 gains exactly 0.
    """
    gained: Floats = label * log_score - np.log(1.0 + share * (score - 1.0))
    return gained


def log_mixture(log_capital: Floats, log_prior: Floats) -> float:
    """Log sum_k prior_k exp(log_capital_k), over one look's bets. At most the largest of them."""
    mixed = log_capital + log_prior
    top = float(mixed.max())
    return top + float(np.log(np.exp(mixed - top).sum()))


def log_e(cells: Iterable[tuple[float, int, int]], *, margin: float = 1.0) -> float:
    """Natural log of the e-value for "the canary fails more than `margin` times as often".

    cells: (share w of the canary in force when the calls were routed, the champion's failures, the canary's); counts
    under one share commute, so cells may come in any order. A pair scored by both versions is a cell with w = 1/2 that
    holds its discordant calls. Shares of 0 and 1 carry no evidence.
    Raises SpecError for a share outside [0, 1], a negative count, or a margin under 1.
    """
    if margin < 1:
        raise SpecError(
            f"A margin of {margin} failures to one is under 1.", cure="Give the harm to be shown, at least 1."
        )
    gained = _likelihood(cells, np.append(RATIOS * margin, margin))
    return float(logsumexp(gained[:-1] - gained[-1] + np.log(PRIOR)))


def log_e_no_worse(cells: Iterable[tuple[float, int, int]], *, margin: float) -> float:
    """Natural log of the e-value for "the canary fails less than `margin` times as often"; cells as in `log_e`.

    Raises SpecError unless the margin is above 1.
    """
    if margin <= 1:
        raise SpecError(f"A canary cannot be shown under {margin} times.", cure="Give a margin above 1, 1.5 say.")
    gained = _likelihood(cells, np.append(NO_WORSE, margin))
    return float(logsumexp(gained[:-1] - gained[-1] + np.log(NO_WORSE_PRIOR)))


def _likelihood(cells: Iterable[tuple[float, int, int]], ratios: Floats) -> Floats:
    total = np.zeros(ratios.size)
    for share, champion, canary in cells:
        if not 0 <= share <= 1 or champion < 0 or canary < 0:
            raise SpecError(f"No evidence has a share of {share} and counts of {champion} and {canary}.")
        if 0 < share < 1:
            total += canary * np.log(ratios) - (champion + canary) * np.log1p(share * (ratios - 1))
    return total


def ratio_interval(log_likelihood: Floats, alpha: float) -> tuple[float, float]:
    """The confidence sequence of the ratio of failure rates: (low, high), 0 and inf where nothing is excluded yet.

    log_likelihood: shape (67,), of each ratio of `GRID`: the sum of `log_gain` with that score. A ratio is excluded once a
    bet against it, a mixture over farther ratios, reaches 1 / alpha: each end misses with chance `alpha` at most, over all
    time. Ends are those of the grid, a seventh apart, outward. Assumes a ratio that stays.
    """
    line = -math.log(alpha)
    too_low = np.flatnonzero(_against(log_likelihood, _ABOVE) >= line)
    too_high = np.flatnonzero(_against(log_likelihood, _BELOW) >= line)
    low = float(GRID[too_low[-1]]) if too_low.size else 0.0
    high = float(GRID[too_high[0]]) if too_high.size else math.inf
    return low, high


class _Against(NamedTuple):
    """Bets against each ratio of the grid: which ratios they stand on, and their log prior; none are placed off the grid."""

    place: NDArray[np.intp]
    log_prior: Floats


def _bets_against(offsets: NDArray[np.int64], prior: Floats) -> _Against:
    place = np.arange(GRID.size)[:, None] + offsets
    is_on = (place >= 0) & (place < GRID.size)
    return _Against(np.clip(place, 0, GRID.size - 1), np.where(is_on, np.log(prior), -np.inf))


_ABOVE = _bets_against(_UP, PRIOR)
_BELOW = _bets_against(-_DOWN, _DOWN_PRIOR)


def _against(log_likelihood: Floats, bets: _Against) -> Floats:
    gained = log_likelihood[bets.place] - log_likelihood[:, None] + bets.log_prior
    top = np.maximum(gained.max(axis=1), -1e300)
    with np.errstate(divide="ignore"):
        found: Floats = top + np.log(np.exp(gained - top[:, None]).sum(axis=1))
    return found
