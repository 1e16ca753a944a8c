"""What a version is measured against later: its reference profile, and how much it leans on each input."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, take
from lockgate.features.pipeline import Floats, Matrix, Pipeline
from lockgate.features.profiles import columns as counting
from lockgate.metrics import Loss
from lockgate.records import Contract, Profile
from lockgate.runtime.predictor import Engine

SAMPLE = 2000


def reference(columns: Columns, contract: Contract) -> Profile:
    """The reference profile over the training rows, leaning on nothing yet."""
    is_asked = any(column.name == contract.time for column in contract.asked)
    return counting.reference(columns, contract.asked, time=contract.time if is_asked else None)


def complete(inputs: Profile, predictions: Floats, importance: dict[str, float]) -> Profile:
    """The profile that a version keeps: with what it said of its held-out rows, and how much it leans on each input.

    Of held-out rows, for what a model says of the rows it was trained on is not what it says of others. predictions: shape
    (rows,); of several classes, shape (rows, classes), which no workspace serves, they are left out, and a note says so.
    """
    if predictions.ndim > 1:
        notes = (*inputs.notes, "Predictions of several classes are not counted.")
        return msgspec.structs.replace(inputs, importance=importance, notes=notes)
    said = (*inputs.columns, counting.predicted(predictions))
    return msgspec.structs.replace(inputs, columns=said, importance=importance)


def importance(
    engine: Engine, pipeline: Pipeline, rows: Columns, target: Floats, loss: Loss, seed: int
) -> dict[str, float]:
    """Each input's share of the loss that shuffling it adds, on held-out rows (Breiman 2001).

    Columns that the pipeline does not read are 0. Shares sum to 1 unless the model leans on nothing.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(target.size)[:SAMPLE]
    inputs, outcome = pipeline.transform(take(rows, chosen)), target[chosen]
    plain = float(loss.of(engine(inputs), outcome).mean())
    added: dict[str, float] = {}
    for place, name in enumerate(pipeline.names):
        shuffled = _shuffled(inputs, place, name, rng.permutation(chosen.size))
        added[name] = max(0.0, float(loss.of(engine(shuffled), outcome).mean()) - plain)
    total = sum(added.values())
    return {name: value / total if total > 0 else 0.0 for name, value in added.items()}


def _shuffled(inputs: Matrix | Columns, place: int, name: str, order: NDArray[np.int64]) -> Matrix | Columns:
    if isinstance(inputs, dict):
        return {**inputs, name: inputs[name][order]}
    moved = inputs.copy()
    moved[:, place] = moved[order, place]
    return moved
