"""Summary metrics: one number over many rows; reported, or judged per block, never per call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics.losses import LOSSES

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SummaryMetric:
    name: str
    tasks: tuple[str, ...]
    direction: Literal["up", "down"]
    of: Callable[[Floats, Floats], float]


def roc_auc(value: Floats, outcome: Floats) -> float:
    """Chance that a positive is ranked above a negative, ties half; nan where one class is absent (Mann, Whitney 1947)."""
    positive = outcome >= 0.5
    n1 = int(positive.sum())
    n0 = value.size - n1
    if not n1 or not n0:
        return float("nan")
    _, inverse, counts = np.unique(value, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def average_precision(value: Floats, outcome: Floats) -> float:
    """Area under precision over recall, as a sum of steps, ties together; nan without positives (Davis, Goadrich 2006)."""
    positive = outcome >= 0.5
    if not positive.any():
        return float("nan")
    order = np.argsort(-value, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(value[order])), value.size - 1)
    found = hits[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / positive.sum())


def f1(value: Floats, outcome: Floats) -> float:
    """Twice the hits over predicted and true positives together, cut at one half; 0 where there are none of either."""
    predicted, positive = value >= 0.5, outcome >= 0.5
    total = int(predicted.sum()) + int(positive.sum())
    return 2.0 * int((predicted & positive).sum()) / total if total else 0.0


def calibration_error(value: Floats, outcome: Floats) -> float:
    """Mean distance of chance and frequency over ten bins of equal width, weighted by rows (Naeini et al. 2015)."""
    place = np.minimum((value * 10).astype(np.int64), 9)
    rows = np.bincount(place, minlength=10)
    gap = np.abs(np.bincount(place, weights=value, minlength=10) - np.bincount(place, weights=outcome, minlength=10))
    return float(gap.sum() / rows.sum())


def brier(value: Floats, outcome: Floats) -> float:
    return float(np.mean((value - outcome) ** 2))


def skill(loss_sum: float, base_loss_sum: float) -> float:
    """Share of the base rate's own loss that the model removes: 1 perfect, 0 no better than the base rate.

    The raw loss of a quiet season looks good on any model; skill compares each window with its own base rate.
    """
    return 1.0 - loss_sum / base_loss_sum if base_loss_sum > 0 else float("nan")


def _mean_of(name: str) -> Callable[[Floats, Floats], float]:
    return lambda value, outcome: float(LOSSES[name].of(value, outcome).mean())


SUMMARIES = {
    metric.name: metric
    for metric in (
        SummaryMetric(name="roc_auc", tasks=("binary",), direction="up", of=roc_auc),
        SummaryMetric(name="average_precision", tasks=("binary",), direction="up", of=average_precision),
        SummaryMetric(name="f1", tasks=("binary",), direction="up", of=f1),
        SummaryMetric(name="calibration_error", tasks=("binary",), direction="down", of=calibration_error),
        SummaryMetric(name="log_loss", tasks=("binary",), direction="down", of=_mean_of("log_loss")),
        SummaryMetric(name="brier", tasks=("binary",), direction="down", of=brier),
        SummaryMetric(name="absolute_error", tasks=("regression",), direction="down", of=_mean_of("absolute_error")),
    )
}
