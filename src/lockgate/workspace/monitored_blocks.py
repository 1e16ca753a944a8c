"""The blocks by which a table of predictions is judged for decay: each a day, and a mean loss beside its base rate's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics import Loss
from lockgate.monitor.champion import FEWEST_SCORED
from lockgate.records.duration import UNITS_S
from lockgate.workspace.monitored_tables import Calls

Floats = NDArray[np.float64]


class Blocks(NamedTuple):
    """In order, those with outcomes enough. ends_s, loss, base: shape (n,): when each ended, its mean loss, and that of its
    own mean outcome. width_s: how long each is.
    """

    width_s: float
    ends_s: Floats
    loss: Floats
    base: Floats

    def until(self, at_s: float) -> Blocks:
        """Those that were over by then."""
        over = int(np.searchsorted(self.ends_s, at_s, side="right"))
        return Blocks(self.width_s, self.ends_s[:over], self.loss[:over], self.base[:over])


def blocks(made: Calls, loss: Loss, window_s: float) -> Blocks:
    """Days, where days hold rows enough; else windows. A block counts with half as many outcomes as is usual, at most 30."""
    width_s = _width_s(made, window_s)
    block = np.floor(made.at_s / width_s)
    usual = int(np.median(np.unique(block, return_counts=True)[1]))
    there = np.flatnonzero(~np.isnan(made.value) & ~np.isnan(made.outcome))
    own, first = np.unique(block[there], return_index=True)
    found: list[tuple[float, float, float]] = []
    for at, rows in zip(own.tolist(), np.split(there, first)[1:], strict=True):
        if rows.size >= min(FEWEST_SCORED, max(2, usual // 2)):
            outcome = made.outcome[rows]
            lost = float(loss.of(made.value[rows], outcome).mean())
            of_base = float(loss.of(np.full(rows.size, outcome.mean()), outcome).mean())
            found.append(((at + 1) * width_s, lost, of_base))
    ends_s, losses, bases = np.array(found, dtype=np.float64).reshape(-1, 3).T
    return Blocks(width_s, ends_s, losses, bases)


def _width_s(made: Calls, window_s: float) -> float:
    per_day = np.unique(np.floor(made.at_s / UNITS_S["d"]), return_counts=True)[1]
    days = (float(made.at_s[-1]) - float(made.at_s[0])) / UNITS_S["d"] + 1
    return UNITS_S["d"] if np.median(per_day) >= FEWEST_SCORED and per_day.size > days / 2 else window_s
