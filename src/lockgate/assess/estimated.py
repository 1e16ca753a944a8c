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
Errors = Mapping[str, Sequence[float]]
COVERAGE = 0.95
FEWEST_STRETCHES, MOST_STRETCHES = 4, 30
FEWEST_IN_STRETCH = 20
FIRST: Mapping[Method, str] = {"CBPE": "roc_auc", "M-CBPE": "roc_auc", "loss model": "absolute_error"}


class Estimator(NamedTuple):
    """A method on its reference, with what it got wrong there."""

    asked: Asked
    of: Fitted
    reference_rows: int
    errors: dict[str, list[float]]
    notes: tuple[str, ...]


def estimator(asked: Asked, reference: Rows, *, rows_per_window: int) -> Estimator:
    """Fitted on the whole reference, and held against stretches of it that it did not see, as long as a window is.

    reference: in the order of time, or as it lies. rows_per_window: of what is to be estimated; where the reference holds
    fewer than four such stretches, shorter ones are taken, whose errors are larger.
    """
    stretches = _stretches(reference.value.size, rows_per_window)
    errors: dict[str, list[float]] = {}
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


def errors_of(asked: Asked, found: Expected, rows: Rows) -> dict[str, float]:
    """What was realised less what had been estimated, metric by metric; nan where either has no value."""
    true = realised(asked.method, rows, threshold=asked.threshold)
    return {name: value - found.guesses[name].value for name, value in true.items()}


def add(errors: dict[str, list[float]], new: Mapping[str, float]) -> None:
    for name, value in new.items():
        if math.isfinite(value):
            errors.setdefault(name, []).append(value)


def estimated(of: Estimator, found: Expected, *, rows: int, errors: Errors, coverage: float = COVERAGE) -> Estimated:
    """The record. errors: all past ones that were known by then. coverage: of each interval, a metric by itself."""
    measures = tuple(
        _measure(name, guess, errors.get(name, ()), coverage, of.asked, rows) for name, guess in found.guesses.items()
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


def _measure(
    name: str, guess: Guess, errors: Sequence[float], coverage: float, asked: Asked, rows: int
) -> EstimatedMeasure:
    direction: Literal["up", "down"] = expected.DIRECTIONS.get(name, "down")
    if not math.isfinite(guess.value):
        why = expected.WHY.get(name, "no rows") if rows else "no rows"
        return EstimatedMeasure(metric=name, value=None, direction=direction, why=why)
    past = np.array(errors, dtype=np.float64)
    reach = past_error.reach(past, coverage=coverage)
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
        past_error=float(np.abs(past).mean()) if is_known else None,
        past_windows=past.size,
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
    return (
        f"{named(first.metric)} is estimated at {number(first.value, places)} ({ends}) over {rows:,} {'row' if rows == 1 else 'rows'}, {ASSUMPTION}; "
        f"{past}."
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
