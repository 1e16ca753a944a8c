"""The log likelihood of every ratio of the grid, from exact counts: cheap to keep, summed only where a look asks for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.label_bet import GRID, log_gain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CELLS = 64
_LOG_GRID = np.log(GRID)


class Likelihood:
    """Bad calls by share and arm for the first 64 shares; later shares go straight into `rest`, so that the state stays
    small under a share that moves with every call. Either way the order of the calls alone decides the bits.
    """

    def __init__(self) -> None:
        self.cells: dict[float, list[int]] = {}
        self.rest = np.zeros(GRID.size)
        self._clean: dict[float, Floats] = {}

    def one(self, share: float, label: int) -> None:
        cell = self._cell(share)
        if cell is None:
            self.rest = self.rest + log_gain(share, GRID, _LOG_GRID, label)
        else:
            cell[label] += 1

    def many(self, share: Floats, label: Ints) -> None:
        """Bad calls in their order; the same bits as `one` by one."""
        if not share.size:
            return
        names, first, which = np.unique(share, return_index=True, return_inverse=True)
        is_kept = np.zeros(names.size, dtype=bool)
        for place in np.argsort(first):
            cell = self._cell(float(names[place]))
            if cell is not None:
                is_kept[place] = True
                canary = int(label[which == place].sum())
                cell[0] += int((which == place).sum()) - canary
                cell[1] += canary
        for other in np.flatnonzero(~is_kept[which]):
            self.rest = self.rest + log_gain(float(share[other]), GRID, _LOG_GRID, int(label[other]))

    def total(self) -> Floats:
        """Shape (67,): each ratio's log likelihood."""
        found = self.rest
        for share, (champion, canary) in self.cells.items():
            if share not in self._clean:
                self._clean[share] = np.log(1.0 + share * (GRID - 1.0))
            found = found + (canary * _LOG_GRID - (champion + canary) * self._clean[share])
        return found

    def _cell(self, share: float) -> list[int] | None:
        found = self.cells.get(share)
        if found is None and len(self.cells) < MOST_CELLS:
            found = self.cells[share] = [0, 0]
        return found
