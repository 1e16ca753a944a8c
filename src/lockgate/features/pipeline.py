"""Feature pipelines: the fitted steps from raw columns to the model's inputs, one path for a batch and for one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import repeat
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.errors import INTERRUPTIONS, PredictError, SpecError, unknown
from lockgate.features import opaque
from lockgate.features.columns import Columns, length
from lockgate.features.fitted_step import FilledStep, FrequencyStep, ScaledStep
from lockgate.features.levelled import levels_of, present
from lockgate.features.row_step import RowStep
from lockgate.records import Column, Record, digest
from lockgate.records.contract import ColumnType

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

    takes: arrays by name, or a frame of Polars or pandas; it then returns such a frame. types: of the columns it needs,
    learnt from the contract, for a frame alone. code: SHA-256 of the file it lies in, as it was when it was trained with.
    """

    function: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    parameters: dict[str, str | float | int | bool] = {}
    takes: Literal["columns", "polars", "pandas"] = "columns"
    types: dict[str, ColumnType] | None = None
    code: str | None = None

    @property
    def bare(self) -> CustomStep:
        return msgspec.structs.replace(self, types=None)

    def typed(self, types: Mapping[str, ColumnType]) -> CustomStep:
        """Raises SpecError naming a column that is not there, of a step that takes a frame."""
        if self.takes == "columns":
            return self
        missing = next((name for name in self.needs if name not in types), None)
        if missing is not None:
            raise SpecError(f"{self.function}: {unknown('column', missing, types)}")
        return msgspec.structs.replace(self, types={name: types[name] for name in sorted(self.needs)})


class RawStep(Record, tag="raw", frozen=True, kw_only=True):
    """The columns as they are, for a model that prepares them itself (a scikit-learn Pipeline, say); no step beside it."""

    columns: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return self.columns

    @property
    def gives(self) -> tuple[str, ...]:
        return self.columns


Step = NumericStep | LevelsStep | CustomStep | RawStep | RowStep | FilledStep | ScaledStep | FrequencyStep
OwnStep = RowStep | FilledStep | ScaledStep | FrequencyStep
"""Those that know all their ways themselves, and read what steps of theirs and the user's gave before them."""


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


def custom_polars(
    function: str, *, needs: tuple[str, ...], gives: tuple[str, ...], **parameters: str | float | int | bool
) -> CustomStep:
    """Your own step on a Polars frame: it is handed the columns it needs as one, and returns one with those it gives."""
    return CustomStep(function=function, needs=needs, gives=gives, parameters=parameters, takes="polars")


def custom_pandas(
    function: str, *, needs: tuple[str, ...], gives: tuple[str, ...], **parameters: str | float | int | bool
) -> CustomStep:
    """Your own step on a pandas frame: it is handed the columns it needs as one, and returns one with those it gives."""
    return CustomStep(function=function, needs=needs, gives=gives, parameters=parameters, takes="pandas")


class Pipeline(Record, frozen=True, kw_only=True):
    """Steps in order; a later step may replace a column that an earlier one gave."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if self.is_raw and len(self.steps) > 1:
            raise SpecError("raw(...) stands alone in a pipeline.", cure="Name every column in one raw(...).")
        made: set[str] = set()
        for step in self.steps:
            taken = made.intersection(step.gives) if isinstance(step, NumericStep | LevelsStep) else ()
            if taken:
                name = min(taken)
                raise SpecError(
                    f"The table's {name!r} would take the place of the feature {name!r} made before it.",
                    cure="Give the feature another name, or leave the column out.",
                )
            made |= set(step.gives) if isinstance(step, OwnStep) else set()

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
        found: dict[str, None] = {}
        made: set[str] = set()
        for step in self.steps:
            read_before = made if isinstance(step, OwnStep) else set[str]()
            found |= dict.fromkeys(name for name in step.needs if name not in read_before)
            made |= set(step.gives) if isinstance(step, _MAKERS) else set()
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The model's inputs, in the order of the matrix's columns."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.gives))

    @property
    def hash(self) -> str:
        """Names this definition, fitted parameters included: another hash is another feature pipeline."""
        return digest(self)

    @property
    def is_fitted(self) -> bool:
        """Whether every step knows what it is to learn: from the training rows, or of the contract."""
        learns = (LevelsStep, RowStep, FilledStep, ScaledStep, FrequencyStep)
        return not any(
            _unfitted(step) == step
            for step in self.steps
            if isinstance(step, learns) or (isinstance(step, CustomStep) and step.takes != "columns")
        )

    @property
    def definition(self) -> str:
        """Names what was written, whatever it learnt and from which rows; with the source of the user's own steps, where it
        is `pinned`.
        """
        bare = (_unfitted(step) for step in self.steps)
        return digest(Pipeline(steps=tuple(bare)))

    def typed(self, types: Mapping[str, ColumnType]) -> Pipeline:
        """The same over a table whose columns have these types. Raises SpecError naming the step, and the place in it."""
        known, steps = dict(types), list[Step]()
        for step in self.steps:
            steps.append(step.typed(known) if isinstance(step, OwnStep | CustomStep) else step)
            known |= dict.fromkeys(step.gives, "float") if isinstance(step, _MAKERS) else {}
        return Pipeline(steps=tuple(steps))

    def fit(self, columns: Columns, target: Floats) -> Pipeline:
        """The same pipeline with what its steps learn from the training rows; target: shape (n,).

        Raises ContractError naming a column that there is nothing to learn from.
        """
        rows, given, steps = length(columns), Columns(), list[Step]()
        last = max((place for place, step in enumerate(self.steps) if isinstance(step, OwnStep)), default=0)
        for place, step in enumerate(self.steps):
            fitted = step.fitted(columns | given) if isinstance(step, OwnStep) else step
            fitted = _fit_levels(fitted, columns, target) if isinstance(fitted, LevelsStep) else fitted
            steps.append(fitted)
            if place < last and isinstance(fitted, _MAKERS):  # a later step may learn from what it gives
                given |= _run(fitted, columns, given, rows)
        return Pipeline(steps=tuple(steps))

    def transform(self, columns: Columns) -> Matrix | Columns:
        """The model's inputs: what `matrix` gives, or of a raw pipeline its columns, in order."""
        return {name: columns[name] for name in self.names} if self.is_raw else self.matrix(columns)

    def matrix(self, columns: Columns) -> Matrix:
        """The model's inputs, shape (n, len(names)), float32: what is served is what was trained on, to the bit.

        Raises PredictError where a step of the user's raises, or gives another number of rows.
        """
        rows = length(columns)
        given, made = Columns(), Columns()
        for step in self.steps:
            found = _run(step, columns, made, rows)
            given |= found
            made |= found if isinstance(step, _MAKERS) else {}
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            return np.column_stack([given[name] for name in self.names]).astype(np.float32)


def observed(names: tuple[str, ...], matrix: Matrix) -> tuple[Column, ...]:
    """The model's inputs as contract columns: the range each had on the training rows, and whether it could miss."""
    columns: list[Column] = []
    for name, values in zip(names, matrix.T, strict=True):
        there = values[~np.isnan(values)]
        low, high = (float(there.min()), float(there.max())) if there.size else (None, None)
        columns.append(Column(name=name, type="float", is_nullable=True, low=low, high=high))
    return tuple(columns)


def _fit_levels(step: LevelsStep, columns: Columns, target: Floats) -> LevelsStep:
    known, codes = _coded(columns[step.column])
    if step.order == "outcome":
        seen = codes >= 0
        sums = np.bincount(codes[seen], weights=target[seen], minlength=len(known))
        means = sums / np.maximum(np.bincount(codes[seen], minlength=len(known)), 1)
        order: list[int] = np.argsort(means, kind="stable").tolist()
        known = [known[code] for code in order]
    return LevelsStep(column=step.column, order=step.order, levels=tuple(known))


def _coded(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    """The levels that some row has, in alphabetical order, and the place of each row's among them, -1 where it is missing."""
    held = levels_of(values)
    if held is not None:  # a few texts are looked at, and not those of every row
        held = present(held)
        known = sorted(level for level in held.levels if level is not None)
        places = {level: code for code, level in enumerate(known)}
        of_level = np.array([-1 if level is None else places[level] for level in held.levels], dtype=np.int64)
        return known, of_level[held.codes]
    texts = values.tolist()
    known = sorted({text for text in texts if text is not None})
    found: dict[str | None, int] = {level: code for code, level in enumerate(known)}
    return known, np.fromiter(map(found.get, texts, repeat(-1)), dtype=np.int64, count=len(texts))


def _unfitted(step: Step) -> Step:
    if isinstance(step, LevelsStep):
        return msgspec.structs.replace(step, levels=None)
    return step.bare if isinstance(step, OwnStep | CustomStep) else step


_MAKERS = (CustomStep, RowStep, FilledStep, ScaledStep, FrequencyStep)


def _run(step: Step, columns: Columns, made: Columns, rows: int) -> Columns:
    """made: by the steps before it, for those that read them."""
    if isinstance(step, OwnStep):
        return {step.gives[0]: step.array(columns | made)}
    if isinstance(step, RawStep):
        raise SpecError("A raw pipeline has no matrix.", cure="Ask transform for its columns.")
    if isinstance(step, NumericStep):
        return {name: columns[name] for name in step.columns}
    if isinstance(step, LevelsStep):
        if step.levels is None:
            raise SpecError(
                f"The levels of {step.column!r} are not fitted.", cure="Call fit on the training rows first."
            )
        codes: dict[str | None, float] = {level: float(code) for code, level in enumerate(step.levels)}
        known = levels_of(columns[step.column])
        values = columns[step.column].tolist() if known is None else known.levels
        found = np.fromiter(map(codes.get, values, repeat(np.nan)), dtype=np.float64, count=len(values))
        return {step.column: found if known is None else found[known.codes]}
    return _run_custom(step, columns, rows)


def _run_custom(step: CustomStep, columns: Columns, rows: int) -> Columns:
    call = resolve(step.function)
    asked = {name: columns[name] for name in step.needs}
    try:
        given = _called_with_frame(step, call, asked) if step.takes != "columns" else call(asked, **step.parameters)
    except INTERRUPTIONS:
        raise
    except BaseException as error:
        raise PredictError(f"The feature step {step.function} raised {error!r}.", reason="raised") from error
    for name in step.gives:
        if name not in given or len(given[name]) != rows:
            raise PredictError(f"The feature step {step.function} did not give {name!r} for every row.", reason="shape")
    return {name: given[name] for name in step.gives}


def _called_with_frame(step: CustomStep, call: Callable[..., Any], asked: Columns) -> Columns:
    if step.types is None:
        raise SpecError(f"{step.function} does not know the types of its columns.", cure="Call typed(...) with them.")
    given = call(opaque.frame(asked, step.types, step.takes), **step.parameters)
    return {**opaque.arrays(given, step.takes, step.gives)}


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
