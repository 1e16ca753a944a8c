"""How columns moved over time, from profiles counted over the same cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.records.profile import ColumnProfile, Profile
from lockgate.stats.distance import total_variation


def variations(reference: Profile, windows: Sequence[Profile]) -> dict[str, tuple[float, ...]]:
    """Total variation to the reference, by column, one figure for each window that has rows. Those counted over other cells
    are left out.
    """
    fit = [window for window in windows if window.rows and window.cells == reference.cells]
    found: dict[str, tuple[float, ...]] = {}
    for place, column in enumerate(reference.columns):
        before = np.array(column.counts)
        found[column.name] = tuple(total_variation(before, np.array(w.columns[place].counts)) for w in fit)
    return found


def prediction_column(profile: Profile) -> ColumnProfile | None:
    """What the model said, as numbers; the first where there are several classes."""
    return next((c for c in profile.columns if c.role == "prediction" and c.moments is not None), None)
