"""What the outcomes said of a window's predictions: raw metrics, skill against its own base rate, calibration, slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from lockgate.assess.calibration import bins_of
from lockgate.assess.estimate import metric_of
from lockgate.assess.scores import Judged, score
from lockgate.assess.slices import parts
from lockgate.decide.slices import FEWEST_BLOCKS
from lockgate.metrics import SUMMARIES, Loss, expected, pulls, skill
from lockgate.metrics.figures import named
from lockgate.metrics.losses import CLIP
from lockgate.records.monitored import Measured, Realised
from lockgate.records.report import SliceLoss
from lockgate.records.spec import Task
from lockgate.stats import pulled, recalibration
from lockgate.stats.block_t import interval

Floats = NDArray[np.float64]
ALPHA = 0.05
FEWEST_FOR_SLOPE = 30
MEASURED: Mapping[Task, tuple[str, ...]] = {
    "binary": ("log_loss", "brier", "roc_auc", "accuracy", "precision", "recall", "specificity", "f1"),
    "regression": ("absolute_error", "rmse", "r2"),
}


class Outcomes(NamedTuple):
    """Rows with both. value, outcome: shape (n,), n at least 1; slices: columns by name, levels as text, shape (n,); block:
    shape (n,), the stretch of time whose own base rate a row's skill is held against, all of them one where left out.
    """

    task: Task
    value: Floats
    outcome: Floats
    loss: Loss
    threshold: float = 0.5
    slices: Mapping[str, NDArray[Any]] = {}
    block: NDArray[Any] | None = None

    @property
    def base(self) -> Floats:
        """What the base rate says of each row: its block's mean outcome."""
        place = (
            np.zeros(self.outcome.size, dtype=np.int64)
            if self.block is None
            else np.unique(self.block, return_inverse=True)[1]
        )
        means: Floats = (np.bincount(place, weights=self.outcome) / np.bincount(place))[place]
        return means


def realised(of: Outcomes) -> Realised:
    """The record of one window. A metric without a value says why; nothing raises for a class that is not there."""
    judged = Judged(task=of.task, outcome=of.outcome, block=None, length="row", alpha=ALPHA, seed=0)
    names = (of.loss.name, *(name for name in MEASURED[of.task] if name != of.loss.name))
    losses = of.loss.of(of.value, of.outcome)
    said = of.base
    base = of.loss.of(said, of.outcome)
    is_alike = bool(np.allclose(said, of.outcome))
    is_chance = of.task != "regression"
    return Realised(
        rows=of.outcome.size,
        positive=float(of.outcome.mean()),
        measures=tuple(_measured(name, of, judged) for name in names),
        skill=_skill(losses, base, is_alike=is_alike),
        base_loss=float(base.mean()),
        slope=_slope(of),
        calibration_error=_calibration_error(of) if is_chance else None,
        bins=bins_of(of.value, of.outcome, judged, is_share=is_chance),
        slices=slices_of(of.slices, losses),
    )


def _measured(name: str, of: Outcomes, judged: Judged) -> Measured:
    if name in ("precision", "recall", "specificity"):
        return _share(name, of)
    metric = metric_of(name, of.task)
    direction = "down" if isinstance(metric, Loss) else metric.direction
    if name == "roc_auc" and np.unique(of.outcome).size < 2:
        return Measured(metric=name, value=None, direction=direction, why=expected.WHY[name])
    value = float(metric.of(of.value, of.outcome).mean()) if isinstance(metric, Loss) else math.nan
    if of.outcome.size < 3:
        value = value if isinstance(metric, Loss) else metric.of(of.value, of.outcome)
        if math.isfinite(value):
            return Measured(metric=name, value=value, direction=direction, method="none: under 3 rows")
        return Measured(metric=name, value=None, direction=direction, why="under 3 rows")
    found = score(metric, of.value, judged)
    if not math.isfinite(found.value):
        return Measured(metric=name, value=None, direction=direction, why="the outcomes do not vary")
    return Measured(
        metric=name, value=found.value, low=found.low, high=found.high, direction=direction, method=found.method
    )


def _share(name: str, of: Outcomes) -> Measured:
    """Of rows that are predicted 1, or are 1, or are 0."""
    found = expected.cells(of.value >= of.threshold, of.outcome)
    hits, rows = {
        "precision": (found.hits, found.hits + found.false_alarms),
        "recall": (found.hits, found.hits + found.misses),
        "specificity": (found.rejections, found.rejections + found.false_alarms),
    }[name]
    if not rows:
        return Measured(metric=name, value=None, direction="up", why=expected.WHY[name])
    low, high = pulled.wilson(hits, int(rows), alpha=ALPHA)
    return Measured(metric=name, value=hits / rows, low=low, high=high, direction="up", method="Wilson")


def _skill(losses: Floats, base: Floats, *, is_alike: bool) -> Measured:
    """1 - loss / base loss, its ends by the pulls of the ratio."""
    value = skill(float(losses.sum()), float(base.sum()))
    if is_alike or not math.isfinite(value):
        # The clip of a chance leaves a base rate of 0 a loss of next to nothing: skill would be minus a million.
        return Measured(
            metric="skill", value=None, direction="up", why="all outcomes are alike: the base rate has no loss"
        )
    if losses.size < 3:
        return Measured(metric="skill", value=value, direction="up", method="none: under 3 rows")
    found = pulled.interval(value, -pulls.of_ratio(losses, base), alpha=ALPHA)
    is_there = math.isfinite(found.low)
    return Measured(
        metric="skill",
        value=value,
        low=found.low if is_there else None,
        high=found.high if is_there else None,
        direction="up",
        method="infinitesimal jackknife over rows",
    )


def _slope(of: Outcomes) -> Measured:
    """Of the outcomes on the predictions, logits of chances: under 1 is too sure, over 1 not sure enough."""
    none = Measured(metric="slope", value=None, direction="up", why="too few rows, or none that differ")
    if of.outcome.size < FEWEST_FOR_SLOPE or np.ptp(of.value) == 0 or np.ptp(of.outcome) == 0:
        return none
    if of.task == "regression":
        found, x = recalibration.of_values(of.value, of.outcome), of.value
        fitted, weight = found.intercept + found.slope * x, np.ones(x.size)
    else:
        found = recalibration.of_chances(of.value, of.outcome, rng=np.random.default_rng(0))
        x = logit(np.clip(of.value, CLIP, 1 - CLIP))
        fitted = expit(found.intercept + found.slope * x)
        weight = fitted * (1 - fitted)
    if not math.isfinite(found.slope):
        return none
    # A row's pull on the slope: its score, by the information of the slope beside the intercept (White 1982).
    centred = x - float((weight * x).sum() / weight.sum())
    pull = centred * (of.outcome - fitted) / float((weight * centred**2).mean())
    ends = pulled.interval(found.slope, pull, alpha=ALPHA)
    return Measured(
        metric="slope",
        value=found.slope,
        low=ends.low if math.isfinite(ends.low) else None,
        high=ends.high if math.isfinite(ends.high) else None,
        direction="up",
        method="sandwich over rows",
    )


def _calibration_error(of: Outcomes) -> Measured:
    value = SUMMARIES["calibration_error"].of(of.value, of.outcome)
    return Measured(
        metric="calibration_error", value=value, direction="down", method="none: chance alone lifts it above 0"
    )


def slices_of(columns: Mapping[str, NDArray[Any]], losses: Floats) -> tuple[SliceLoss, ...]:
    """The mean loss of every level of three rows or more, the highest first. columns: levels by name; losses: shape (n,)."""
    found: list[SliceLoss] = []
    for part in parts(columns, losses, None):
        if np.count_nonzero(part.counts) < FEWEST_BLOCKS:
            continue
        ends = interval(part.sums, part.counts, alpha=ALPHA)
        rows = int(part.counts.sum())
        found.append(
            SliceLoss(column=part.column, level=part.level, rows=rows, loss=ends.mean, low=ends.low, high=ends.high)
        )
    return tuple(sorted(found, key=lambda one: one.loss, reverse=True))


def no_celebration(now: Realised, reference: Realised, metric: str) -> Sequence[str]:
    """A note where the raw loss is lower than on the reference and the skill is not: the base rate did it, not the model."""
    raw, before = now.measure(metric), reference.measure(metric)
    values = [one.value if one else None for one in (raw, before, now.skill, reference.skill)]
    if any(value is None for value in values):
        return ()
    loss, loss_before, own, own_before = (float(value) for value in values if value is not None)
    if loss >= loss_before or own >= own_before:
        return ()
    told = (
        f"The raw {named(metric)} is lower than on the reference ({loss:.3f} against {loss_before:.3f}), and that is no "
        f"improvement: the base rate's own fell from {reference.base_loss:.3f} to {now.base_loss:.3f}, and skill from "
        f"{own_before:.3f} to {own:.3f}."
    )
    return (told,)
