"""What is known of a rollout: its blocks, and the open days' counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.harm import HarmInput
from lockgate.records import Cell, PairBlock, Rollout

Floats = NDArray[np.float64]
FEWEST_PAIRS = 30


class RolloutEvidence:
    """One rollout's evidence in one canonical order: days by their start."""

    def __init__(self, rollout: Rollout, blocks: Iterable[PairBlock], open_cells: Mapping[float, Cell]) -> None:
        self.rollout = rollout
        self.blocks = sorted(blocks, key=lambda block: block.start_s)
        # A day with a handful of pairs is no observation of a day: its calls go on counting for harm.
        self.judged = [block for block in self.blocks if block.scored >= FEWEST_PAIRS]
        self.cells = merge([cell for block in self.blocks for cell in block.cells] + list(open_cells.values()))

    @property
    def history(self) -> Floats:
        return np.array(self.rollout.history, dtype=np.float64)

    @property
    def differences(self) -> Floats:
        return np.array([block.difference for block in self.judged], dtype=np.float64)

    def harm_input(self) -> HarmInput:
        return HarmInput(
            cells=list(self.cells.values()),
            champion_loss=np.array([block.champion_loss / block.scored for block in self.judged], dtype=np.float64),
            challenger_loss=np.array([block.challenger_loss / block.scored for block in self.judged], dtype=np.float64),
            history=self.history,
        )

    def cell(self, share: float) -> Cell:
        return self.cells.get(share, Cell(share=share))


def merge(cells: Sequence[Cell]) -> dict[float, Cell]:
    """Counts by share, in the order of the shares: exact integers, so any order of merging gives the same."""
    found: dict[float, Cell] = {}
    for cell in cells:
        found[cell.share] = found.get(cell.share, Cell(share=cell.share)) + cell
    return dict(sorted(found.items()))
