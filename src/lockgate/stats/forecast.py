"""How long until a verdict, before a call is made; and what could be seen in the time there is.

A bet that grows by g nats a call from a share of the prior passes the line after about `(ln 1/alpha + ln 1/prior) / g`
calls; the forecast takes the alternative for which that is least. It is a promise for plans, above the median of the calls
really needed (1.05 to 1.3 times it for harm and pairs, 1.5 to 1.9 for safety with rare bad calls; test_forecast.py), and
infinite where no alternative grows: no patience would help. METHODS 8.

Block tests have no such closed form. Their forecast is a fit to the mean number of blocks that `lockgate.stats.glst` needed
on simulated Gaussian AR(1) blocks; `pytest -s -m slow tests/unit/stats/test_forecast.py` simulates and fits anew.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.stats import block_t, label_bet, rate_bet
from lockgate.stats.glst import Memory

Floats = NDArray[np.float64]

_NOTHING = 1e-12
# Fewer blocks say nothing of what neighbours have in common; beyond the most, a forecast would be of nothing else.
FEWEST_SEEN, MOST_ALIKE = 6, 0.9


class BlockFit(NamedTuple):
    """Blocks to decide: `fixed + line * ln(1/alpha) + wald * 2 ln(1/alpha) / effect^2 * inflation^power`."""

    fixed: float
    line: float
    wald: float
    power: float


# Fitted over effects .35 to 2, lag-1 0, .3, .5, and alpha .1 to .001: within a quarter of every simulated mean, and .9 to
# 1.4 times the median.
BLOCK_FITS: dict[Memory, BlockFit] = {
    "independent": BlockFit(2.28, 0.83, 1.19, 0.0),
    "short": BlockFit(2.44, 1.87, 1.49, 0.89),
    "new": BlockFit(9.05, 2.69, 1.55, 0.82),
    "long": BlockFit(1.65, 2.49, 1.90, 0.69),
}


def calls_until_harm(
    *,
    share: float,
    failure_rate: float,
    ratio: float,
    alpha: float,
    margin: float = 1.0,
    declared: float | None = None,
) -> float:
    """Calls of both arms until label bets show a canary that fails `ratio` times as often as the champion.

    share: the canary's share, held; failure_rate: the champion's. margin, declared: as in `label_bet.log_e` and
    `label_bet.harm_bets`. math.inf where the harm is not above the margin, or no call goes to one of the arms.
    Raises SpecError for a rate outside [0, 1], the canary's too, or a margin under 1.
    """
    _check_rate("The share", share)
    _check_rate("The champion's failure rate", failure_rate)
    _check_rate("The canary's failure rate", failure_rate * ratio)
    bets = _Race(share, alpha, margin, declared)
    champion, canary = (1 - share) * failure_rate, share * failure_rate * ratio
    return _least(bets.needed, canary * bets.on_canary + champion * bets.on_champion)


def smallest_ratio(
    *,
    calls: float,
    share: float,
    failure_rate: float,
    alpha: float,
    margin: float = 1.0,
    declared: float | None = None,
) -> float:
    """The least ratio of failure rates that `calls` calls would show: the inverse of `calls_until_harm`.

    Each bet's growth is linear in the ratio, so it is solved, not searched for. math.inf where even a canary that always
    fails would not be seen. Raises SpecError as `calls_until_harm` does, or for a negative number of calls.
    """
    _check_rate("The share", share)
    _check_rate("The champion's failure rate", failure_rate)
    _check_calls(calls)
    bets = _Race(share, alpha, margin, declared)
    canary = share * failure_rate * bets.on_canary
    tells = canary > _NOTHING  # where all calls are the canary's no bet tells, but for what rounding leaves
    if not calls or not tells.any():
        return math.inf
    wanted = bets.needed / calls - (1 - share) * failure_rate * bets.on_champion
    found = float((wanted[tells] / canary[tells]).min())
    return found if found * failure_rate <= 1 else math.inf


def pairs_until_harm(
    *, champion_only: float, challenger_only: float, alpha: float, declared: float | None = None
) -> float:
    """Pairs, calls scored by both versions, until label bets on the discordant ones show the challenger worse.

    champion_only, challenger_only: the shares of pairs that one version alone fails. math.inf where the challenger fails
    no more. For promotion by failures give the two the other way round. Raises SpecError for shares that cannot be.
    """
    _check_rate("The share of pairs that the champion alone fails", champion_only)
    _check_rate("The share of pairs that the challenger alone fails", challenger_only)
    _check_rate("The share of discordant pairs", champion_only + challenger_only)
    bets = _Race(label_bet.PAIRED, alpha, 1.0, declared)
    return _least(bets.needed, challenger_only * bets.on_canary + champion_only * bets.on_champion)


def calls_until_safe(*, tolerance: float, alpha: float, rate: float = 0.0) -> float:
    """Calls of one arm until `rate_bet.log_e_under` shows its rate of bad calls under `tolerance`, its true rate being
    `rate`: with 0, how many clean calls in a row. math.inf at or over the tolerance.

    Raises SpecError where the tolerance is not in (0, 1) or the rate not in [0, 1].
    """
    if not 0 < tolerance < 1:
        raise SpecError(f"A tolerance of {tolerance} is not a rate.", cure="Give a share of calls between 0 and 1.")
    _check_rate("The rate of bad calls", rate)
    with np.errstate(divide="ignore"):
        bad = np.log(rate_bet.UNDER) if rate else np.zeros(rate_bet.UNDER.size)
    clean = np.log1p(-rate_bet.UNDER * tolerance) - math.log1p(-tolerance)
    return _least(_needed(alpha, rate_bet.UNDER_PRIOR), rate * bad + (1 - rate) * clean)


def smallest_tolerance(*, calls: float, alpha: float) -> float:
    """The least rate that `calls` clean calls in a row show an arm to be under: the inverse of `calls_until_safe`.

    math.inf for no calls. Raises SpecError for a negative number of calls.
    """
    _check_calls(calls)
    # Capital on a rate of nought, which holds half of the prior, decides a clean run: it grows by -ln(1 - tolerance).
    return -math.expm1(-float(_needed(alpha, rate_bet.UNDER_PRIOR)[0]) / calls) if calls else math.inf


def blocks_until_verdict(*, effect: float, memory: Memory, alpha: float, lag1: float = 0.0) -> float:
    """Blocks until `glst.log_e` shows a mean that is `effect` standard deviations of a block above the margin.

    lag1: correlation of neighbouring blocks; under 0 it counts as 0, and *independent* takes none. math.inf unless the
    effect is positive. Raises SpecError for an unknown memory, or a lag1 outside (-1, 1).
    """
    fit, line, inflation = _block_fit(memory, alpha, lag1)
    if not effect > 0:
        return math.inf
    return fit.fixed + fit.line * line + fit.wald * inflation * 2 * line / effect**2


class Ahead(NamedTuple):
    """What blocks to come are foretold to vary by: their standard deviation, and the correlation of neighbours, 0 to .9."""

    sd: float
    lag1: float


def ahead(values: Floats) -> Ahead | None:
    """From the blocks seen, shape (m,), mended for what a short stretch hides: its neighbours look less alike than they
    are, by some (1 + 4 lag1) / m (Kendall 1954; Marriott, Pope 1954), and it varies less, for its mean moved with it.

    None where there are under 6 blocks, or none varies.
    """
    m = values.size
    if m < FEWEST_SEEN or not values.std() > 0:
        return None
    found = min(max((block_t.lag1(values) + 1 / m) / (1 - 4 / m), 0.0), MOST_ALIKE)
    lags = np.arange(1, m)
    moved = (1 + 2 * float(((1 - lags / m) * found**lags).sum())) / m
    return Ahead(float(values.std()) / math.sqrt(1 - moved), found)


def smallest_effect(*, blocks: float, memory: Memory, alpha: float, lag1: float = 0.0) -> float:
    """The least effect, in standard deviations of a block, that so many blocks would show: the inverse of the above.

    math.inf where no effect is decided so soon. Raises SpecError as `blocks_until_verdict` does.
    """
    fit, line, inflation = _block_fit(memory, alpha, lag1)
    left = blocks - fit.fixed - fit.line * line
    return math.sqrt(fit.wald * inflation * 2 * line / left) if left > 0 else math.inf


class _Race:
    """Every alternative's gain on a failure of either arm, in nats, and how far each has to go."""

    def __init__(self, share: float, alpha: float, margin: float, declared: float | None) -> None:
        if not 1 <= margin < math.inf:
            raise SpecError(f"A margin of {margin} failures to one is under 1.", cure="Give the harm to be shown.")
        bets = label_bet.harm_bets(declared)
        # A bet on the null itself breaks even; the alternatives are priced against it.
        null = math.log1p(share * (margin - 1))
        self.on_champion: Floats = null - np.log1p(share * (bets.ratios * margin - 1))
        self.on_canary: Floats = np.log(bets.ratios) + self.on_champion
        self.needed = _needed(alpha, bets.prior)


def _needed(alpha: float, prior: Floats) -> Floats:
    if not 0 < alpha < 1:
        raise SpecError(f"An alpha of {alpha} is no chance of an error.", cure="Give one in (0, 1), 0.05 say.")
    return -math.log(alpha) - np.log(prior)


def _least(needed: Floats, growth: Floats) -> float:
    # At the null itself rounding leaves a growth of some 1e-17 either side: no evidence, not a forecast of 1e18 calls.
    grows = growth > 1e-15
    return float((needed[grows] / growth[grows]).min()) if grows.any() else math.inf


def _block_fit(memory: Memory, alpha: float, lag1: float) -> tuple[BlockFit, float, float]:
    if memory not in BLOCK_FITS:
        raise SpecError(unknown("memory", memory, BLOCK_FITS))
    if not -1 < lag1 < 1:
        raise SpecError(f"A lag-1 correlation of {lag1} cannot be.", cure="Give one between -1 and 1, 0 where unknown.")
    fit, held = BLOCK_FITS[memory], max(lag1, 0.0)
    return fit, float(_needed(alpha, np.ones(1))[0]), ((1 + held) / (1 - held)) ** fit.power


def _check_rate(what: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise SpecError(f"{what}, {rate}, is not a share of 1.", cure="Give a number from 0 to 1.")


def _check_calls(calls: float) -> None:
    if not calls >= 0:
        raise SpecError(f"{calls} calls cannot be made.", cure="Give a number from 0 up.")


def calls_until_no_worse(
    *, share: float, failure_rate: float, margin: float, alpha: float, ratio: float = 1.0
) -> float:
    """Calls of both arms until label bets show that the canary fails less than `margin` times as often as the champion.

    ratio: how often it truly fails beside the champion; 1 is alike. math.inf at or over the margin, or where nothing fails.
    Raises SpecError for a rate outside [0, 1], the canary's too, or a margin that is not above 1.
    """
    if not 1 < margin < math.inf:
        raise SpecError(f"A canary cannot be shown under {margin} times.", cure="Give a margin above 1, 1.5 say.")
    _check_rate("The share", share)
    _check_rate("The champion's failure rate", failure_rate)
    _check_rate("The canary's failure rate", failure_rate * ratio)
    on_champion = math.log1p(share * (margin - 1)) - np.log1p(share * (label_bet.NO_WORSE - 1))
    on_canary = np.log(label_bet.NO_WORSE / margin) + on_champion
    growth = (1 - share) * failure_rate * on_champion + share * failure_rate * ratio * on_canary
    return _least(_needed(alpha, label_bet.NO_WORSE_PRIOR), growth)
