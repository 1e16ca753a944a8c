"""The calibration curve: what was said, in ten bins of as many rows each, against what came true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lockgate.assess.question import CheckQuestion, Floats
from lockgate.assess.scores import Judged
from lockgate.metrics import SUMMARIES, top_chance
from lockgate.records import Bin, Finding
from lockgate.stats import pulled, recalibration
from lockgate.stats.recalibration import Recalibrated
from lockgate.stats.summary import of

BINS = 10
FEWEST_IN_BIN = 20
# Smaller departures are told on the curve and cost next to nothing; ten of a thousand right models are named all the same.
ALPHA = 0.01
MATTERS = 0.02
MATTERS_OF_SD = 0.05


class Calibration(NamedTuple):
    bins: tuple[Bin, ...]
    finding: Finding | None


def curve(question: CheckQuestion, tested: Judged) -> Calibration:
    """Bins and, where the predictions are off by more than luck and by enough to matter, a finding with the cure.

    Of many classes it is the likeliest one's chance, and whether it came true; of numbers the mean outcome per bin of
    predictions. Bins' intervals take rows as independent; the test goes by blocks where there are some.
    """
    said, came = (
        (question.values, question.outcome)
        if question.task == "regression"
        else top_chance(question.values, question.outcome)
    )
    bins = _bins(said, came, tested.alpha, is_share=question.task != "regression")
    if np.ptp(said) == 0:
        return Calibration(bins, None)
    test = recalibration.of_values if question.task == "regression" else recalibration.of_chances
    found = test(said, came, tested.block)
    if found.p > ALPHA:
        return Calibration(bins, None)
    finding = _of_values(said, came, found) if question.task == "regression" else _of_chances(question, found)
    return Calibration(bins, finding)


def _bins(said: Floats, came: Floats, alpha: float, *, is_share: bool) -> tuple[Bin, ...]:
    """Bins of equal counts; equal predictions share one."""
    count = max(1, min(BINS, said.size // FEWEST_IN_BIN))
    edges = np.unique(np.quantile(said, np.arange(1, count) / count)) if count > 1 else np.empty(0)
    place = np.searchsorted(edges, said, side="left")
    found: list[Bin] = []
    for at in np.unique(place).tolist():
        own, true = said[place == at], came[place == at]
        low, high = _ends(true, alpha, is_share=is_share)
        found.append(Bin(rows=own.size, predicted=float(own.mean()), observed=float(true.mean()), low=low, high=high))
    return tuple(found)


def _ends(true: Floats, alpha: float, *, is_share: bool) -> tuple[float, float]:
    if is_share:
        return pulled.wilson(float(true.sum()), true.size, alpha=alpha)
    mean = float(true.mean())
    if true.size < 3:
        return float(true.min()), float(true.max())
    found = pulled.interval(mean, true - mean, alpha=alpha)
    return (mean, mean) if found.se == 0 else (found.low, found.high)


def _of_chances(question: CheckQuestion, found: Recalibrated) -> Finding | None:
    chance, _ = top_chance(question.values, question.outcome)
    gap = found.mended(chance) - chance
    off = float(np.abs(gap).mean())
    if off < MATTERS:
        return None
    if found.slope < 0.9:
        how = f"too sure of themselves (the logits want to be multiplied by {found.slope:.2f})"
    elif found.slope > 1.1:
        how = f"not sure enough (the logits want to be multiplied by {found.slope:.2f})"
    else:
        how = "too high on the whole" if float(gap.mean()) < 0 else "too low on the whole"
    error = SUMMARIES["calibration_error"].of(question.values, question.outcome)
    return Finding(
        kind="calibration",
        grade="warn",
        sentence=f"The chances are {how}: off by {off:.3f} on average, p {found.p:.1g} (calibration error {error:.3f}).",
        cure="Recalibrate on rows it did not train on: CalibratedClassifierCV(FrozenEstimator(model)) in scikit-learn, say.",
    )


def _of_values(said: Floats, came: Floats, found: Recalibrated) -> Finding | None:
    spread = of(came).sd
    off = float(np.sqrt(np.mean(np.square(found.intercept + found.slope * said - said))))
    if off < MATTERS_OF_SD * spread:
        return None
    bias = float((said - came).mean())
    return Finding(
        kind="calibration",
        grade="warn",
        sentence=(
            f"The predictions are off as a whole: outcomes follow {found.intercept:.4g} + {found.slope:.3g} times the "
            f"prediction (p {found.p:.1g}); on average they are {abs(bias):.4g} too {'high' if bias > 0 else 'low'}."
        ),
        cure="Fit that line on rows it did not train on, or look for what changed since it was trained.",
    )
