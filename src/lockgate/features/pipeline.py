"""Feature pipelines: the fitted steps from raw columns to the model's inputs, one path for a batch and for one row."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import INTERRUPTIONS, PredictError, SpecError
from lockgate.features.columns import Columns, length
from lockgate.records import Column, Record, digest

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]


class NumericStep(Record, tag="numeric", frozen=True, kw_only=True):
    """Columns taken as they are; missing stays NaN."""

    columns: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return self.columns

    @property
    def gives(self) -> tuple[str, ...]:
        return self.columns


class LevelsStep(Record, tag="levels", frozen=True, kw_only=True):
    """A text column as the number of its level; missing and unseen are NaN. `levels` is learnt on the training rows."""

    column: str
    order: Literal["name", "outcome"] = "outcome"
    levels: tuple[str, ...] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.column,)


class CustomStep(Record, tag="custom", frozen=True, kw_only=True):
    """The user's own function `module:function`, called with the columns it needs and its parameters; it returns those
    it gives, row by row.
    """

    function: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    parameters: dict[str, str | float | int | bool] = {}


class RawStep(Record, tag="raw", frozen=True, kw_only=True):
    """The columns as they are, for a model that prepares them itself (a scikit-learn Pipeline, say); no step beside it."""

    columns: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return self.columns

    @property
    def gives(self) -> tuple[str, ...]:
        return self.columns


Step = NumericStep | LevelsStep | CustomStep | RawStep


def numeric(*columns: str) -> NumericStep:
    """Numbers as they are."""
    return NumericStep(columns=columns)


def raw(*columns: str) -> RawStep:
    """Columns handed to the model as they are: it does its own preparing. Goes with no other step."""
    return RawStep(columns=columns)


def levels(column: str, *, order: Literal["name", "outcome"] = "outcome") -> LevelsStep:
    """A text column as numbers: its levels in alphabetical order, or in the order of their mean outcome in training."""
    return LevelsStep(column=column, order=order)


def custom(
    function: str, *, needs: tuple[str, ...], gives: tuple[str, ...], **parameters: str | float | int | bool
) -> CustomStep:
    """Your own step: `function` is "module:function", so that a worker can import it."""
    return CustomStep(function=function, needs=needs, gives=gives, parameters=parameters)


class Pipeline(Record, frozen=True, kw_only=True):
    """Steps in order; a later step may replace a column that an earlier one gave."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if self.is_raw and len(self.steps) > 1:
            raise SpecError("raw(...) stands alone in a pipeline.", cure="Name every column in one raw(...).")

    @property
    def is_raw(self) -> bool:
        """Whether the model is given the columns themselves, and not a matrix."""
        return any(isinstance(step, RawStep) for step in self.steps)

    @classmethod
    def of(cls, *steps: Step) -> Pipeline:
        return cls(steps=steps)

    @property
    def needs(self) -> tuple[str, ...]:
        """Raw columns the steps read, each once."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.needs))

    @property
    def names(self) -> tuple[str, ...]:
        """The model's inputs, in the order of the matrix's columns."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.gives))

    @property
    def hash(self) -> str:
        """Names this definition, fitted parameters included: another hash is another feature pipeline."""
        return digest(self)

    def fit(self, columns: Columns, target: Floats) -> Pipeline:
        """The same pipeline with what its steps learn from the training rows; target: shape (n,)."""
        return Pipeline(
            steps=tuple(_fit_levels(s, columns, target) if isinstance(s, LevelsStep) else s for s in self.steps)
        )

    def transform(self, columns: Columns) -> Matrix | Columns:
        """The model's inputs: what `matrix` gives, or of a raw pipeline its columns, in order."""
        return {name: columns[name] for name in self.names} if self.is_raw else self.matrix(columns)

    def matrix(self, columns: Columns) -> Matrix:
        """The model's inputs, shape (n, len(names)), float32: what is served is what was trained on, to the bit.

        Raises PredictError where a step of the user's raises, or gives another number of rows.
        """
        rows = length(columns)
        given: dict[str, NDArray[Any]] = {}
        for step in self.steps:
            given |= _run(step, columns, rows)
        return np.column_stack([given[name] for name in self.names]).astype(np.float32)


def observed(names: tuple[str, ...], matrix: Matrix) -> tuple[Column, ...]:
    """The model's inputs as contract columns: the range each had on the training rows, and whether it could miss."""
    columns: list[Column] = []
    for name, values in zip(names, matrix.T, strict=True):
        present = values[~np.isnan(values)]
        low, high = (float(present.min()), float(present.max())) if present.size else (None, None)
        columns.append(Column(name=name, type="float", is_nullable=True, low=low, high=high))
    return tuple(columns)


def _fit_levels(step: LevelsStep, columns: Columns, target: Floats) -> LevelsStep:
    values = columns[step.column]
    known = sorted({value for value in values if value is not None})
    if step.order == "outcome":
        codes = {level: code for code, level in enumerate(known)}
        index = np.array([codes.get(value, -1) for value in values])
        seen = index >= 0
        sums = np.bincount(index[seen], weights=target[seen], minlength=len(known))
        means = sums / np.maximum(np.bincount(index[seen], minlength=len(known)), 1)
        known = [known[code] for code in np.argsort(means, kind="stable")]
    return LevelsStep(column=step.column, order=step.order, levels=tuple(known))


def _run(step: Step, columns: Columns, rows: int) -> dict[str, NDArray[Any]]:
    if isinstance(step, RawStep):
        raise SpecError("A raw pipeline has no matrix.", cure="Ask transform for its columns.")
    if isinstance(step, NumericStep):
        return {name: columns[name] for name in step.columns}
    if isinstance(step, LevelsStep):
        if step.levels is None:
            raise SpecError(
                f"The levels of {step.column!r} are not fitted.", cure="Call fit on the training rows first."
            )
        codes = {level: float(code) for code, level in enumerate(step.levels)}
        values = columns[step.column].tolist()
        found = map(codes.get, values, repeat(np.nan))
        return {step.column: np.fromiter(found, dtype=np.float64, count=len(values))}
    return _run_custom(step, columns, rows)


def _run_custom(step: CustomStep, columns: Columns, rows: int) -> dict[str, NDArray[Any]]:
    call = resolve(step.function)
    try:
        given = call({name: columns[name] for name in step.needs}, **step.parameters)
    except INTERRUPTIONS:
        raise
    except BaseException as error:
        raise PredictError(f"The feature step {step.function} raised {error!r}.", reason="raised") from error
    for name in step.gives:
        if name not in given or len(given[name]) != rows:
            raise PredictError(f"The feature step {step.function} did not give {name!r} for every row.", reason="shape")
    return {name: given[name] for name in step.gives}


def resolve(name: str) -> Callable[..., Any]:
    """The object behind "module:function". Raises SpecError naming what is missing."""
    module, _, attribute = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(
            f"{name!r} cannot be imported: {error}.",
            cure='Write "module:function", importable from the project\'s folder.',
        ) from error
    return found
