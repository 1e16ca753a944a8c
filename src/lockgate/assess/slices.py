"""Rows cut into slices: every level of every named column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.slices import Part
from lockgate.errors import SpecError

Floats = NDArray[np.float64]

MOST_LEVELS = 200


def parts(columns: Mapping[str, NDArray[Any]], difference: Floats, block: NDArray[Any] | None) -> list[Part]:
    """Sums and counts per block of each slice. columns: by name, shape (n,), levels as text; difference: shape (n,);
    block: shape (n,), None where each row is its own.

    Raises SpecError for a column of more than 200 levels: that is a unit, or a number, and no slice.
    """
    blocks, place = np.unique(np.empty(0) if block is None else block, return_inverse=True)
    found: list[Part] = []
    for name, values in columns.items():
        levels, level = np.unique(values, return_inverse=True)
        if levels.size > MOST_LEVELS:
            raise SpecError(
                f"{name} has {levels.size:,} levels, too many for slices.",
                cure="Name a column of a few, or bin it first.",
            )
        if block is None:
            rows = [difference[level == at] for at in range(levels.size)]
            found += [Part(name, str(levels[at]), own, np.ones(own.size)) for at, own in enumerate(rows)]
            continue
        cell = level * blocks.size + place
        sums = np.bincount(cell, weights=difference, minlength=levels.size * blocks.size).reshape(levels.size, -1)
        counts = np.bincount(cell, minlength=levels.size * blocks.size).reshape(levels.size, -1)
        found += [
            Part(name, str(levels[row]), sums[row].astype(np.float64), counts[row].astype(np.float64))
            for row in range(levels.size)
        ]
    return found
