"""Parity, shown row by row: what is computed over a table is what one row gets, and what a service answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, PredictError, SpecError
from lockgate.features.columns import Columns, length, row_tuples, take
from lockgate.features.contract import column_type, to_columns
from lockgate.features.pipeline import CustomStep, OwnStep, Pipeline
from lockgate.features.pipeline_row import one_row
from lockgate.features.row_step import RowStep
from lockgate.features.table_expression import to_polars
from lockgate.records import Column
from lockgate.records.contract import ColumnType
from lockgate.runtime.predictor import Predictor
from lockgate.testing import estimator
from lockgate.testing.broken import ParityBroken
from lockgate.testing.hostile import hostile
from lockgate.testing.served import Served, asked_of

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
TOGETHER, ALONE = "in a batch", "as one row"


class Compared(NamedTuple):
    """rows: that were compared, of those tried; refused: those that neither way takes. features: compared by name."""

    rows: int
    refused: int
    features: tuple[str, ...]


def assert_parity(
    subject: Any,
    table: Any,
    *,
    served: Served | None = None,
    rows: int = 500,
    seed: int = 0,
    tolerance: float = 1e-6,
) -> Compared:
    """Raises ParityBroken, an AssertionError, naming the first feature that is not the same both ways, and the row.

    subject: a feature pipeline; a predictor (`workspace.predictor(version)`), whose features are compared and then its
    answers; or a fitted estimator with `predict`. table: pandas, Polars or a mapping, with the columns that it reads; hostile
    rows are made of its own (`hostile`), at least `rows` of them. Features must be the same to the bit; answers within
    `tolerance`, relative above 1.
    served: compares a predictor's batch answers with those of a service instead: a URL (http://host/predict/MODEL), which
    logs what it is asked, or a function from rows as dicts to values. Every column of the table is sent: leave out what a
    request must not hold, the outcome say. A row with an infinity is not sent: JSON has none.

    >>> lg.testing.assert_parity(pipeline, table)
    """
    found = _frame(table)
    if isinstance(subject, Pipeline):
        types = _types(found, subject.needs)
        return _of_pipeline(_ready(subject, found, types), hostile(found, types, rows=rows, seed=seed), types)
    if not isinstance(subject, Predictor):
        return _of_estimator(subject, found, rows, seed, tolerance)
    types = _types(found, subject.pipeline.needs)
    tried = hostile(found, types, rows=rows, seed=seed)
    compared = Compared(0, 0, ())
    if not subject.pipeline.is_raw:
        compared = _of_pipeline(subject.pipeline, tried, types)
    if served is not None:
        sent = asked_of(served, _asked(found, types, rows, seed), subject.version)
        return _of_answers(subject, sent.table, types, tolerance, sent.values)
    return _of_answers(subject, tried, types, tolerance, None)._replace(features=(*compared.features, "answer"))


def _ready(pipeline: Pipeline, table: pl.DataFrame, types: Mapping[str, ColumnType]) -> Pipeline:
    """Typed and fitted: what levels are ordered by does not matter here."""
    if pipeline.is_fitted:
        return pipeline
    return pipeline.typed(types).fit(to_columns(table, _columns(types)), np.zeros(table.height))


def _of_pipeline(pipeline: Pipeline, table: pl.DataFrame, types: Mapping[str, ColumnType]) -> Compared:
    if pipeline.is_raw:
        raise SpecError("A raw pipeline has no features of its own.", cure="Compare the predictor, or the estimator.")
    order = _columns(types)
    columns = to_columns(table, order)
    answered, together, alone = _both_ways(pipeline.matrix, columns, table, pipeline.names)
    for place, name in enumerate(pipeline.names):
        _refuse_difference(name, together[:, place], alone[:, place], table[answered], (TOGETHER, ALONE))
    _compare_written(pipeline, columns, order, table)
    _compare_polars(pipeline, columns, table)
    return Compared(answered.size, length(columns) - answered.size, pipeline.names)


def _both_ways(
    work: Callable[[Columns], NDArray[Any]], columns: Columns, table: pl.DataFrame, names: tuple[str, ...]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The places of the rows that are answered, all at once, and one by one; shapes (n,), (n, width), (n, width)."""
    rows = length(columns)
    one_by_one = [_tried(work, take(columns, np.array([place]))) for place in range(rows)]
    answered = np.array([place for place, found in enumerate(one_by_one) if found is not None], dtype=np.int64)
    together = _tried(work, columns)
    if together is not None and answered.size < rows:
        row = next(place for place, found in enumerate(one_by_one) if found is None)
        raise ParityBroken(names[0], row, table.row(row, named=True), (TOGETHER, ALONE), (together[row], "refused"))
    if not answered.size:
        raise SpecError("Not one of the rows is answered, so there is nothing to compare.", cure="Try the step alone.")
    together = _tried(work, take(columns, answered))
    if together is None:
        raise ParityBroken(names[0], int(answered[0]), {}, (TOGETHER, ALONE), ("refused", "answered"))
    alone = np.vstack([found for found in one_by_one if found is not None])
    return answered, together.reshape(answered.size, -1).astype(np.float64), alone.astype(np.float64)


def _tried(work: Callable[[Columns], NDArray[Any]], columns: Columns) -> NDArray[Any] | None:
    try:
        with np.errstate(all="ignore"):  # hostile rows overflow: that is what they are for
            found = np.asarray(work(columns))
    except (PredictError, ContractError):
        return None
    return found.reshape(length(columns), -1)


def _compare_written(pipeline: Pipeline, columns: Columns, order: tuple[Column, ...], table: pl.DataFrame) -> None:
    """The function of one row that a worker calls, where the pipeline has one."""
    written = one_row(pipeline, {column.name: place for place, column in enumerate(order)})
    if written is None:
        return
    said = [written(row) for row in row_tuples(columns, order)]
    with np.errstate(over="ignore"):
        alone = np.array(said, dtype=np.float64).astype(np.float32).astype(np.float64)
    together = pipeline.matrix(columns).astype(np.float64)
    for place, name in enumerate(pipeline.names):
        _refuse_difference(name, together[:, place], alone[:, place], table, (TOGETHER, "in a worker"))


def _compare_polars(pipeline: Pipeline, columns: Columns, table: pl.DataFrame) -> None:
    """Row features as Polars computes them, over what the steps before them gave."""
    import polars as pl

    given, frame = dict(columns), table
    for step in pipeline.steps:
        if isinstance(step, RowStep):
            own = step.array(given)
            found = frame.select(to_polars(step.tree).cast(pl.Float64).alias("found"))["found"]
            _refuse_difference(step.name, own, found.fill_null(np.nan).to_numpy(), table, (TOGETHER, "in Polars"))
            given[step.name] = own
            frame = frame.with_columns(pl.Series(step.name, own))
        elif isinstance(step, OwnStep):
            (name,) = step.gives
            given[name] = step.array(given)
            frame = frame.with_columns(pl.Series(name, given[name]))
        elif isinstance(step, CustomStep):
            return  # what it gives is compared as a whole


def _of_answers(
    predictor: Predictor, table: pl.DataFrame, types: Mapping[str, ColumnType], tolerance: float, sent: Floats | None
) -> Compared:
    columns = to_columns(table, _columns(types))

    def answer(some: Columns) -> NDArray[Any]:
        return predictor.predict(some).values

    if sent is not None:
        together = answer(columns).reshape(table.height, -1)
        _refuse_difference(
            "answer", together, sent.reshape(table.height, -1), table, (TOGETHER, "as served"), tolerance
        )
        return Compared(table.height, 0, ("answer",))
    answered, together, alone = _both_ways(answer, columns, table, ("answer",))
    _refuse_difference("answer", together, alone, table[answered], (TOGETHER, ALONE), tolerance)
    return Compared(answered.size, table.height - answered.size, ("answer",))


def _of_estimator(model: Any, table: pl.DataFrame, rows: int, seed: int, tolerance: float) -> Compared:
    asked = estimator.needs(model, table.columns)
    types = _types(table, asked)
    tried = hostile(table, types, rows=rows, seed=seed)
    columns, compared = to_columns(tried, _columns(types)), Compared(0, 0, ())
    for way in estimator.ways(model, _columns(types)):
        answered, together, alone = _both_ways(way.work, columns, tried, ("answer",))
        names = way.names(together.shape[1])
        for place, name in enumerate(names):
            here = tried[answered]
            _refuse_difference(name, together[:, place], alone[:, place], here, (TOGETHER, ALONE), tolerance)
        compared = Compared(answered.size, tried.height - answered.size, (*compared.features, *names))
    return compared


def _refuse_difference(
    name: str, one: Floats, other: Floats, table: pl.DataFrame, ways: tuple[str, str], tolerance: float = 0.0
) -> None:
    with np.errstate(all="ignore"):
        near = np.abs(one - other) <= tolerance * np.maximum(1.0, np.abs(one))
    same = (one == other) | (np.isnan(one) & np.isnan(other)) | near
    same = same if same.ndim == 1 else same.all(axis=1)
    if not same.all():
        row = int(np.flatnonzero(~same)[0])
        raise ParityBroken(name, row, table.row(row, named=True), ways, (_plain(one[row]), _plain(other[row])))


def _plain(value: Any) -> Any:
    found = np.asarray(value)
    return found.item() if found.size == 1 else found.tolist()


def _asked(table: pl.DataFrame, types: Mapping[str, ColumnType], rows: int, seed: int) -> pl.DataFrame:
    """Rows that JSON has words for; what the version does not read is as the table has it, for a contract may ask for it."""
    import polars as pl

    found = hostile(table, types, rows=rows, seed=seed)
    others = table.select(name for name in table.columns if name not in types)
    chosen = np.random.default_rng(seed).integers(0, table.height, found.height)
    found = found.hstack(others[chosen.tolist()])
    numbers = [pl.col(name).is_infinite().fill_null(value=False) for name, kind in types.items() if kind == "float"]
    found = found.filter(~pl.any_horizontal(*numbers)) if numbers else found
    return found.with_columns(pl.col(name).fill_nan(None) for name, kind in types.items() if kind == "float")


def _columns(types: Mapping[str, ColumnType]) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=kind, is_nullable=True) for name, kind in types.items())


def _types(table: pl.DataFrame, names: tuple[str, ...]) -> dict[str, ColumnType]:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise SpecError(
            f"The table has no column {missing[0]!r}, which is read.", cure=f"It has: {', '.join(table.columns)}."
        )
    return {name: column_type(name, table.schema[name]) for name in names}


def _frame(table: Any) -> pl.DataFrame:
    from lockgate.workspace.checking import Reading, frame

    return frame(table, Reading())[0]
