"""Contracts from a table: what it keeps, with what a person wrote put over it. Needs Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from lockgate.errors import ContractError, LeakError, unknown
from lockgate.features.check import read_rules
from lockgate.features.declare import written
from lockgate.records import Column, ColumnSpec, Contract, ContractSpec, ModelSpec, Severity
from lockgate.records.contract import ColumnType

if TYPE_CHECKING:
    import polars as pl

MANY_LEVELS = 1000
FEW_ROWS = 30
MOSTLY = 0.5
_CURES = {
    "Date": 'Make it a time: pl.col("{name}").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").',
    "Datetime": 'Say its zone: pl.col("{name}").dt.replace_time_zone("UTC"), or .dt.convert_time_zone("UTC") if it has one.',
    "Duration": 'Make it seconds: pl.col("{name}").dt.total_microseconds() / 1e6.',
    "Decimal": 'Make it a number: pl.col("{name}").cast(pl.Float64), which keeps 15 digits.',
    "List": "Give each of its elements a column of its own.",
    "Array": "Give each of its elements a column of its own.",
    "Struct": 'Give each of its fields a column of its own: table.unnest("{name}").',
    "Time": "Make it seconds since midnight, as a number.",
}


class Prepared(NamedTuple):
    """The table in types that a contract knows, and what was done to it, a sentence each."""

    table: pl.DataFrame
    notes: tuple[str, ...]


def infer(model: str, spec: ModelSpec, table: pl.DataFrame) -> Contract:
    """The contract a table keeps: types, nulls, levels and ranges as seen, a person's ranges, rules and leaks as declared.

    Raises ContractError where a column the config names is missing, or one has a type no contract knows; LeakError where
    a time lies after the question and nobody said so; SpecError where a rule cannot be read.
    """
    declared = written(spec.contract)
    _refuse_absent(model, spec, declared, table)
    after = {spec.target, *declared.known_after, *([declared.known] if declared.known else [])}
    after |= {name for name, column in declared.columns.items() if column.known_after}
    identifiers = {*declared.keys, *([spec.unit] if spec.unit else [])}
    contract = Contract(
        model=model,
        columns=tuple(
            _column(table[name], declared, is_known_before=name not in after, is_identifier=name in identifiers)
            for name in table.columns
        ),
        target=spec.target,
        unit=spec.unit,
        time=spec.time,
        known=declared.known,
        keys=declared.keys,
        rules=declared.rules,
    )
    read_rules(contract)
    _refuse_future(contract, declared, table)
    return contract


def infer_for(
    target: str | None,
    table: pl.DataFrame,
    *,
    unit: str | None = None,
    time: str | None = None,
    model: str = "model",
) -> Contract:
    """The contract of a table nobody has described: the outcome's column is named, if that, and the unit and time if any.

    Times that lie after the question are taken as known after it. Raises ContractError where the target is missing, has
    no value, or only one; and where a column has a type no contract knows (`prepared` mends those it can).
    """
    for name in (n for n in (target, unit, time) if n is not None):
        if name not in table.columns:
            raise ContractError(unknown("column", name, table.columns), cure="Name one that is there.", column=name)
    if target is not None:
        _refuse_empty_target(target, table)
    after = tuple(name for name, share in future_columns(table, time).items() if share > MOSTLY) if time else ()
    spec = ModelSpec(target=target or "", unit=unit, time=time, contract=ContractSpec(known_after=after))
    return infer(model, spec, table)


def prepared(table: pl.DataFrame) -> Prepared:
    """Types that a contract has no word for made into those it has, each said in a note; nothing is done unsaid.

    A time without a zone is taken as UTC, another zone is moved to UTC, a date is its midnight in UTC, a duration is its
    seconds, a decimal a float64. What cannot be mended is left for the contract to refuse by name.
    """
    import polars as pl

    changes: list[pl.Expr] = []
    notes: list[str] = []
    for name, dtype in table.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
            changes.append(column.dt.replace_time_zone("UTC"))
            notes.append(f"Column {name!r} says no time zone: taken as UTC.")
        elif isinstance(dtype, pl.Datetime) and dtype.time_zone != "UTC":
            changes.append(column.dt.convert_time_zone("UTC"))
            notes.append(f"Column {name!r} is in {dtype.time_zone}: moved to UTC, the same moments.")
        elif isinstance(dtype, pl.Date):
            changes.append(column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
            notes.append(f"Column {name!r} holds dates: taken as their midnight in UTC.")
        elif isinstance(dtype, pl.Duration):
            changes.append(column.dt.total_microseconds().cast(pl.Float64) / 1e6)
            notes.append(f"Column {name!r} holds durations: taken as seconds.")
        elif isinstance(dtype, pl.Decimal):
            changes.append(column.cast(pl.Float64))
            notes.append(f"Column {name!r} holds decimals: taken as float64, 15 digits.")
    return Prepared(table.with_columns(changes) if changes else table, tuple(notes))


def future_columns(table: pl.DataFrame, time: str) -> dict[str, float]:
    """Time columns of which rows lie after the question's `time`, with the share of rows (of those that have both).

    One that does so in most rows tells what the future was, unless it is a timetable.
    """
    import polars as pl

    others = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Datetime) and name != time]
    if not isinstance(table.schema.get(time), pl.Datetime) or not others or not table.height:
        return {}
    zone = table.schema[time].time_zone  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    alike = [name for name in others if (table.schema[name].time_zone is None) == (zone is None)]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    shares = table.select((pl.col(name) > pl.col(time)).mean().alias(name) for name in alike).row(0)
    return {name: float(share) for name, share in zip(alike, shares, strict=True) if share}


def notes(table: pl.DataFrame, contract: Contract) -> tuple[str, ...]:
    """What a person should know of a contract that was read off this table, a sentence each."""
    found: list[str] = []
    if table.height < FEW_ROWS:
        found.append(f"Only {table.height} rows: the ranges and levels seen in so few say little.")
    for column in contract.columns:
        series = table[column.name]
        if series.len() and series.null_count() == series.len():
            found.append(f"Column {column.name!r} has no value at all: kept as {column.type}, null allowed. Drop it.")
        elif series.len() > 1 and series.n_unique() == 1:
            found.append(f"Column {column.name!r} has one value only, {series[0]!r}.")
        elif column.type == "text" and column.levels is None and column.name not in (contract.unit, *contract.keys):
            found.append(f"Column {column.name!r} is text of more than {MANY_LEVELS:,} values: any value goes.")
    if contract.unit and not contract.keys and table[contract.unit].is_duplicated().any():
        found.append(f"Unit {contract.unit!r} comes more than once: its rows belong together when the table is split.")
    return tuple(found)


def column_type(name: str, dtype: pl.DataType) -> ColumnType:
    """The contract's word for a Polars type. Raises ContractError for one it has no word for."""
    import polars as pl

    if dtype.is_integer():
        return "int"
    if dtype.is_float() or isinstance(dtype, pl.Null):
        return "float"
    if dtype == pl.Boolean:
        return "bool"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC":
        return "time"
    raise ContractError(
        f"Column {name!r} has type {dtype}, which no contract knows.",
        cure=_CURES.get(type(dtype).__name__, "Cast it to a number, a boolean, text, or a Datetime in UTC.").format(
            name=name
        ),
        column=name,
    )


def _refuse_absent(model: str, spec: ModelSpec, declared: ContractSpec, table: pl.DataFrame) -> None:
    named = [spec.target, spec.unit, spec.time, declared.known, *declared.keys, *declared.ranges]
    for name in (*(n for n in named if n), *declared.known_after, *declared.nullable, *declared.columns):
        if name not in table.columns:
            raise ContractError(
                unknown("column", name, table.columns),
                cure=f"Add it to the table, or mend [model.{model}] in lockgate.toml.",
                column=name,
            )


def _column(series: pl.Series, declared: ContractSpec, *, is_known_before: bool, is_identifier: bool) -> Column:
    said = declared.columns.get(series.name, ColumnSpec())
    found = Column(
        name=series.name,
        type=_type(series, said),
        is_nullable=_is_nullable(series, declared, said, is_known_before=is_known_before),
        is_known_before=is_known_before,
        on_break=said.on_break if isinstance(said.on_break, str) else "flag",
        severity=said.on_break if isinstance(said.on_break, Severity) else Severity(),
    )
    if found.type == "text":
        return msgspec.structs.replace(found, levels=_levels(series, said, is_identifier=is_identifier))
    if found.type not in ("int", "float"):
        return found
    if said.has_range or series.name in declared.ranges:
        low, high = (said.low, said.high) if said.has_range else declared.ranges[series.name]
        return msgspec.structs.replace(found, low=low, high=high, range_origin="declared")
    if is_identifier or not series.count():
        return found
    return msgspec.structs.replace(found, low=_float(series.min()), high=_float(series.max()))


def _type(series: pl.Series, said: ColumnSpec) -> ColumnType:
    """As the table has it. A column without a value has the type a person gives it, else float."""
    import polars as pl

    if isinstance(series.dtype, pl.Null) and said.type is not None:
        return said.type
    found = column_type(series.name, series.dtype)
    if said.type is not None and said.type != found:
        raise ContractError(
            f"Column {series.name!r} is {found} ({series.dtype}) in the table, and declared as {said.type}.",
            cure="Cast it where the table is made, or mend the declaration; Lockgate does not cast silently.",
            column=series.name,
        )
    for given, types in ((said.levels is not None, ("text",)), (said.has_range, ("int", "float"))):
        if given and found not in types:
            raise ContractError(
                f"Column {series.name!r} is {found}, and what is declared of it is for {' or '.join(types)}.",
                cure="Take its low, high or levels out of the declaration.",
                column=series.name,
            )
    return found


def _is_nullable(series: pl.Series, declared: ContractSpec, said: ColumnSpec, *, is_known_before: bool) -> bool:
    if said.nullable is not None:
        return said.nullable
    has_missing = series.null_count() > 0 or (series.dtype.is_float() and bool(series.is_nan().any()))
    return has_missing or series.name in declared.nullable or not is_known_before


def _levels(series: pl.Series, said: ColumnSpec, *, is_identifier: bool) -> tuple[str, ...] | None:
    if said.levels is not None:
        return said.levels
    if is_identifier or not series.count() or series.n_unique() > MANY_LEVELS:
        return None
    return tuple(sorted(series.drop_nulls().unique().to_list()))


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _refuse_future(contract: Contract, declared: ContractSpec, table: pl.DataFrame) -> None:
    if contract.time is None:
        return
    for name, share in future_columns(table, contract.time).items():
        column = contract.column(name)
        is_settled = name in declared.columns and declared.columns[name].known_after is False
        if share > MOSTLY and column is not None and column.is_known_before and not is_settled:
            raise LeakError(
                f"Column {name!r} lies after the question's time {contract.time!r} in {share:.0%} of the rows: a model that "
                "learns from it sees the future.",
                cure=f"Add {name!r} to contract.known_after; where it is known beforehand all the same (a timetable), write "
                f"contract.columns.{name}.known_after = false.",
                column=name,
            )


def _refuse_empty_target(target: str, table: pl.DataFrame) -> None:
    values: list[object] = table[target].drop_nulls().unique().head(2).to_list()
    if table.height and len(values) < 2:
        only = f"only one value, {values[0]!r}" if values else "no value at all"
        raise ContractError(
            f"The target {target!r} has {only} in {table.height:,} rows: there is nothing to tell apart.",
            cure="Name another target, or take a table that holds both outcomes.",
            column=target,
        )
