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
        SummaryMetric(name="log_loss", tasks=("binary",), direction="down", of=_mean_of("log_loss")),
        SummaryMetric(name="brier", tasks=("binary",), direction="down", of=brier),
        SummaryMetric(name="absolute_error", tasks=("regression",), direction="down", of=_mean_of("absolute_error")),
    )
}
