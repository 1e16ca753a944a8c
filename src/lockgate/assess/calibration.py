"""The calibration curve: what was said, in ten bins of as many rows each, against what came true."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.question import CheckQuestion, Floats
from lockgate.assess.scores import Judged
from lockgate.metrics import SUMMARIES, top_chance
from lockgate.metrics.figures import p_words, rounded
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
# By blocks the spread of the scores is estimated: with fewer rows that are expected to go wrong, it is not to be had.
FEWEST_SURPRISES = 50.0


class Calibration(NamedTuple):
    bins: tuple[Bin, ...]
    finding: Finding | None


def curve(question: CheckQuestion, tested: Judged) -> Calibration:
    """Bins and, where the predictions are off by more than luck and by enough to matter, a finding with the cure.

    Of many classes it is the likeliest one's chance, and whether it came true; of numbers the mean outcome per bin of
    predictions. Both the bins' intervals and the test go by blocks where there are some.
    """
    said, came = (
        (question.values, question.outcome)
        if question.task == "regression"
        else top_chance(question.values, question.outcome)
    )
    bins = bins_of(said, came, tested, is_share=question.task != "regression")
    if np.ptp(said) == 0:
        return Calibration(bins, None)
    if question.task == "regression":
        return Calibration(bins, _of_values(said, came, recalibration.of_values(said, came, tested.block)))
    if tested.block is not None and recalibration.surprises(said) < FEWEST_SURPRISES:
        return Calibration(bins, None)
    rng = np.random.default_rng(question.seed)
    found = recalibration.of_chances(said, came, tested.block, rng=rng)
    return Calibration(bins, _of_chances(question, said, came, found))


def bins_of(said: Floats, came: Floats, tested: Judged, *, is_share: bool) -> tuple[Bin, ...]:
    """Bins of equal counts; equal predictions share one. said, came: shape (n,): a chance and its coming true, or values."""
    count = max(1, min(BINS, said.size // FEWEST_IN_BIN))
    edges = np.unique(np.quantile(said, np.arange(1, count) / count)) if count > 1 else np.empty(0)
    place = np.searchsorted(edges, said, side="left")
    found: list[Bin] = []
    for at in np.unique(place).tolist():
        own, true = said[place == at], came[place == at]
        block = None if tested.block is None else tested.block[place == at]
        low, high = _ends(true, block, tested.alpha, is_share=is_share)
        found.append(Bin(rows=own.size, predicted=float(own.mean()), observed=float(true.mean()), low=low, high=high))
    return tuple(found)


def _ends(true: Floats, block: NDArray[np.generic] | None, alpha: float, *, is_share: bool) -> tuple[float, float]:
    """Wilson's of a share of single rows; else by what each row, or block, pulls. Wilson's too where nothing varies."""
    mean = float(true.mean())
    parts = true.size if block is None else np.unique(block).size
    is_by_row = is_share and block is None
    if parts >= 3 and not is_by_row:
        found = pulled.interval(mean, true - mean, alpha=alpha, scale="logit" if is_share else "plain", block=block)
        if math.isfinite(found.low):
            return found.low, found.high
    if is_share:
        return pulled.wilson(float(true.sum()), true.size, alpha=alpha)
    return (mean, mean) if np.ptp(true) == 0 else (float(true.min()), float(true.max()))


def _of_chances(question: CheckQuestion, said: Floats, came: Floats, found: Recalibrated) -> Finding | None:
    """Told by the slope where the rows give one, else by how many decisions were to be wrong, and how many were."""
    if found.p > ALPHA:
        return None
    if math.isnan(found.slope):
        # The likelier of two, or the likeliest class: what is decided.
        is_two = question.values.ndim == 1
        expected = recalibration.surprises(said) if is_two else float((1 - said).sum())
        wrong = float(np.where(said >= 0.5, 1 - came, came).sum() if is_two else (1 - came).sum())
        off = abs(expected - wrong) / said.size
        how = "too sure of themselves" if wrong > expected else "not sure enough"
        told = f"they let {rounded(expected)} of {said.size:,} decisions be wrong, and {wrong:,.0f} were"
    else:
        gap = found.mended(said) - said
        off = float(np.abs(gap).mean())
        how = _by_slope(found.slope, float(gap.mean()))
        told = f"off by {off:.3f} on average"
    if off < MATTERS:
        return None
    error = SUMMARIES["calibration_error"].of(question.values, question.outcome)
    return Finding(
        kind="calibration",
        grade="warn",
        sentence=f"The chances are {how}: {told} ({p_words(found.p)}; calibration error {error:.3f}).",
        cure="Recalibrate on rows it did not train on: CalibratedClassifierCV(FrozenEstimator(model)) in scikit-learn, say.",
    )


def _by_slope(slope: float, gap: float) -> str:
    if 0.9 <= slope <= 1.1:
        return "too high on the whole" if gap < 0 else "too low on the whole"
    how = "too sure of themselves" if slope < 0.9 else "not sure enough"
    return f"{how} (the logits want to be multiplied by {slope:.2f})"


def _of_values(said: Floats, came: Floats, found: Recalibrated) -> Finding | None:
    off = float(np.sqrt(np.mean(np.square(found.intercept + found.slope * said - said))))
    if found.p > ALPHA or off < MATTERS_OF_SD * of(came).sd:
        return None
    bias = float((said - came).mean())
    return Finding(
        kind="calibration",
        grade="warn",
        sentence=(
            f"The predictions are off as a whole: outcomes follow {rounded(found.intercept)} + {found.slope:.3g} times the "
            f"prediction ({p_words(found.p)}); on average they are {rounded(abs(bias))} too {'high' if bias > 0 else 'low'}."
        ),
        cure="Fit that line on rows it did not train on, or look for what changed since it was trained.",
    )
