"""How columns moved over time, from profiles counted over the same cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.records.drift import Moved
from lockgate.records.profile import ColumnProfile, Profile
from lockgate.report.monitored.told import DriftRow
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


def drift_rows(moved: Sequence[Moved], reference: Profile, windows: Sequence[Profile]) -> tuple[DriftRow, ...]:
    """What moved, each with its course over these windows; a pair has none."""
    courses = variations(reference, windows)
    return tuple(
        DriftRow(
            m.name, m.other is not None, m.says, m.is_listed, m.distance, m.shift, m.importance, courses.get(m.name, ())
        )
        for m in moved
    )


def prediction_column(profile: Profile) -> ColumnProfile | None:
    """What the model said, as numbers; the first where there are several classes."""
    return next((c for c in profile.columns if c.role == "prediction" and c.moments is not None), None)
