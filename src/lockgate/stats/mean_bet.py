"""Confidence sequences for the mean of bounded values, and for the difference of two such means, by betting.

For each candidate mean m two gamblers play: one bets that the values come out above m, one below. If m is the mean given
the past, neither's capital rises on average; a candidate is out once one holds 2 / alpha. Each end then misses with chance
alpha / 2 at most over all time (Ville 1939; hedged betting of Waudby-Smith, Ramdas 2024). A gambler stakes a mixture of
fixed fractions of the largest safe stake, each a third of the one before. Measured half-width 3.4 to 3.7 sd / sqrt(n) at n
from 1,000 to 30,000, where the predictable plug-in of the same paper takes 3.3 to 7.0 and a single look at a fixed n 1.96
(tests/calibration/test_confidence_rates.py); rare values need more until some tens of them have come.

Only 127 candidates are kept, so state does not grow. Each stake's log capital is concave in 1 / m (means) or in m
(differences), so the straight line between two candidates is a lower bound: ends between them stay valid. Assumes a mean
that stays. Paired means: give the differences, range -(high - low) to high - low. METHODS 8.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.errors import SpecError, unknown

Floats = NDArray[np.float64]

STAKES = 0.9 * 3.0 ** -np.arange(8.0)
_LOG_PRIOR = -math.log(STAKES.size)
_TAIL = 0.0125 * 1.35 ** -np.arange(24, 0, -1.0)
# Candidates on the unit interval, the same seen from both ends: even in the middle, a third apart towards 0 and 1.
NODES = np.concatenate([_TAIL, np.arange(1, 80) * 0.0125, 1 - _TAIL[::-1]])
_DIFFERENCES = np.linspace(-1, 1, NODES.size + 2)[1:-1]
_CHUNK = 64

Of = Literal["mean", "difference"]


class Bettors(NamedTuple):
    """Log capital against each candidate: up bets on more than it, down on less; both of shape (8, 127).

    of: what the candidates are: means of values, or differences of two randomised means. n: values seen; total: their sum
    over the range, for the centre of differences; low, high: the range of a value.
    """

    of: Of
    n: int
    total: float
    low: float
    high: float
    up: Floats
    down: Floats


def start(low: float, high: float, *, of: Of = "mean") -> Bettors:
    """Bettors before the first value, all of which will lie in [low, high].

    of: "mean" for `after`, "difference" for `after_randomised`. Raises SpecError where that is no range.
    """
    if of not in ("mean", "difference"):
        raise SpecError(unknown("kind of bettors", of, ("mean", "difference")))
    if not -math.inf < low < high < math.inf:
        raise SpecError(f"Values cannot range from {low} to {high}.", cure="Give a finite low below a finite high.")
    nought = np.zeros((STAKES.size, NODES.size))
    return Bettors(of, 0, 0.0, float(low), float(high), nought, nought)


def after(state: Bettors, values: ArrayLike) -> Bettors:
    """The bettors after more values, shape (n,), in canonical order; any split into batches gives the same bits.

    Raises SpecError for a value that is NaN or out of range.
    """
    _check_kind(state, "mean")
    x = _scaled(state, values)
    up = _added(state.up, _fractions(x))
    down = _added(state.down, _fractions(1 - x))
    return state._replace(n=state.n + x.size, up=up, down=down)


def interval(state: Bettors, *, alpha: float) -> tuple[float, float]:
    """(low, high) for the mean, or the difference canary less champion: wrong at any time at all with chance `alpha` at most.

    In the values' unit. A low above the high is no error: it says that the mean has moved. Raises SpecError unless alpha is
    in (0, 1).
    """
    if not 0 < alpha < 1:
        raise SpecError(f"An alpha of {alpha} is no chance of an error.", cure="Give one in (0, 1), 0.05 say.")
    line, span = math.log(2 / alpha), state.high - state.low
    least, most = (_end(side, line, of_difference=state.of == "difference") for side in (state.up, state.down))
    if state.of == "difference":
        return span * least, -span * most
    return state.low + span * least, state.high - span * most


def log_e_paths(values: ArrayLike, *, mean: float, low: float, high: float) -> tuple[Floats, Floats]:
    """Log e-values after each value for "the mean is above `mean`" and "below it", without a grid: one known margin.

    values: shape (..., n); both paths have that shape. The interval at alpha leaves `mean` out only where one of them has
    reached log(2 / alpha). Raises SpecError for a value out of range, or a mean not inside it.
    """
    x = _scaled(start(low, high), values)
    m = (mean - low) / (high - low)
    if not 0 < m < 1:
        raise SpecError(f"A mean of {mean} is not inside {low} to {high}.", cure="Give a mean between the two.")
    return _mixed_path(x / m - 1), _mixed_path((1 - x) / (1 - m) - 1)


def after_randomised(state: Bettors, values: ArrayLike, *, canary: ArrayLike, share: ArrayLike) -> Bettors:
    """The bettors on the difference of means, canary less champion, after more calls routed by lot.

    values: shape (n,), in the state's range; canary: shape (n,), 1 where the call was the canary's, else 0; share: the
    canary's share when it was routed, one number or shape (n,), inside (0, 1). The value less the running mean of all
    before it, weighted by 1 / share or -1 / (1 - share), has the difference as its mean, so a base rate that moves in both
    arms alike spoils nothing (inverse propensity; Waudby-Smith et al. 2022). Raises SpecError for what is out of range.
    """
    _check_kind(state, "difference")
    x = _scaled(state, values)
    routed = _routed(x, canary, share, n=state.n, total=state.total)
    up = _added(state.up, _gaps(routed.gap, routed.room_up))
    down = _added(state.down, _gaps(-routed.gap, routed.room_down))
    return state._replace(n=state.n + x.size, total=float(routed.total), up=up, down=down)


def log_e_paths_randomised(
    values: ArrayLike, *, canary: ArrayLike, share: ArrayLike, difference: float, low: float, high: float
) -> tuple[Floats, Floats]:
    """Log e-values after each call for "canary less champion is above `difference`" and "below it": one known margin.

    Arguments as in `after_randomised`, of shape (..., n). Raises SpecError for what is out of range.
    """
    x = _scaled(start(low, high), values)
    delta = difference / (high - low)
    if not -1 < delta < 1:
        raise SpecError(f"Means in {low:g} to {high:g} cannot differ by {difference}.", cure="Give a smaller margin.")
    routed = _routed(x, canary, share, n=0, total=0.0)
    up, down = (routed.gap - delta) / routed.room_up, (delta - routed.gap) / routed.room_down
    return _mixed_path(up), _mixed_path(down)


class _Routed(NamedTuple):
    """An unbiased guess at the difference from each call, and the largest loss that a bet on it, or against it, could
    make per unit staked, whatever the candidate: known before the call. total: the sum of values, after the last.
    """

    gap: Floats
    room_up: Floats
    room_down: Floats
    total: Floats


def _routed(x: Floats, canary: ArrayLike, share: ArrayLike, *, n: int, total: float) -> _Routed:
    w = np.broadcast_to(np.asarray(share, dtype=np.float64), x.shape)
    arm = np.broadcast_to(np.asarray(canary, dtype=np.float64), x.shape)
    if not ((w > 0) & (w < 1)).all() or not ((arm == 0) | (arm == 1)).all():
        raise SpecError("A call was not routed by lot between two arms.", cure="Leave out calls at shares of 0 and 1.")
    before = np.full((*x.shape[:-1], 1), total)
    sums = np.add.accumulate(np.concatenate([before, x], axis=-1), axis=-1)
    seen = n + np.arange(sums.shape[-1] - 1, dtype=np.float64)
    centre: Floats = (0.5 + sums[..., :-1]) / (1 + seen)
    gap = (x - centre) * np.where(arm == 1, 1 / w, -1 / (1 - w))
    room_up = 1 + np.maximum(centre / w, (1 - centre) / (1 - w))
    room_down = 1 + np.maximum((1 - centre) / w, centre / (1 - w))
    return _Routed(gap, room_up, room_down, sums[..., -1])


class _Steps(NamedTuple):
    """Log of each bet's factor is log1p(stake * (slope * weight + offset)), one row per value, one column per candidate."""

    slope: Floats
    weight: Floats
    offset: Floats


def _fractions(x: Floats) -> _Steps:
    return _Steps(x[:, None], 1 / NODES, np.full((x.size, 1), -1.0))


def _gaps(gap: Floats, room: Floats) -> _Steps:
    return _Steps((-1 / room)[:, None], _DIFFERENCES, (gap / room)[:, None])


def _added(log_capital: Floats, steps: _Steps) -> Floats:
    """Log capital after the steps, added value by value: a sum in pairs would depend on how the batch was cut."""
    for begin in range(0, steps.slope.shape[0], _CHUNK):
        rows = slice(begin, begin + _CHUNK)
        per_stake = steps.slope[rows] * steps.weight + steps.offset[rows]
        gained = np.log1p(STAKES[:, None] * per_stake[:, None, :])
        log_capital = np.add.accumulate(np.concatenate([log_capital[None], gained]), axis=0)[-1]
    return log_capital


def _mixed_path(per_stake: Floats) -> Floats:
    path = np.full(per_stake.shape, -np.inf)
    for stake in STAKES:
        path = np.logaddexp(path, _LOG_PRIOR + np.add.accumulate(np.log1p(stake * per_stake), axis=-1))
    return path


def _end(log_capital: Floats, line: float, *, of_difference: bool = False) -> float:
    """The largest candidate, between nodes too, that the bettors have driven out; the range's end where there is none."""
    nodes = _DIFFERENCES if of_difference else NODES
    is_out = np.flatnonzero(np.logaddexp.reduce(log_capital, axis=0) + _LOG_PRIOR >= line)
    if not is_out.size:
        return -1.0 if of_difference else 0.0
    at = int(is_out[-1])
    if at == nodes.size - 1:
        return float(nodes[at])
    inside, outside = log_capital[:, at], log_capital[:, at + 1]
    part, step = 0.0, 0.5
    for _ in range(30):
        trial = part + step
        if float(np.logaddexp.reduce((1 - trial) * inside + trial * outside)) + _LOG_PRIOR >= line:
            part = trial
        step /= 2
    here, there = float(nodes[at]), float(nodes[at + 1])
    if of_difference:
        return here + part * (there - here)
    return 1 / (1 / here + part * (1 / there - 1 / here))


def _check_kind(state: Bettors, of: Of) -> None:
    if state.of != of:
        raise SpecError(f"These bettors are on a {state.of}, not on a {of}.", cure=f"Start others with of={of!r}.")


def _scaled(state: Bettors, values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    bad = x[~((x >= state.low) & (x <= state.high))]
    if bad.size:
        raise SpecError(
            f"A value of {bad[0]} is not in {state.low:g} to {state.high:g}.",
            cure="Cap the values, and declare the cap.",
        )
    return (x - state.low) / (state.high - state.low)
