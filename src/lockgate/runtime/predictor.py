"""A predictor: a loaded version that can be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from lockgate.errors import INTERRUPTIONS, PredictError
from lockgate.features.check import breaks, flags_by_row
from lockgate.features.columns import Columns, length
from lockgate.features.pipeline import Floats, Matrix, Pipeline
from lockgate.records import Manifest
from lockgate.records.spec import Task
from lockgate.records.version import Format

Inputs = Matrix | Columns
"""What a feature pipeline gives: a matrix, or the raw columns where the model prepares them itself."""

EngineName = Format | Literal["guest"]
_ROUNDING = 1e-6  # float32 sums of probabilities end this far outside [0, 1]


class Engine(Protocol):
    """What computes. Takes what its version's pipeline gives, and answers shape (n,): the chance of class 1, or a value;
    for a multiclass task shape (n, k), the chance of each class.
    """

    def __call__(self, inputs: Any, /) -> Floats: ...


class Answer(NamedTuple):
    """values: as the engine's. flags: by row, the ranges of the model's own inputs that the row broke."""

    values: Floats
    flags: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A version's feature pipeline and its engine; `predict` is pure, and safe to call from many threads."""

    version: str
    manifest: Manifest
    pipeline: Pipeline
    engine: Engine
    engine_name: EngineName

    def predict(self, columns: Columns) -> Answer:
        """Answers for all rows, or PredictError: raised, shape, non_finite, or out_of_range (no probability)."""
        rows = length(columns)
        try:
            inputs = self.pipeline.transform(columns)
            values = np.asarray(self.engine(inputs), dtype=np.float64)
        except (PredictError, *INTERRUPTIONS):
            raise
        except BaseException as error:  # a user's step that calls sys.exit ends its call, not the worker
            raise PredictError(f"{self._name} raised {error!r}.", reason="raised") from error
        wide = len(self.manifest.classes) if self.manifest.task == "multiclass" else None
        return Answer(valid(values, rows, self.manifest.task, self._name, wide=wide), self._flags(inputs, rows))

    def _flags(self, inputs: Inputs, rows: int) -> list[tuple[str, ...]]:
        """Of a matrix alone: raw columns are held to the contract before they come here."""
        if isinstance(inputs, dict):
            return [()] * rows
        named: Columns = dict(zip(self.pipeline.names, inputs.T, strict=True))
        found = flags_by_row(breaks(named, self.manifest.inputs), rows)
        return [tuple(f"input {flag}" for flag in flags) if flags else () for flags in found]

    @property
    def _name(self) -> str:
        return f"{self.manifest.name} ({self.version[:6]}, {self.engine_name})"


def valid(values: Floats, rows: int, task: Task | None, name: str, *, wide: int | None = None) -> Floats:
    """The values, held to what an answer is: one for each row, of `wide` classes where given, finite, a chance where asked.

    Raises PredictError: shape, non_finite, or out_of_range.
    """
    if values.shape != ((rows,) if wide is None else (rows, wide)):
        raise PredictError(f"{name} answered shape {values.shape} to {rows} rows.", reason="shape")
    if not np.isfinite(values).all():
        raise PredictError(f"{name} answered a number that is not finite.", reason="non_finite")
    if task == "regression":
        return values
    if values.min(initial=0.0) < -_ROUNDING or values.max(initial=1.0) > 1 + _ROUNDING:
        raise PredictError(f"{name} answered no probability.", reason="out_of_range")
    return np.clip(values, 0.0, 1.0)
