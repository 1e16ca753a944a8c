"""The columns that are asked for, taken from a table in exactly their types. The table half: needs Polars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lockgate.errors import ContractError
from lockgate.features.infer import column_type
from lockgate.records import Column
from lockgate.records.contract import ColumnType

if TYPE_CHECKING:
    import polars as pl


def typed(table: pl.DataFrame, columns: Iterable[Column], *, model: str, widens: bool = False) -> pl.DataFrame:
    """The table, once it has these columns in these types; one without any value gets its type.

    widens: whole numbers will do where floats are asked for, as in a request. Raises ContractError naming the first column
    that is missing or of another type: a silent cast would store 1.7 in an int column as 1.
    """
    import polars as pl

    empty: list[pl.Expr] = []
    for column in columns:
        name, kind = column.name, column.type
        if name not in table.columns:
            raise ContractError(
                f"The table has no column {name!r}, which the contract of {model} asks for.",
                cure=f"Add it as {kind}; the table's columns are: {', '.join(table.columns)}.",
                column=name,
            )
        dtype = table.schema[name]
        if isinstance(dtype, pl.Null):
            empty.append(pl.col(name).cast(polars_type(kind)))
            continue
        found = column_type(name, dtype)
        if found != kind and not (widens and (found, kind) == ("int", "float")):
            raise ContractError(
                f"Column {name!r} is {found} ({dtype}), and the contract of {model} says {kind}.",
                cure="Cast it where the table is made; Lockgate does not cast silently.",
                column=name,
            )
    return table.with_columns(empty) if empty else table


def polars_type(kind: ColumnType) -> pl.DataType:
    """The Polars type that holds every value of the contract's."""
    import polars as pl

    types: dict[str, pl.DataType] = {
        "int": pl.Int64(),
        "float": pl.Float64(),
        "bool": pl.Boolean(),
        "text": pl.String(),
    }
    return types.get(kind, pl.Datetime("us", "UTC"))
