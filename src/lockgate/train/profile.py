"""What a version is measured against later: its reference profile, and how much it leans on each input."""

from __future__ import annotations

import numpy as np

from lockgate.features import profile
from lockgate.features.columns import Columns
from lockgate.features.pipeline import Floats, Matrix, Pipeline
from lockgate.metrics import Loss
from lockgate.records import Contract, Profile
from lockgate.runtime.predictor import Engine

SAMPLE = 2000


def reference(columns: Columns, contract: Contract, importance: dict[str, float]) -> Profile:
    """The reference profile over the training rows."""
    return profile.reference(columns, contract.asked, importance)


def importance(
    engine: Engine, pipeline: Pipeline, matrix: Matrix, target: Floats, loss: Loss, seed: int
) -> dict[str, float]:
    """Each raw column's share of the loss that shuffling the model's inputs adds, on held-out rows (Breiman 2001).

    Columns that the pipeline does not read are 0. Shares sum to 1 unless the model leans on nothing.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(matrix))[:SAMPLE]
    sample, outcome = matrix[rows], target[rows]
    plain = float(loss.of(engine(sample), outcome).mean())
    added: dict[str, float] = {}
    for place, name in enumerate(pipeline.names):
        shuffled = sample.copy()
        shuffled[:, place] = shuffled[rng.permutation(len(sample)), place]
        added[name] = max(0.0, float(loss.of(engine(shuffled), outcome).mean()) - plain)
    total = sum(added.values())
    return {name: value / total if total > 0 else 0.0 for name, value in added.items()}
