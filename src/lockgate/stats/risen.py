"""Has a daily difference risen above nought and stayed there, since some day that nobody can name?

An e-detector on losses in [0, 1] (`stats.change`, METHODS 4) for days whose spread nobody knows beforehand. Each day's value
is put on the scale of the days before it, their median absolute deviation, which a decay does not stretch before it is half
of them; held between LEAST below and MOST above nought, so that one day says only so much; and made a loss. Days that go
together are tempered: log bets are divided by (1 + r) / (1 - r), r the lag-1 correlation of the days before, pulled to
PRIOR_LAG1 by as much as PRIOR_DAYS days say. Everything a day's bet rests on was known before that day.

The mean of a day given the past is to be nought at most while nothing has changed. Runs of days break that within a run,
which is what the tempering is for: measured, not proved (tests/calibration/test_decay_rates.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.stats import change

Floats = NDArray[np.float64]
FIRST = 10
"""Days that say only what is usual: nothing is bet on them."""
LOOK_BACK = 90
LEAST, MOST = 5.0, 10.0
SPREADS = 3.0
PRIOR_LAG1, PRIOR_DAYS = 0.5, 20.0
_WORST = LEAST / (LEAST + MOST)
_TO_SD = 1.4826  # of the median absolute deviation, for a Gaussian


class Rise(NamedTuple):
    """log_m: shape (n,), log evidence after each day, 0 where there is none; an alarm at log(A) comes after A days or more
    on average while nothing changed. since: the day, from 0, on which the rise began that the evidence now rests on; None
    where there is none.
    """

    log_m: Floats
    since: int | None


def rise(values: Floats) -> Rise:
    """values: shape (n,), one a day, oldest first; above nought is worse. Raises SpecError for one that is not finite."""
    if not np.isfinite(values).all():
        raise SpecError("A day has no value.", cure="Leave out days without outcomes.")
    if values.size <= FIRST:
        return Rise(np.zeros(values.size), None)
    scale, deff = _usual(values)
    z = np.divide(values, scale, out=np.zeros(values.size), where=scale > 0)
    loss = (np.clip(z, -LEAST, MOST) + LEAST) / (LEAST + MOST)
    loss[:FIRST] = _WORST
    watch = change.start_losses(_WORST)
    _, path = change.after_losses(watch, loss[FIRST:], worst=_WORST, deff=deff[FIRST:])
    log_m = np.concatenate([np.zeros(FIRST), np.maximum(path, 0.0)])
    if log_m[-1] <= 0:
        return Rise(log_m, None)
    return Rise(log_m, FIRST + _since(z[FIRST:]))


def _since(z: Floats) -> int:
    """Where the days part best into lower ones and higher ones after them, by least squares (Hinkley 1970); 0 where no day
    does. One wild day counts as one that is SPREADS off.
    """
    held = np.clip(z, -SPREADS, SPREADS)
    before = np.arange(1, held.size)
    sums = np.cumsum(held)[:-1]
    gap = (held.sum() - sums) / (held.size - before) - sums / before
    gain = np.where(gap > 0, gap**2 * before * (held.size - before), 0.0)
    return int(before[np.argmax(gain)]) if gain.size and gain.max() > 0 else 0


def _usual(values: Floats) -> tuple[Floats, Floats]:
    """Each day's scale and tempering, from the days before it alone; nought and 1 before the first."""
    scale, deff = np.zeros(values.size), np.ones(values.size)
    for day in range(FIRST, min(LOOK_BACK, values.size)):
        scale[day : day + 1], deff[day : day + 1] = _of_pasts(values[np.newaxis, :day])
    if values.size > LOOK_BACK:
        scale[LOOK_BACK:], deff[LOOK_BACK:] = _of_pasts(
            np.lib.stride_tricks.sliding_window_view(values, LOOK_BACK)[:-1]
        )
    return scale, deff


def _of_pasts(past: Floats) -> tuple[Floats, Floats]:
    """past: shape (k, m), the m days before each of k days. Returns shape (k,), (k,)."""
    off = past - np.median(past, axis=1, keepdims=True)
    scale = _TO_SD * np.median(np.abs(off), axis=1)
    held = np.clip(off, -SPREADS * scale[:, np.newaxis], SPREADS * scale[:, np.newaxis])
    centred = held - held.mean(axis=1, keepdims=True)
    spread = np.square(centred).sum(axis=1)
    shared = (centred[:, 1:] * centred[:, :-1]).sum(axis=1)
    lag1 = np.where(spread > 0, shared / np.where(spread > 0, spread, 1.0), 0.0)
    pulled = (PRIOR_DAYS * PRIOR_LAG1 + past.shape[1] * np.clip(lag1, 0.0, 0.9)) / (PRIOR_DAYS + past.shape[1])
    return scale, (1 + pulled) / (1 - pulled)
