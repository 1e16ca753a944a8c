"""What a version is measured against later: its reference profile, and how much it leans on each input."""

from __future__ import annotations

import msgspec
import numpy as np

from lockgate.features.columns import Columns, take
from lockgate.features.pipeline import Floats, Pipeline
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
    """Each column's share of the loss that shuffling it adds, on held-out rows (Breiman 2001), by whatever features the model
    sees of it.

    Of the columns that the pipeline reads. Shares sum to 1 unless the model leans on nothing.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(target.size)[:SAMPLE]
    sample, outcome = take(rows, chosen), target[chosen]

    def lost(columns: Columns) -> float:
        return float(loss.of(engine(pipeline.transform(columns)), outcome).mean())

    plain = lost(sample)
    added: dict[str, float] = {}
    for name in pipeline.needs:
        shuffled = {**sample, name: sample[name][rng.permutation(chosen.size)]}
        added[name] = max(0.0, lost(shuffled) - plain)
    total = sum(added.values())
    return {name: value / total if total > 0 else 0.0 for name, value in added.items()}
