"""The rows that a version answered when it was made, asked again: does it still say the same, here?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lockgate.features.columns import Columns, from_tuples, length, row_tuples, take
from lockgate.features.pipeline import Floats
from lockgate.records import Contract
from lockgate.records.archive import Sample
from lockgate.runtime.predictor import Predictor

ROWS = 100
TOLERANCE = 1e-5


class Agreement(NamedTuple):
    """worst: the largest difference, relative above an answer of 1."""

    rows: int
    worst: float

    @property
    def holds(self) -> bool:
        return self.worst <= TOLERANCE


def sample(contract: Contract, columns: Columns, answer: Callable[[Columns], Floats]) -> Sample:
    """At most 100 rows, evenly spread. columns: the held-out rows; answer: what the version says of rows."""
    rows = np.unique(np.linspace(0, length(columns) - 1, min(ROWS, length(columns))).astype(np.int64))
    some = take(columns, rows)
    told: list[Any] = answer(some).tolist()
    return Sample(
        columns=tuple(column.name for column in contract.asked),
        rows=tuple(row_tuples(some, contract.asked)),
        answers=tuple(_plain(answer) for answer in told),
    )


def _plain(answer: Any) -> float | tuple[float, ...]:
    return tuple(answer) if isinstance(answer, list) else answer  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] # of an array


def ask_again(predictor: Predictor, contract: Contract, kept: Sample) -> Agreement:
    """What the version says of its own rows now, against what it said. Raises PredictError where it says nothing."""
    known = {column.name: column for column in contract.asked}
    columns = from_tuples([known[name] for name in kept.columns], kept.rows)
    before = np.array(kept.answers, dtype=np.float64)
    now = predictor.predict(columns).values
    apart = np.abs(now - before) / np.maximum(1.0, np.abs(before))
    return Agreement(len(kept.rows), float(apart.max(initial=0.0)))
