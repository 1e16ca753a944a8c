"""Summary metrics: one number over many rows; reported, or judged per block, never per call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics import pulls, shares
from lockgate.metrics.losses import CLASSES, LOSSES, decided
from lockgate.metrics.shares import Shares

Floats = NDArray[np.float64]
Scale = Literal["plain", "logit", "log", "explained"]


@dataclass(frozen=True, kw_only=True)
class SummaryMetric:
    """pull: each row's pull (metrics.pulls), None where the metric has none. scale: where its errors are near to even:
    "logit" of a share in (0, 1), "log" of a positive number, "explained" of log(1 - value). shares: what it is a mean of,
    where that can be counted (metrics.shares).
    """

    name: str
    tasks: tuple[str, ...]
    direction: Literal["up", "down"]
    of: Callable[[Floats, Floats], float]
    pull: Callable[[Floats, Floats], Floats] | None = None
    scale: Scale = "plain"
    shares: Callable[[Floats, Floats], Shares] | None = None


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
    """Mean distance of chance and frequency over ten bins of equal width, weighted by rows (Naeini et al. 2015); of many
    classes, that of the likeliest one and of its being right (Guo et al. 2017).
    """
    chance, came = top_chance(value, outcome)
    place = np.minimum((chance * 10).astype(np.int64), 9)
    rows = np.bincount(place, minlength=10)
    gap = np.abs(np.bincount(place, weights=chance, minlength=10) - np.bincount(place, weights=came, minlength=10))
    return float(gap.sum() / rows.sum())


def top_chance(value: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """The chance that was given and whether it came true, shape (n,) each: as they are, or the likeliest class's."""
    if value.ndim == 1:
        return value, outcome
    return value.max(axis=1), (decided(value) == outcome).astype(np.float64)


def brier(value: Floats, outcome: Floats) -> float:
    return float(np.mean((value - outcome) ** 2))


def accuracy(value: Floats, outcome: Floats) -> float:
    """Share of right decisions: at one half, or the likeliest class."""
    return 1.0 - float(LOSSES["zero_one"].of(value, outcome).mean())


def balanced_accuracy(value: Floats, outcome: Floats) -> float:
    """Mean over the classes that occur of the share of their rows that were decided right."""
    says = decided(value)
    return float(np.mean([(says == label)[outcome == label].mean() for label in np.unique(outcome)]))


def macro_f1(value: Floats, outcome: Floats) -> float:
    """Mean of each class's F1, over the classes that occur or are said."""
    return float(np.mean([_f1_of(value, outcome, label) for label in _occurring(value, outcome)]))


def macro_auc(value: Floats, outcome: Floats) -> float:
    """Mean, over the classes that occur, of the AUC of each one's chance against all others (Provost, Domingos 2000)."""
    labels = _present(outcome)
    if not labels:
        return float("nan")
    return float(np.mean([roc_auc(value[:, label], (outcome == label).astype(np.float64)) for label in labels]))


def rmse(value: Floats, outcome: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(value - outcome))))


def r2(value: Floats, outcome: Floats) -> float:
    """Share of the outcome's variance that the predictions explain; negative where the mean would do better."""
    spread = float(np.square(outcome - outcome.mean()).sum())
    return 1.0 - float(np.square(value - outcome).sum()) / spread if spread > 0 else float("nan")


def relative_error(value: Floats, outcome: Floats) -> float:
    """Sum of the absolute errors over the sum of the outcomes' sizes (Kolassa, Schuetz 2007)."""
    size = float(np.abs(outcome).sum())
    return float(np.abs(value - outcome).sum()) / size if size > 0 else float("nan")


def skill(loss_sum: float, base_loss_sum: float) -> float:
    """Share of the base rate's own loss that the model removes: 1 perfect, 0 no better than the base rate.

    The raw loss of a quiet season looks good on any model; skill compares each window with its own base rate.
    """
    return 1.0 - loss_sum / base_loss_sum if base_loss_sum > 0 else float("nan")


def _f1_of(value: Floats, outcome: Floats, label: float) -> float:
    says, is_it = decided(value) == label, outcome == label
    return 2.0 * int((says & is_it).sum()) / (int(says.sum()) + int(is_it.sum()))


def _occurring(value: Floats, outcome: Floats) -> list[float]:
    found: list[float] = np.union1d(decided(value), outcome).tolist()
    return found


def _present(outcome: Floats) -> list[int]:
    """Classes that some rows have and some have not, as far as they are known."""
    labels = np.unique(outcome)
    return [int(label) for label in labels.tolist() if label >= 0] if labels.size > 1 else []


def _mean_of(name: str) -> Callable[[Floats, Floats], float]:
    return lambda value, outcome: float(LOSSES[name].of(value, outcome).mean())


def _pull_of_loss(name: str) -> Callable[[Floats, Floats], Floats]:
    return lambda value, outcome: pulls.of_mean(LOSSES[name].of(value, outcome))


def _pull_f1(value: Floats, outcome: Floats) -> Floats:
    return _pull_f1_of(value, outcome, 1.0)


def _pull_f1_of(value: Floats, outcome: Floats, label: float) -> Floats:
    says, is_it = decided(value) == label, outcome == label
    return pulls.of_ratio(2.0 * (says & is_it), says.astype(np.float64) + is_it)


def _pull_balanced(value: Floats, outcome: Floats) -> Floats:
    is_right = (decided(value) == outcome).astype(np.float64)
    each = [pulls.of_ratio(is_right * (outcome == label), (outcome == label) * 1.0) for label in np.unique(outcome)]
    return _average(each)


def _pull_macro_f1(value: Floats, outcome: Floats) -> Floats:
    return _average([_pull_f1_of(value, outcome, label) for label in _occurring(value, outcome)])


def _pull_macro_auc(value: Floats, outcome: Floats) -> Floats:
    return _average([pulls.of_auc(value[:, label], outcome == label) for label in _present(outcome)])


def _average(each: list[Floats]) -> Floats:
    found: Floats = np.sum(each, axis=0) / len(each)
    return found


def _pull_rmse(value: Floats, outcome: Floats) -> Floats:
    root = rmse(value, outcome)
    return pulls.of_mean(np.square(value - outcome)) / (2 * root) if root > 0 else np.zeros(outcome.size)


def _pull_r2(value: Floats, outcome: Floats) -> Floats:
    return -pulls.of_ratio(np.square(value - outcome), np.square(outcome - outcome.mean()))


def _pull_relative(value: Floats, outcome: Floats) -> Floats:
    return pulls.of_ratio(np.abs(value - outcome), np.abs(outcome))


_BINARY, _MANY, _NUMBERS = ("binary",), ("multiclass",), ("regression",)
SUMMARIES = {
    metric.name: metric
    for metric in (
        SummaryMetric(
            name="roc_auc",
            tasks=_BINARY,
            direction="up",
            of=roc_auc,
            pull=lambda value, outcome: pulls.of_auc(value, outcome >= 0.5),
            scale="logit",
        ),
        SummaryMetric(
            name="average_precision",
            tasks=_BINARY,
            direction="up",
            of=average_precision,
            pull=lambda value, outcome: pulls.of_average_precision(value, outcome >= 0.5),
            scale="logit",
        ),
        SummaryMetric(
            name="f1", tasks=_BINARY, direction="up", of=f1, pull=_pull_f1, scale="logit", shares=shares.of_f1
        ),
        SummaryMetric(name="calibration_error", tasks=CLASSES, direction="down", of=calibration_error),
        SummaryMetric(
            name="log_loss", tasks=CLASSES, direction="down", of=_mean_of("log_loss"), pull=_pull_of_loss("log_loss")
        ),
        SummaryMetric(name="brier", tasks=CLASSES, direction="down", of=_mean_of("brier"), pull=_pull_of_loss("brier")),
        SummaryMetric(
            name="accuracy",
            tasks=CLASSES,
            direction="up",
            of=accuracy,
            pull=lambda value, outcome: -_pull_of_loss("zero_one")(value, outcome),
            scale="logit",
        ),
        SummaryMetric(
            name="balanced_accuracy",
            tasks=CLASSES,
            direction="up",
            of=balanced_accuracy,
            pull=_pull_balanced,
            scale="logit",
            shares=shares.of_recalls,
        ),
        SummaryMetric(
            name="macro_f1",
            tasks=_MANY,
            direction="up",
            of=macro_f1,
            pull=_pull_macro_f1,
            scale="logit",
            shares=shares.of_macro_f1,
        ),
        SummaryMetric(name="macro_auc", tasks=_MANY, direction="up", of=macro_auc, pull=_pull_macro_auc, scale="logit"),
        SummaryMetric(
            name="absolute_error",
            tasks=_NUMBERS,
            direction="down",
            of=_mean_of("absolute_error"),
            pull=_pull_of_loss("absolute_error"),
        ),
        SummaryMetric(name="rmse", tasks=_NUMBERS, direction="down", of=rmse, pull=_pull_rmse, scale="log"),
        SummaryMetric(name="r2", tasks=_NUMBERS, direction="up", of=r2, pull=_pull_r2, scale="explained"),
        SummaryMetric(
            name="relative_error",
            tasks=_NUMBERS,
            direction="down",
            of=relative_error,
            pull=_pull_relative,
            scale="log",
        ),
    )
}
