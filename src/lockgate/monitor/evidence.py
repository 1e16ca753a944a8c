"""What is known of a rollout's worth: its blocks, in one canonical order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lockgate.records import PairBlock, Rollout

Floats = NDArray[np.float64]
FEWEST_PAIRS = 30


class RolloutEvidence:
    """One rollout's blocks, by their start."""

    def __init__(self, rollout: Rollout, blocks: Iterable[PairBlock]) -> None:
        self.rollout = rollout
        # A day with a handful of pairs is no observation of a day: its calls count for harm alone.
        self.judged = sorted((b for b in blocks if b.scored >= FEWEST_PAIRS), key=lambda block: block.start_s)

    @property
    def history(self) -> Floats:
        return np.array(self.rollout.history, dtype=np.float64)

    @property
    def differences(self) -> Floats:
        return np.array([block.difference for block in self.judged], dtype=np.float64)

    def coverage(self, blocks: int) -> float | None:
        """Share of the pairs in the first `blocks` blocks whose outcome is known."""
        pairs = sum(cell.pairs for block in self.judged[:blocks] for cell in block.cells)
        return sum(block.scored for block in self.judged[:blocks]) / pairs if pairs else None

    @property
    def champion_loss(self) -> Floats:
        return np.array([block.champion_loss / block.scored for block in self.judged], dtype=np.float64)

    @property
    def challenger_loss(self) -> Floats:
        return np.array([block.challenger_loss / block.scored for block in self.judged], dtype=np.float64)
