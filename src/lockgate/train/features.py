"""What a user's train function is handed: the fitted features, and how to turn its table into the model's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lockgate.errors import ContractError, PredictError, SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.features.contract import refuse_leaks, to_columns
from lockgate.features.pipeline import CustomStep, Matrix, Pipeline, resolve
from lockgate.records import Contract

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SAMPLE = 100


@dataclass(frozen=True, kw_only=True)
class Features:
    """The fitted pipeline with the contract it reads. names: the matrix's columns."""

    pipeline: Pipeline
    contract: Contract

    @property
    def names(self) -> tuple[str, ...]:
        return self.pipeline.names

    def matrix(self, table: pl.DataFrame) -> Matrix:
        """The model's inputs for each row of the table, shape (n, len(names)), float32, NaN for missing."""
        return self.pipeline.transform(to_columns(table, self.contract.columns))

    def target(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """The outcome of each row, shape (n,)."""
        column = self.contract.column(self.contract.target)
        assert column is not None
        return to_columns(table, (column,))[column.name]


class Found(NamedTuple):
    pipeline: Pipeline
    name: str


def definition(function: str, contract: Contract) -> Found:
    """The user's pipeline, with leaks refused before anything is computed."""
    made: Any = resolve(function)()
    if not isinstance(made, Pipeline):
        raise SpecError(
            f"{function} gave {type(made).__name__}, not a Pipeline.", cure="Return lockgate.features.Pipeline.of(...)."
        )
    refuse_leaks(contract, made.needs)
    return Found(made, function.rpartition(":")[2])


def check_row_local(pipeline: Pipeline, columns: Columns) -> None:
    """Show on a sample that a row's inputs depend on that row alone: f(all)[i] == f(row i).

    Catches a custom step that takes a mean over its batch: right in training, another value for one row in serving.
    """
    if not any(isinstance(step, CustomStep) for step in pipeline.steps):
        return
    rows = np.linspace(0, length(columns) - 1, min(SAMPLE, length(columns))).astype(np.int64)
    together = pipeline.transform(take(columns, rows))
    try:
        alone = np.vstack([pipeline.transform(take(columns, rows[i : i + 1])) for i in range(rows.size)])
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
