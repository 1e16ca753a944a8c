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
    return Rise(log_m, FIRST + change.losses_since(loss[FIRST:], worst=_WORST, deff=deff[FIRST:]))


def _usual(values: Floats) -> tuple[Floats, Floats]:
    """Each day's scale and tempering, from the days before it alone; nought and 1 before the first."""
    scale, deff = np.zeros(values.size), np.ones(values.size)
    for day in range(FIRST, values.size):
        past = values[max(0, day - LOOK_BACK) : day]
        middle = float(np.median(past))
        scale[day] = _TO_SD * float(np.median(np.abs(past - middle)))
        lag1 = _lag1(np.clip(past - middle, -3 * scale[day], 3 * scale[day]))
        held = (PRIOR_DAYS * PRIOR_LAG1 + past.size * min(0.9, max(0.0, lag1))) / (PRIOR_DAYS + past.size)
        deff[day] = (1 + held) / (1 - held)
    return scale, deff


def _lag1(values: Floats) -> float:
    centred = values - values.mean()
    spread = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / spread if spread > 0 else 0.0
