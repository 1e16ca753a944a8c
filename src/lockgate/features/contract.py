"""Contracts over tables: inferred, checked exactly, and breaking rows set aside. The table half: needs Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.errors import ContractError, LeakError, unknown
from lockgate.features.check import breaks
from lockgate.features.columns import Columns
from lockgate.records import Column, Contract, ModelSpec
from lockgate.records.contract import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

MANY_LEVELS = 1000


class Checked(NamedTuple):
    """kept: the rows that keep the contract; quarantined: the others with a `broken_rule` column; counts by rule."""

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    counts: dict[str, int]


def infer(model: str, spec: ModelSpec, table: pl.DataFrame) -> Contract:
    """The contract a table keeps: types, nulls, levels and ranges as seen, a person's ranges and leaks as declared.

    Raises ContractError where a column the config names is missing, or one has a type no contract knows.
    """
    named = [spec.target, spec.unit, spec.time, spec.contract.known, *spec.contract.keys, *spec.contract.ranges]
    for name in (*(n for n in named if n), *spec.contract.known_after, *spec.contract.nullable):
        if name not in table.columns:
            raise ContractError(
                unknown("column", name, table.columns),
                cure=f"Add it to the table, or mend [model.{model}] in lockgate.toml.",
                column=name,
            )
    after = {spec.target, *spec.contract.known_after, *([spec.contract.known] if spec.contract.known else [])}
    columns = tuple(_infer_column(table[name], spec, is_known_before=name not in after) for name in table.columns)
    return Contract(
        model=model,
        columns=columns,
        target=spec.target,
        unit=spec.unit,
        time=spec.time,
        known=spec.contract.known,
        keys=spec.contract.keys,
    )


def _infer_column(series: pl.Series, spec: ModelSpec, *, is_known_before: bool) -> Column:
    kind = column_type(series.name, series.dtype)
    declared = spec.contract.ranges.get(series.name)
    low, high = declared or (None, None)
    levels = None
    is_identifier = series.name in (spec.unit, *spec.contract.keys)
    if kind == "text" and not is_identifier and series.n_unique() <= MANY_LEVELS:
        levels = tuple(sorted(series.drop_nulls().unique().to_list()))
    if kind in ("int", "float") and declared is None and not is_identifier and series.count():
        low, high = _float(series.min()), _float(series.max())
    return Column(
        name=series.name,
        type=kind,
        is_nullable=series.null_count() > 0 or series.name in spec.contract.nullable or not is_known_before,
        low=low,
        high=high,
        range_origin="declared" if declared else "inferred",
        levels=levels,
        is_known_before=is_known_before,
    )


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def column_type(name: str, dtype: pl.DataType) -> ColumnType:
    """The contract's word for a Polars type. Raises ContractError for one it has no word for."""
    import polars as pl

    if dtype.is_integer():
        return "int"
    if dtype.is_float():
        return "float"
    if dtype == pl.Boolean:
        return "bool"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC":
        return "time"
    raise ContractError(
        f"Column {name!r} has type {dtype}, which no contract knows.",
        cure="Cast it to a number, a boolean, text, or a Datetime in UTC.",
        column=name,
    )


def check(table: pl.DataFrame, contract: Contract) -> Checked:
    """Hold a table to its contract: another schema is refused whole, breaking rows are set aside with their rule.

    Raises ContractError naming the first column that is missing, extra or of another type: a silent cast would store
    1.7 in an int column as 1.
    """
    import polars as pl

    _check_schema(table, contract)
    columns = to_columns(table, contract.columns)
    rule = np.full(table.height, None, dtype=object)
    for item in reversed(breaks(columns, contract.columns)):
        if item.is_refused:
            rule[item.rows] = item.flag
    if contract.keys:
        # Among the rows that are otherwise whole: a broken row must not push out the good one sent in its place.
        is_whole = np.array([broken is None for broken in rule], dtype=bool)
        repeated = table.filter(is_whole).select(pl.struct(contract.keys).is_first_distinct().not_()).to_series()
        rule[np.flatnonzero(is_whole)[repeated.to_numpy()]] = f"{', '.join(contract.keys)}: duplicate key"
    broken = pl.Series("broken_rule", rule.tolist(), dtype=pl.String)
    marked = table.with_columns(broken)
    quarantined = marked.filter(pl.col("broken_rule").is_not_null())
    counts = dict(quarantined["broken_rule"].value_counts(sort=True).iter_rows())
    return Checked(marked.filter(pl.col("broken_rule").is_null()).drop("broken_rule"), quarantined, counts)


def _check_schema(table: pl.DataFrame, contract: Contract) -> None:
    expected = {column.name: column.type for column in contract.columns}
    for name, kind in expected.items():
        if name not in table.columns:
            raise ContractError(
                f"The table has no column {name!r}, which the contract of {contract.model} asks for.",
                cure=f"Add it as {kind}; the table's columns are: {', '.join(table.columns)}.",
                column=name,
            )
        found = column_type(name, table.schema[name])
        if found != kind:
            raise ContractError(
                f"Column {name!r} is {found} ({table.schema[name]}), and the contract of {contract.model} says {kind}.",
                cure="Cast it where the table is made; Lockgate does not cast silently.",
                column=name,
            )
    extra = [name for name in table.columns if name not in expected]
    if extra:
        raise ContractError(
            f"Column {extra[0]!r} is not in the contract of {contract.model}.", cure="Drop it.", column=extra[0]
        )


def to_columns(table: pl.DataFrame, contract: Iterable[Column]) -> Columns:
    """The table's columns as arrays; names that it does not hold raise ContractError."""
    import polars as pl

    columns: Columns = {}
    for column in contract:
        if column.name not in table.columns:
            raise ContractError(unknown("column", column.name, table.columns), column=column.name)
        series = table[column.name]
        if column.type == "text":
            values = np.empty(series.len(), dtype=object)
            values[:] = series.cast(pl.String).to_list()
            columns[column.name] = values
        elif column.type == "time":
            micros = series.dt.cast_time_unit("us").cast(pl.Int64)
            columns[column.name] = micros.cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1e6
        else:
            columns[column.name] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return columns


def refuse_leaks(contract: Contract, needs: Iterable[str]) -> None:
    """Raises LeakError where a feature is known only after the question, ContractError where it is no column."""
    for name in needs:
        column = contract.column(name)
        if column is None:
            raise ContractError(unknown("column", name, [c.name for c in contract.columns]), column=name)
        if not column.is_known_before:
            asked = f" at {contract.time!r}" if contract.time else ""
            raise LeakError(
                f"{name!r} cannot be a feature of {contract.model}: it is known only after the question{asked} is asked, "
                "so a model that learns from it is brilliant in training and blind in production.",
                cure="Take it out of the features; if it is known in time after all, out of contract.known_after.",
                column=name,
            )
