"""How far two profiles stand apart, as numbers for a person; no evidence in themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError

Counts = NDArray[np.int64]


def total_variation(reference: Counts, window: Counts) -> float:
    """Half the absolute difference of two sets of cell shares: 0 alike, 1 disjoint. Counts: shape (cells,), same cells."""
    if reference.shape != window.shape:
        raise SpecError(f"Profiles of {reference.size} and {window.size} cells cannot be compared.")
    if not reference.sum() or not window.sum():
        raise SpecError("A profile without rows cannot be compared.", cure="Wait for calls, or widen the window.")
    return float(0.5 * np.abs(reference / reference.sum() - window / window.sum()).sum())
