"""One window's metrics without outcomes, as a record: each with the luck's interval and the estimate's own past error.

Past errors are of stretches of the reference that the method was not fitted on, and of later windows whose outcomes have
matured. An estimate is worded "if P(Y|X) is unchanged"; it is never judged and gates nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.cbpe import Guess
from lockgate.assess.expecting import Asked, Expected, Fitted, Method, Rows, fitted, realised
from lockgate.metrics import expected
from lockgate.metrics.figures import decimals, named, number
from lockgate.records.monitored import ASSUMPTION, Estimated, EstimatedMeasure
from lockgate.stats import past_error

Floats = NDArray[np.float64]


class Past(NamedTuple):
    """error: what was realised less what had been estimated; value: what had been."""

    error: float
    value: float


Errors = Mapping[str, Sequence[Past]]
COVERAGE = 0.95
FEWEST_STRETCHES, MOST_STRETCHES = 4, 30
FEWEST_IN_STRETCH = 20
LEAST_SCALE = 0.01
FIRST: Mapping[Method, str] = {"CBPE": "roc_auc", "M-CBPE": "roc_auc", "loss model": "absolute_error"}


class Estimator(NamedTuple):
    """A method on its reference, with what it got wrong there."""

    asked: Asked
    of: Fitted
    reference_rows: int
    errors: dict[str, list[Past]]
    notes: tuple[str, ...]


def estimator(asked: Asked, reference: Rows, *, rows_per_window: int) -> Estimator:
    """Fitted on the whole reference, and held against stretches of it that it did not see, as long as a window is.

    reference: in the order of time, or as it lies. rows_per_window: of what is to be estimated; where the reference holds
    fewer than four such stretches, shorter ones are taken, whose errors are larger.
    """
    stretches = _stretches(reference.value.size, rows_per_window)
    errors: dict[str, list[Past]] = {}
    for place in range(int(stretches.max()) + 1 if stretches.size else 0):
        here = stretches == place
        own = reference.take(here)
        add(errors, errors_of(asked, fitted(asked, reference.take(~here))(own), own))
    return Estimator(asked, fitted(asked, reference), reference.value.size, errors, tuple(_notes(asked, reference)))


def _notes(asked: Asked, reference: Rows) -> list[str]:
    outcome = np.empty(0) if reference.outcome is None else reference.outcome
    if asked.method != "loss model" and np.unique(outcome).size < 2:
        return [f"The reference holds one class only, {outcome[0]:g}: its chances say nothing of the other."]
    return []


def errors_of(asked: Asked, found: Expected, rows: Rows) -> dict[str, Past]:
    """What was realised less what had been estimated, metric by metric; nan where either has no value.

    found: of the window as it was asked about; rows: those of it whose outcomes are known, which may be fewer. That some
    rows never get an outcome is part of the error.
    """
    true = realised(asked.method, rows, threshold=asked.threshold)
    return {name: Past(value - found.guesses[name].value, found.guesses[name].value) for name, value in true.items()}


def add(errors: dict[str, list[Past]], new: Mapping[str, Past]) -> None:
    for name, value in new.items():
        if math.isfinite(value.error):
            errors.setdefault(name, []).append(value)


def _scale(name: str, value: float) -> float:
    """What errors are even on: a share's own standard deviation; the size of a loss, which has no upper end."""
    if name in expected.DIRECTIONS and name != "log_loss":
        return max(math.sqrt(value * (1 - value)), LEAST_SCALE) if 0 <= value <= 1 else LEAST_SCALE
    return max(abs(value), 1e-300)


def estimated(of: Estimator, found: Expected, *, rows: int, errors: Errors, coverage: float = COVERAGE) -> Estimated:
    """The record. errors: all past ones that were known by then. coverage: of each interval, a metric by itself."""
    measures = tuple(
        _measure(name, guess, errors.get(name, ()), coverage, rows) for name, guess in found.guesses.items()
    )
    notes = list(of.notes)
    if rows and all(len(errors.get(one.metric, ())) < past_error.FEWEST for one in measures):
        notes.append("No past error is known yet: the intervals are of luck alone, and too short.")
    return Estimated(
        method=of.asked.method,
        rows=rows,
        reference_rows=of.reference_rows,
        effective_rows=found.effective_rows,
        coverage=coverage,
        measures=measures,
        sentence=_told(of.asked.method, measures, rows),
        notes=tuple(notes),
    )


def _measure(name: str, guess: Guess, errors: Sequence[Past], coverage: float, rows: int) -> EstimatedMeasure:
    direction: Literal["up", "down"] = expected.DIRECTIONS.get(name, "down")
    if not math.isfinite(guess.value):
        why = expected.WHY.get(name, "no rows") if rows else "no rows"
        return EstimatedMeasure(metric=name, value=None, direction=direction, why=why)
    even = np.array([one.error / _scale(name, one.value) for one in errors], dtype=np.float64)
    reach = past_error.reach(even, coverage=coverage) * _scale(name, guess.value)
    is_known = math.isfinite(reach)
    low, high = (guess.value - reach, guess.value + reach) if is_known else (guess.low, guess.high)
    most = 1.0 if name in expected.DIRECTIONS and name != "log_loss" else math.inf
    return EstimatedMeasure(
        metric=name,
        value=guess.value,
        # A longer window has less luck in it than those before; a shorter one more, which its own interval knows.
        low=max(0.0, min(low, guess.low)),
        high=min(most, max(high, guess.high)),
        drawn_low=guess.low,
        drawn_high=guess.high,
        past_error=float(np.mean([abs(one.error) for one in errors])) if is_known else None,
        past_windows=len(errors),
        direction=direction,
    )


def _told(method: Method, measures: Sequence[EstimatedMeasure], rows: int) -> str:
    first = next((one for one in measures if one.metric == FIRST[method] and one.value is not None), None)
    first = first or next((one for one in measures if one.value is not None), None)
    if first is None or first.value is None:
        return "The window has no rows, so nothing is estimated of it."
    places = decimals([(first.value, first.low, first.high)])
    ends = f"{number(first.low, places)} to {number(first.high, places)}"
    past = (
        f"past estimates were off by {number(first.past_error, places)} on average over {first.past_windows} windows"
        if first.past_error is not None
        else "no past error is known"
    )
    noun = "row" if rows == 1 else "rows"
    return (
        f"{named(first.metric)} is estimated at {number(first.value, places)} ({ends}) over {rows:,} {noun}, "
        f"{ASSUMPTION}; {past}."
    )


def _stretches(rows: int, per_window: int) -> NDArray[np.int64]:
    """Each reference row's stretch; none where there are too few rows for any."""
    count = min(MOST_STRETCHES, rows // max(per_window, FEWEST_IN_STRETCH))
    if count < FEWEST_STRETCHES:
        # Short stretches by as many as there are days in two weeks: their errors are larger than a window's, not smaller.
        count = min(14, rows // FEWEST_IN_STRETCH)
    if count < 2:
        return np.empty(0, dtype=np.int64)
    return np.arange(rows, dtype=np.int64) * count // rows
