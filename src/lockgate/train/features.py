"""What a user's train function is handed: the fitted features, and how to turn its table into the model's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from lockgate.errors import ContractError, PredictError, SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.features.contract import refuse_leaks, to_columns
from lockgate.features.opaque import source_digest
from lockgate.features.outcome import outcome
from lockgate.features.pipeline import CustomStep, Matrix, OwnStep, Pipeline, raw, resolve
from lockgate.records import Contract
from lockgate.records.spec import Task
from lockgate.runtime.frames import framer

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SAMPLE = 100


@dataclass(frozen=True, kw_only=True)
class Features:
    """The fitted pipeline with the contract it reads. names: the matrix's columns. classes: the outcome's labels."""

    pipeline: Pipeline
    contract: Contract
    task: Task
    classes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.pipeline.names

    def matrix(self, table: pl.DataFrame) -> Matrix:
        """The model's inputs for each row of the table, shape (n, len(names)), float32, NaN for missing.

        Raises SpecError where no pipeline is named: the model is handed the columns themselves.
        """
        return self.pipeline.matrix(to_columns(table, self.contract.columns))

    def frame(self, table: pl.DataFrame) -> Any:
        """The columns themselves as the pandas frame that the model will be handed when it serves."""
        found = (self.contract.column(name) for name in self.pipeline.needs)
        order = tuple(column for column in found if column is not None)
        return framer(self.pipeline.needs, order, {})(to_columns(table, order))

    def target(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """The outcome of each row, shape (n,): a value, 0 or 1, or the place of its class in `classes`."""
        column = self.contract.column(self.contract.target)
        assert column is not None
        return outcome(self.contract, to_columns(table, (column,)), self.task, self.classes)


class Found(NamedTuple):
    pipeline: Pipeline
    name: str


def definition(function: str | None, contract: Contract) -> Found:
    """The user's pipeline, with leaks refused before anything is computed; without one, the columns themselves."""
    if function is None:
        return Found(Pipeline.of(raw(*themselves(contract))), "columns")
    made: Any = resolve(function)()
    if not isinstance(made, Pipeline):
        raise SpecError(
            f"{function} gave {type(made).__name__}, not a Pipeline.", cure="Return lockgate.features.Pipeline.of(...)."
        )
    typed = made.typed({column.name: column.type for column in contract.columns})
    refuse_leaks(contract, made.needs)
    return Found(_pinned(typed), function.rpartition(":")[2])


def _pinned(pipeline: Pipeline) -> Pipeline:
    """With the digest of the source of every step of the user's own: a changed function is another definition."""
    steps = (
        msgspec.structs.replace(step, code=source_digest(step.function)) if isinstance(step, CustomStep) else step
        for step in pipeline.steps
    )
    return Pipeline(steps=tuple(steps))


def themselves(contract: Contract) -> tuple[str, ...]:
    """The columns that a model without a pipeline is handed: all that is known in time, but for who and when.

    Raises ContractError where nothing is left.
    """
    apart = {contract.unit, contract.time, *contract.keys}
    names = tuple(column.name for column in contract.asked if column.name not in apart)
    if not names:
        raise ContractError(
            f"The table of {contract.model} has no column to learn from.",
            cure="Bring columns that are known when the question is asked.",
        )
    return names


def check_row_local(pipeline: Pipeline, columns: Columns) -> None:
    """Show on a sample that a row's inputs depend on that row alone: f(all)[i] == f(row i).

    Catches a custom step that takes a mean over its batch: right in training, another value for one row in serving.
    """
    if not any(isinstance(step, CustomStep) for step in pipeline.steps):
        return
    rows = np.linspace(0, length(columns) - 1, min(SAMPLE, length(columns))).astype(np.int64)
    together = pipeline.matrix(take(columns, rows))
    try:
        alone = np.vstack([pipeline.matrix(take(columns, rows[i : i + 1])) for i in range(rows.size)])
    except PredictError as error:
        raise ContractError(f"A feature step works on a batch and not on one row: {error}.") from error
    differs = ~((together == alone) | (np.isnan(together) & np.isnan(alone)))
    if differs.any():
        name = pipeline.names[int(differs.any(axis=0).argmax())]
        raise ContractError(
            f"The feature {name!r} depends on the other rows of its batch, so one row alone gets another value.",
            cure="Compute it from the row, or learn its parameters on the training rows.",
            column=name,
        )


def refuse_infinite(pipeline: Pipeline, columns: Columns) -> None:
    """Raises ContractError naming the first feature that is infinite in a training row: no model learns from it, and no
    range holds it.
    """
    if not any(isinstance(step, OwnStep) for step in pipeline.steps):
        return
    is_infinite = np.isinf(pipeline.matrix(columns))
    if is_infinite.any():
        place = int(is_infinite.any(axis=0).argmax())
        rows = np.flatnonzero(is_infinite[:, place])
        raise ContractError(
            f"The feature {pipeline.names[place]!r} is infinite in {rows.size} training rows, row {rows[0]} first.",
            cure="Clip it, clip(x, 0, 1e6) say, or take its logarithm.",
            column=pipeline.names[place],
        )
