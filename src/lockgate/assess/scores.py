"""Metric values of one model on the tested rows, each with an interval by the method made for it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.estimate import metric_of
from lockgate.metrics import Loss, SummaryMetric
from lockgate.metrics.shares import Shares
from lockgate.records import Score
from lockgate.stats import bootstrap, pulled
from lockgate.stats.block_t import interval

Floats = NDArray[np.float64]

# With more rows Student's t says the same, at no cost.
MOST_BOOTSTRAPPED = 1_000
MOST_RESORTED = 300

REPORTED = {
    "binary": ("log_loss", "brier", "roc_auc", "average_precision", "accuracy", "f1", "calibration_error"),
    "multiclass": ("log_loss", "brier", "accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "calibration_error"),
    "regression": ("absolute_error", "rmse", "r2"),
}
# Of answers that are decisions and no chances.
DECISIONS = {
    "binary": ("accuracy", "balanced_accuracy", "f1"),
    "multiclass": ("accuracy", "balanced_accuracy", "macro_f1"),
}
OF_RIVALS = {
    "binary": ("log_loss", "roc_auc", "accuracy"),
    "multiclass": ("log_loss", "accuracy"),
    "regression": ("absolute_error", "r2"),
}


class Judged(NamedTuple):
    """The tested rows. block: (n,) labels, None where rows are independent; length: what a block is, in words."""

    task: str
    outcome: Floats
    block: NDArray[np.generic] | None
    length: str
    alpha: float
    seed: int


def scores(names: tuple[str, ...], values: Floats, tested: Judged, *, first: Loss | SummaryMetric) -> tuple[Score, ...]:
    """The proposal's own metric first, then the others by name, each once; without those that these rows do not define."""
    others = [metric_of(name, tested.task) for name in names if name != first.name]
    found = (score(metric, values, tested) for metric in (first, *others))
    return tuple(item for item in found if math.isfinite(item.value))


def score(metric: Loss | SummaryMetric, values: Floats, tested: Judged) -> Score:
    """One metric's value and interval at 1 - alpha; ends are None where the rows cannot give one."""
    if isinstance(metric, Loss):
        return _of_loss(metric, values, tested)
    value = metric.of(values, tested.outcome)
    if metric.pull is None or not math.isfinite(value):
        why = "chance alone lifts it above 0" if metric.pull is None else "it is not defined on these rows"
        return _score(metric.name, metric.direction, value, None, None, f"none: {why}")
    if metric.name == "accuracy" and tested.block is None:
        low, high = pulled.wilson(round(value * tested.outcome.size), tested.outcome.size, alpha=tested.alpha)
        return _score(metric.name, "up", value, low, high, "Wilson")
    if metric.shares is not None and tested.block is None:
        low, high = _of_shares(metric.shares(values, tested.outcome), tested.alpha)
        return _score(metric.name, "up", value, low, high, "Clopper-Pearson by class")
    found = pulled.interval(
        value, metric.pull(values, tested.outcome), alpha=tested.alpha, scale=metric.scale, block=tested.block
    )
    method = "DeLong" if metric.name in ("roc_auc", "macro_auc") else "infinitesimal jackknife"
    on = "" if metric.scale == "plain" else f", {_SCALES[metric.scale]}"
    if not math.isfinite(found.low):
        return _score(metric.name, metric.direction, value, None, None, "none: the rows do not vary in it")
    return _score(metric.name, metric.direction, value, found.low, found.high, f"{method} {_over(tested)}{on}")


def _of_shares(counted: Shares, alpha: float) -> tuple[float, float]:
    """Each class's share with its exact interval, carried over to the metric, and the interval of their mean.

    Wilson's would be too short near 1: a mean of ten shares of .97 was missed .08 of the time at .05, with these .05.
    """
    ends = [
        pulled.exact_share(hits, int(rows), alpha=alpha) for hits, rows in zip(counted.hits, counted.rows, strict=True)
    ]
    low, high = (counted.carried(np.array(side)) for side in zip(*ends, strict=True))
    return pulled.mean_of_shares(counted.carried(counted.hits / counted.rows), low, high, counted.together)


_SCALES = {"logit": "on the logit scale", "log": "on the log scale", "explained": "on the log of the rest"}


def _of_loss(metric: Loss, values: Floats, tested: Judged) -> Score:
    losses = metric.of(values, tested.outcome)
    mean = float(losses.mean())
    if tested.block is not None:
        _, place = np.unique(tested.block, return_inverse=True)
        sums, counts = np.bincount(place, weights=losses), np.bincount(place)
        by_block = interval(sums.astype(np.float64), counts.astype(np.float64), alpha=tested.alpha)
        return _score(metric.name, "down", mean, by_block.low, by_block.high, f"block t {_over(tested)}")
    if metric.name == "zero_one":
        low, high = pulled.wilson(float(losses.sum()), losses.size, alpha=tested.alpha)
        return _score(metric.name, "down", mean, low, high, "Wilson")
    if np.ptp(losses) <= 1e-9 * abs(mean):
        return _score(metric.name, "down", mean, None, None, "none: every row has the same loss")
    if losses.size > MOST_BOOTSTRAPPED:
        by_row = interval(losses, np.ones(losses.size), alpha=tested.alpha)
        return _score(metric.name, "down", mean, by_row.low, by_row.high, "Student's t over rows")
    rng = np.random.default_rng(tested.seed)
    drawn = bootstrap.bca(_mean, losses, alpha=tested.alpha, rng=rng, is_vectorised=True, resamples=1_999)
    return _score(metric.name, "down", mean, drawn.low, drawn.high, "BCa bootstrap over rows")


def _over(tested: Judged) -> str:
    return "over rows" if tested.block is None else f"by {tested.length}"


def _mean(values: Floats, axis: int = -1) -> Floats:
    found: Floats = values.mean(axis=axis)
    return found


def _score(name: str, direction: str, value: float, low: float | None, high: float | None, method: str) -> Score:
    return Score(
        metric=name, value=value, low=low, high=high, direction="up" if direction == "up" else "down", method=method
    )
