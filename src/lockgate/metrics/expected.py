"""Metrics of two classes from the chance that each row is a 1: expected ones from chances, realised ones from 0 and 1.

Every figure is linear in the rows' outcomes or a ratio of such sums, so that one formula serves both: put in what came true
and it is the metric; put in calibrated chances and it is what the metric is to be expected, if they are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics.losses import CLIP

Floats = NDArray[np.float64]
DIRECTIONS: Mapping[str, Literal["up", "down"]] = {
    "log_loss": "down",
    "brier": "down",
    "roc_auc": "up",
    "accuracy": "up",
    "precision": "up",
    "recall": "up",
    "specificity": "up",
    "f1": "up",
}
WHY = {
    "roc_auc": "one class only, or one row",
    "precision": "no row is predicted 1",
    "recall": "no row is 1",
    "specificity": "no row is 0",
    "f1": "no row is 1 or predicted 1",
}
_NOUGHT = 1e-12


class Cells(NamedTuple):
    """Expected rows by decision and outcome."""

    hits: float
    false_alarms: float
    misses: float
    rejections: float


def cells(says: NDArray[np.bool_], chance: Floats) -> Cells:
    """says: shape (n,), rows predicted 1; chance: shape (n,), of being 1, or 0 and 1."""
    yes, no = chance[says], chance[~says]
    hits, misses = float(yes.sum()), float(no.sum())
    return Cells(hits, yes.size - hits, misses, no.size - misses)


def measures(value: Floats, chance: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Every metric of DIRECTIONS; nan where the rows have none, for the reason in WHY.

    value: shape (n,), what was said, the chance of 1 in [0, 1]; chance: shape (n,), what is held to be true, in [0, 1].
    threshold: from which value on a row is predicted 1.
    """
    found = cells(value >= threshold, chance)
    rows = float(value.size)
    clipped = np.clip(value, CLIP, 1 - CLIP)
    ones, noughts = found.hits + found.misses, found.false_alarms + found.rejections
    return {
        "log_loss": _mean(-(chance * np.log(clipped) + (1 - chance) * np.log1p(-clipped))),
        "brier": _mean(chance * (1 - value) ** 2 + (1 - chance) * value**2),
        "roc_auc": roc_auc(value, chance),
        "accuracy": _ratio(found.hits + found.rejections, rows),
        "precision": _ratio(found.hits, found.hits + found.false_alarms),
        "recall": _ratio(found.hits, ones),
        "specificity": _ratio(found.rejections, noughts),
        "f1": _ratio(2 * found.hits, 2 * found.hits + found.false_alarms + found.misses),
    }


def roc_auc(value: Floats, chance: Floats) -> float:
    """Chance that a 1 is ranked above a 0, each row being a 1 with its chance; ties half. nan of one row, and where one
    class is absent.
    """
    ones = float(chance.sum())
    noughts = chance.size - ones
    if value.size < 2 or ones < _NOUGHT or noughts < _NOUGHT:
        return math.nan
    _, place = np.unique(value, return_inverse=True)
    up = np.bincount(place, weights=chance)
    down = np.bincount(place, weights=1 - chance)
    below = np.cumsum(down) - down
    # A row is never ranked against itself, but its chance of 1 times its chance of 0 stands among the tied pairs: as in
    # the area under the expected curve, which is what CBPE is known for.
    return float((up * (below + down / 2)).sum() / (ones * noughts))


def auc_pull(value: Floats, chance: Floats) -> Floats:
    """The AUC's derivative in each row's chance of 1, shape (n,); noughts where the AUC is none."""
    area = roc_auc(value, chance)
    if math.isnan(area):
        return np.zeros(value.size)
    ones = float(chance.sum())
    noughts = chance.size - ones
    _, place = np.unique(value, return_inverse=True)
    up, down = np.bincount(place, weights=chance), np.bincount(place, weights=1 - chance)
    below = np.cumsum(down) - down / 2
    above = np.cumsum(up[::-1])[::-1] - up / 2
    pairs = (below - above)[place]
    found: Floats = pairs / (ones * noughts) - area / ones + area / noughts
    return found


def loss_pull(name: str, value: Floats) -> Floats:
    """How a row's loss changes where it is a 1 and not a 0, shape (n,). name: log_loss or brier."""
    if name == "brier":
        return np.asarray(1 - 2 * value, dtype=np.float64)
    clipped = np.clip(value, CLIP, 1 - CLIP)
    return np.asarray(np.log1p(-clipped) - np.log(clipped), dtype=np.float64)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > _NOUGHT else math.nan


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan
