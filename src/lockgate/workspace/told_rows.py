"""Somebody's table of predictions and outcomes, read as rows that can be estimated and judged; what is wrong is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess.expecting import Method, Rows
from lockgate.errors import ContractError, SpecError, unknown
from lockgate.features.columns import Columns
from lockgate.features.infer import column_type
from lockgate.records.monitored import Estimated
from lockgate.records.spec import Task

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
METHODS: dict[Task, tuple[Method, ...]] = {"binary": ("CBPE", "M-CBPE"), "regression": ("loss model",)}


class Read(NamedTuple):
    """A table in types that a contract knows, and what was done to it, a sentence each."""

    table: pl.DataFrame
    notes: tuple[str, ...]


class Told(NamedTuple):
    """Rows with a prediction. value, outcome: shape (n,); outcome: NaN where unknown, None where nobody asked."""

    table: pl.DataFrame
    task: Task
    value: Floats
    outcome: Floats | None
    notes: tuple[str, ...]

    def rows(self, inputs: Sequence[str]) -> Rows:
        return Rows(self.value, columns_of(self.table, inputs), self.outcome)


def read(table: Any) -> Read:
    """A frame, a LazyFrame, Arrow, a mapping of columns, or the path of a file or Delta folder, in memory.

    Raises NotFound where there is no file, SpecError where it is no table.
    """
    import polars as pl

    from lockgate.features.infer import prepared
    from lockgate.workspace import tables

    source = tables.source(table)
    with tables.readable(table):
        frames = list(source.frames.every(list(source.frames.schema)))
    found = prepared(pl.concat(frames) if frames else pl.DataFrame(schema=source.frames.schema))
    return Read(found.table, (*source.notes, *found.notes))


def reference(given: Read, *, prediction: str, outcome: str, time: str | None = None, task: Task | None = None) -> Told:
    """Rows that have both, in the order of time. Raises SpecError where none has."""
    for name in (prediction, outcome, *([time] if time else [])):
        refuse_unknown(given.table, name)
    table = given.table.sort(time, maintain_order=True) if time else given.table
    true = numbers(table, outcome, what="outcomes")
    value = numbers(table, prediction, what="predictions")
    own = task_of(true, outcome, task)
    there = ~np.isnan(true) & ~np.isnan(value)
    if not there.any():
        raise SpecError(
            f"No row of the reference has both {prediction!r} and {outcome!r}.",
            cure="Give rows whose outcomes are known, that the model was not trained on.",
        )
    refuse_values(value, prediction, own)
    notes = (*given.notes, *_left_out(int((~there).sum()), f"rows of the reference without {prediction} or {outcome}"))
    return Told(table.filter(there), own, value[there], true[there], notes)


def live(given: Read, *, prediction: str, task: Task) -> Told:
    """Rows with a prediction; none at all is no error."""
    refuse_unknown(given.table, prediction)
    value = numbers(given.table, prediction, what="predictions")
    refuse_values(value, prediction, task)
    there = ~np.isnan(value)
    notes = (*given.notes, *_left_out(int((~there).sum()), f"rows without {prediction}"))
    return Told(given.table.filter(there), task, value[there], None, notes)


def task_of(outcome: Floats, name: str, task: Task | None) -> Task:
    """As told, else binary where outcomes are 0 and 1 alone. Raises SpecError for a task that cannot be."""
    if task is not None and task not in METHODS:
        raise SpecError(unknown("task", task, METHODS), cure="Estimates are made of two classes, and of numbers.")
    seen = np.unique(outcome[~np.isnan(outcome)])
    is_two = bool(np.isin(seen, (0.0, 1.0)).all())
    if task == "binary" and not is_two:
        other = seen[~np.isin(seen, (0.0, 1.0))]
        raise SpecError(
            f"{name!r} is {other[0]:g} in a row, neither 0 nor 1.", cure='Make it 0 and 1, or task="regression".'
        )
    return task or ("binary" if is_two else "regression")


def method_of(method: Method | None, task: Task) -> Method:
    """As asked, else the task's first. Raises SpecError for one that does not fit."""
    if task not in METHODS:
        raise SpecError(
            f"There is no estimate of a {task} task.", cure="Estimates are made of two classes, and of numbers."
        )
    if method is None:
        return METHODS[task][0]
    if method not in METHODS[task]:
        raise SpecError(unknown("method of a " + task + " task", method, METHODS[task]))
    return method


def inputs(
    method: Method, asked: Sequence[str] | None, before: Read, after: Read, *, leave_out: Sequence[str | None]
) -> tuple[str, ...]:
    """The columns that a method reads: none of CBPE, else those asked for, or all that both tables have.

    Raises SpecError for an unknown one, or where none is left; ContractError where a column's type has changed.
    """
    if method == "CBPE":
        return ()
    shared = [name for name in before.table.columns if name in after.table.columns and name not in leave_out]
    chosen = shared if asked is None else list(asked)
    for name in chosen:
        refuse_unknown(before.table, name)
        refuse_unknown(after.table, name)
        kinds = [column_type(name, one.table.schema[name]) for one in (before, after)]
        if ("text" in kinds) != (kinds == ["text", "text"]):
            raise ContractError(
                f"Column {name!r} is {before.table.schema[name]} in the reference, and {after.table.schema[name]} here.",
                cure=f"Cast one of them, or leave it out of columns: pl.col({name!r}).cast(pl.Float64), say.",
                column=name,
            )
    chosen = [name for name in chosen if asked is not None or column_type(name, before.table.schema[name]) != "time"]
    if not chosen and method == "M-CBPE":
        raise SpecError("M-CBPE has no column to tell the live rows by.", cure="Name some in columns, or ask for CBPE.")
    return tuple(chosen)


def columns_of(table: pl.DataFrame, names: Sequence[str]) -> Columns:
    """By name: text as objects, None for missing; all else as float64, NaN for missing, times as seconds since 1970."""
    found: Columns = {}
    for name in names:
        kind = column_type(name, table.schema[name])
        if kind == "text":
            import polars as pl

            found[name] = np.array(table[name].cast(pl.String).to_list(), dtype=object)
        else:
            found[name] = times_s(table, name) if kind == "time" else _floats(table[name])
    return found


def numbers(table: pl.DataFrame, name: str, *, what: str) -> Floats:
    """A column as float64, NaN for missing. Raises ContractError where it holds something else."""
    import polars as pl

    dtype = table.schema[name]
    if not (dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.Null)):
        raise ContractError(
            f"{name!r} holds {dtype}, not numbers.",
            cure=f"Make the {what} numbers, 0 and 1 of two classes: (pl.col({name!r}) == 'yes').cast(pl.Int8), say.",
            column=name,
        )
    return _floats(table[name])


def times_s(table: pl.DataFrame, name: str) -> Floats:
    """Seconds since 1970, UTC; NaN for missing. Raises SpecError for a column of something else."""
    import polars as pl

    series = table[name]
    if not isinstance(series.dtype, pl.Datetime):
        raise SpecError(f"{name!r} holds {series.dtype}, not times.", cure="Parse it as dates first.")
    micros = series.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64)
    return micros.fill_null(float("nan")).to_numpy() / 1e6


def refuse_unknown(table: pl.DataFrame, name: str) -> None:
    if name not in table.columns:
        raise SpecError(unknown("column", name, table.columns), cure="Name one that is there.")


def refuse_values(value: Floats, name: str, task: Task) -> None:
    """Raises SpecError naming the first row whose prediction is none."""
    infinite = np.isinf(value)
    if infinite.any():
        raise SpecError(
            f"{name!r} is infinite in {int(infinite.sum())} rows, row {int(infinite.argmax())} the first.",
            cure="Leave those rows out, and count them: no model should answer so.",
        )
    if task == "binary":
        outside = (value < 0) | (value > 1)
        if outside.any():
            row = int(outside.argmax())
            raise SpecError(
                f"{name!r} is {value[row]:g} in row {row}, which is no chance.",
                cure='Give the chance of 1, in [0, 1]; of numbers say task="regression".',
            )


def refuse_settings(*, threshold: float, coverage: float) -> None:
    if not 0 < threshold < 1:
        raise SpecError(f"A threshold of {threshold:g} decides nothing.", cure="Give one in (0, 1), 0.5 say.")
    if not 0.5 <= coverage < 1:
        raise SpecError(f"A coverage of {coverage:g} is none to lean on.", cure="Give one from 0.5 to below 1.")


def noted(found: Estimated, *notes: str) -> Estimated:
    return msgspec.structs.replace(found, notes=(*dict.fromkeys((*notes, *found.notes)),))


def _floats(series: pl.Series) -> Floats:
    import polars as pl

    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return cast("Floats", values)


def _left_out(rows: int, what: str) -> tuple[str, ...]:
    return (f"{rows:,} {what} {'is' if rows == 1 else 'are'} left out.",) if rows else ()
