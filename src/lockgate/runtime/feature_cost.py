"""What one feature costs: CPU per row, of one row as a worker computes it, and in a batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lockgate.features.columns import Columns, length, row_tuples, take
from lockgate.features.pipeline import Pipeline
from lockgate.features.pipeline_row import one_row
from lockgate.records import Column

ROWS, SHORTEST_S, ROUNDS = 200, 0.002, 3


class Cost(NamedTuple):
    """Microseconds of CPU per row."""

    one_row_us: float
    batch_us: float


def cost(pipeline: Pipeline, columns: Columns, order: tuple[Column, ...]) -> Cost:
    """Of a fitted pipeline on these rows. order: the columns as a request brings them."""
    if pipeline.is_raw:
        return Cost(0.0, 0.0)  # handed on as they are: what they cost is the model's own
    some = take(columns, np.arange(min(ROWS, length(columns))))
    written = one_row(pipeline, {column.name: place for place, column in enumerate(order)})
    if written is not None:
        rows: list[Any] = row_tuples(some, order)
        alone = _microseconds(lambda: [written(row) for row in rows])
    else:
        each = [take(some, np.array([place])) for place in range(length(some))]
        alone = _microseconds(lambda: [pipeline.matrix(one) for one in each])
    together = _microseconds(lambda: pipeline.matrix(columns))
    return Cost(alone / length(some), together / length(columns))


def _microseconds(work: Callable[[], object]) -> float:
    """The least of a few rounds: what is more was the machine's own business."""
    found: list[float] = []
    for _ in range(ROUNDS):
        calls, began = 0, time.process_time()
        while time.process_time() - began < SHORTEST_S:
            work()
            calls += 1
        found.append((time.process_time() - began) / calls * 1e6)
    return min(found)
