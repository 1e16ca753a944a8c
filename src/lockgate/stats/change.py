"""Change over time: has the loss risen, or the mean shifted, since some record that nobody can name?

An e-detector of Shiryaev-Roberts form (Shin, Ramdas, Rinaldo 2022): `M_t = (M_{t-1} + 1) L_t`, the sum over every record
at which the change may have come of a bet begun there, in logs. If nothing changed then `E[L_t | past] <= 1`, so `M_t - t`
never rises on average, and an alarm at `M - headstart >= A` comes after A records or more on average, whatever their
dependence. Several alternatives have an M each and are averaged: a change feeds the bet that fits it. The other valid
mixture, inside L_t, is one bet of the mean size, for a bet linear in the record: sooner where that size happens to fit,
1.8 times the CUSUM optimum where it does not, against 1.2 at most for the average, so it is not kept. Each M begins not
at 0 but at 1 / (information per record) of its alternative, what it would hover about in quiet times (the SR-r rule;
Moustakides, Polunchenko, Tartakovsky 2011), and the promise is kept by taking that headstart off again: a change right at
the start costs 1.1 to 1.2 times the optimum instead of 1.3 to 1.5. tests/calibration/test_change_rates.py. METHODS 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.errors import SpecError
from lockgate.stats import tails

Floats = NDArray[np.float64]

# How many times the odds of a bad call may have risen, or by how many standard deviations a mean may have moved.
ODDS = np.array([1.2, 1.5, 2.2, 5.0, 25.0])
SHIFTS = np.array([0.12, 0.25, 0.5, 1.0, 2.5])
PRIOR = np.array([0.25, 0.25, 0.25, 0.17, 0.08])
_LOG_PRIOR = np.log(PRIOR)


class Watch(NamedTuple):
    """What a detector remembers: records seen, and for each alternative its sum of log bets and the log of the weight of
    every start so far in units of that sum; `log M_k = total_k + opened_k`. Arrays of shape (..., 5).
    """

    seen: int
    total: Floats
    opened: Floats
    headstart: Floats


def highest_risk(rows: int, bad: int, *, delta: float, tolerance: float = 0.0) -> float:
    """The risk that losses are held to: an upper bound of the reference's rate of bad rows, and a tolerance on top.

    The bound fails with chance `delta` over the draw of the reference (Clopper, Pearson 1934); the rows are taken as
    independent. For losses between 0 and 1, `lockgate.stats.mean_bet.interval` at alpha = 2 delta gives such a bound.
    Raises SpecError where the counts cannot be, or the result leaves no room under 1.
    """
    if not 0 <= bad <= rows or rows < 1:
        raise SpecError(f"{bad} bad rows among {rows} cannot be a reference.")
    if not 0 < delta < 1 or not 0 <= tolerance < 1:
        raise SpecError(f"A delta of {delta} and a tolerance of {tolerance} are not both rates.")
    found = tails.highest(rows, bad, delta=delta)
    if not found + tolerance < 1:
        raise SpecError(
            f"A reference of {bad} bad rows in {rows} and a tolerance of {tolerance:g} leave no rate to rise to.",
            cure="Give more reference rows, or a smaller tolerance.",
        )
    return found + tolerance


def start_losses(worst: float, *, streams: tuple[int, ...] = ()) -> Watch:
    """A watch for a rise of the mean loss above `worst` (`highest_risk`); several streams of one shape at once.

    Raises SpecError unless `worst` is in (0, 1).
    """
    odds_bet, clean_bet = _loss_bets(worst)
    risen = worst * odds_bet
    return _start(risen * np.log(odds_bet) + (1 - risen) * np.log(clean_bet), streams)


def after_losses(watch: Watch, losses: ArrayLike, *, worst: float, deff: ArrayLike = 1.0) -> tuple[Watch, Floats]:
    """The watch after a batch of losses, and log evidence after each: alarm at `log(A)` for a run length of A.

    losses: shape (..., n), in [0, 1], in canonical order; the path has that shape too, -inf while M is under its
    headstart. Any split into batches gives the same bits. Bets are `1 + lambda (loss - worst)` (Podkopaev, Ramdas 2022).
    Assumes that the mean loss given the past is at most `worst` while nothing has changed; for delayed losses, that the
    delay does not depend on the outcome. deff: 1 or more, one number or a loss's own, known before it: log bets are divided
    by it where losses come in runs; a bet so tempered is fair still (Jensen). Raises SpecError for a loss that is NaN or
    outside [0, 1].
    """
    odds_bet, clean_bet = _loss_bets(worst)
    x = np.asarray(losses, dtype=np.float64)
    if not ((x >= 0) & (x <= 1)).all():
        bad = x[~((x >= 0) & (x <= 1))]
        raise SpecError(f"A loss of {bad[0]} is not in [0, 1].", cure="Cap the loss and divide by its cap.")
    # A loss of 1 pays odds_bet, one of 0 pays clean_bet, and those between lie on the line.
    paid = np.log(clean_bet[:, None] + (odds_bet - clean_bet)[:, None] * x[..., None, :])
    tempered: Floats = paid / (
        np.asarray(deff, dtype=np.float64)[..., None, :] if np.ndim(deff) else float(np.asarray(deff))
    )
    return _after(watch, tempered)


def start_mean(*, streams: tuple[int, ...] = ()) -> Watch:
    """A watch for a rise of a Gaussian mean, in standard deviations; for a fall give the values and mean negated."""
    return _start(SHIFTS**2 / 2, streams)


def after_values(watch: Watch, values: ArrayLike, *, mean: float, sd: float) -> tuple[Watch, Floats]:
    """The watch after a batch of values, shape (..., n), and log evidence after each, as in `after_losses`.

    Assumes values of a Gaussian, or lighter, tail: `E[exp(s (x - mean)) | past] <= exp(s^2 sd^2 / 2)` for s >= 0.
    An estimated baseline enters as an upper bound of the mean. Raises SpecError for a value or baseline that is not
    finite, or an sd that is not positive.
    """
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise SpecError(
            f"A value of {x[~np.isfinite(x)][0]} cannot be watched.", cure="Leave out rows without a value."
        )
    if not math.isfinite(mean) or not 0 < sd < math.inf:
        raise SpecError(f"A mean of {mean} and an sd of {sd} are no baseline.", cure="Take both from a reference.")
    z = (x - mean) / sd
    return _after(watch, SHIFTS[:, None] * z[..., None, :] - (SHIFTS**2 / 2)[:, None])


def _loss_bets(worst: float) -> tuple[Floats, Floats]:
    """What each alternative pays for a loss of 1, and for a loss of 0; fair at `worst`."""
    if not 0 < worst < 1:
        raise SpecError(f"Losses cannot be held to {worst}.", cure="Give a risk between 0 and 1; see `highest_risk`.")
    clean = 1 / (1 + worst * (ODDS - 1))
    return ODDS * clean, clean


def _start(information: Floats, streams: tuple[int, ...]) -> Watch:
    headstart = np.broadcast_to(1 / information, (*streams, ODDS.size))
    return Watch(0, np.zeros(headstart.shape), np.log(headstart), headstart)


def _after(watch: Watch, log_bets: Floats) -> tuple[Watch, Floats]:
    """log_bets: shape (..., 5, n). Written as M_t = exp(S_t) (head + sum_{j<t} exp(-S_j)), which accumulates in one pass.

    Accumulation goes record by record, and so do the sums over alternatives: pairwise sums would depend on the batch.
    """
    total = np.add.accumulate(np.concatenate([watch.total[..., None], log_bets], axis=-1), axis=-1)
    opened = np.logaddexp.accumulate(np.concatenate([watch.opened[..., None], -total[..., :-1]], axis=-1), axis=-1)
    log_m = (total + opened + _LOG_PRIOR[:, None])[..., 1:]
    log_mean, log_head = log_m[..., 0, :], _LOG_PRIOR[0] + np.log(watch.headstart[..., 0, None])
    for k in range(1, ODDS.size):
        log_mean = np.logaddexp(log_mean, log_m[..., k, :])
        log_head = np.logaddexp(log_head, _LOG_PRIOR[k] + np.log(watch.headstart[..., k, None]))
    seen = watch.seen + log_bets.shape[-1]
    return Watch(seen, total[..., -1], opened[..., -1], watch.headstart), _log_less(log_mean, log_head)


def _log_less(log_whole: Floats, log_part: Floats) -> Floats:
    """log(exp(log_whole) - exp(log_part)), -inf where that is not positive."""
    gap = log_part - log_whole
    with np.errstate(divide="ignore"):
        left: Floats = np.where(gap < 0, log_whole + np.log(-np.expm1(np.minimum(gap, 0.0))), -np.inf)
    return left
