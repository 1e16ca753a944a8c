"""Schemas: a table's held to a stored one before a write, and types that a store keeps as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lockgate.errors import ContractError, unknown

if TYPE_CHECKING:
    import polars as pl


def refuse_other_schema(table: pl.DataFrame, stored: Mapping[str, pl.DataType], *, name: str) -> None:
    """Whether the table may be written as the next version of a stored one: the same columns, of exactly the same types.

    stored: the schema of what is there. Raises ContractError naming the first column that differs and the cast to write:
    a store casts silently, 1.7 into whole numbers as 1, 3 milliards into 32 bits as something else.
    """
    for column in stored:
        if column not in table.columns:
            raise ContractError(
                f"The table has no column {column!r}, and what is stored as {name} has.",
                cure=f"Add it as {stored[column]}.",
                column=column,
            )
    for column, dtype in table.schema.items():
        if column not in stored:
            raise ContractError(
                f"{unknown('column', column, stored)} It is not in what is stored as {name}.",
                cure="Drop it.",
                column=column,
            )
        if dtype != stored[column]:
            raise ContractError(
                f"Column {column!r} is {dtype}, and what is stored as {name} is {stored[column]}.",
                cure=f"Cast it where the table is made, and look at what it loses: {_cast(column, dtype, stored[column])}",
                column=column,
            )


def storable(table: pl.DataFrame) -> pl.DataFrame:
    """The table in types that Delta Lake keeps as they are; every change is exact.

    Unsigned whole numbers become the next larger signed ones (the store would read their bits as signed), times
    microseconds, categories text. Raises ContractError for a whole number that 64 bits cannot hold, and for a time finer
    than a microsecond.
    """
    import polars as pl

    wider: dict[Any, Any] = {pl.UInt8: pl.Int16, pl.UInt16: pl.Int32, pl.UInt32: pl.Int64, pl.UInt64: pl.Int64}
    wider |= {pl.Int128: pl.Int64, pl.Float16: pl.Float32}
    changes: list[pl.Expr] = []
    for name, dtype in table.schema.items():
        own = pl.col(name)
        if dtype.base_type() in wider:
            _refuse_too_large(table[name], name)
            changes.append(own.cast(wider[dtype.base_type()]))
        elif isinstance(dtype, pl.Categorical | pl.Enum):
            changes.append(own.cast(pl.String))
        elif isinstance(dtype, pl.Datetime) and dtype.time_unit != "us":
            _refuse_too_fine(table[name], name, dtype)
            changes.append(own.dt.cast_time_unit("us"))
    return table.with_columns(changes) if changes else table


def _refuse_too_large(series: pl.Series, name: str) -> None:
    largest = series.max()
    if isinstance(largest, int) and largest >= 2**63:
        raise ContractError(
            f"Column {name!r} holds {largest}, which 64 bits cannot.",
            cure="Keep it as text, if it is a name; as a float64, if 15 digits do.",
            column=name,
        )


def _refuse_too_fine(series: pl.Series, name: str, dtype: pl.Datetime) -> None:
    if dtype.time_unit == "ns" and bool((series.dt.nanosecond() % 1000 != 0).any()):
        raise ContractError(
            f"Column {name!r} holds nanoseconds, and microseconds are kept.",
            cure=f'Round it where the table is made: pl.col("{name}").dt.cast_time_unit("us").',
            column=name,
        )


def _cast(name: str, found: pl.DataType, wanted: pl.DataType) -> str:
    import polars as pl

    own = f'pl.col("{name}")'
    if isinstance(found, pl.Datetime) and isinstance(wanted, pl.Datetime):
        if found.time_zone is None and wanted.time_zone:
            return f'{own}.dt.replace_time_zone("{wanted.time_zone}")'
        if found.time_zone != wanted.time_zone:
            return f'{own}.dt.convert_time_zone("{wanted.time_zone}")'
        return f'{own}.dt.cast_time_unit("{wanted.time_unit}")'
    if found.is_float() and wanted.is_integer():
        return f"{own}.round().cast(pl.{wanted}), which makes 1.7 a 2"
    return f"{own}.cast(pl.{wanted})"
