"""Schemas: the contract as JSON Schema for people and tools, and a table's schema held to a stored one before a write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lockgate.errors import ContractError, unknown
from lockgate.features.check import asked_rules
from lockgate.records import Column, Contract

if TYPE_CHECKING:
    import polars as pl

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_JSON: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}


def json_schema(contract: Contract) -> dict[str, Any]:
    """What a request to the model looks like, as JSON Schema (draft 2020-12).

    What refuses a row is a constraint; what only flags it or leaves it to the fallback stands as a description, and so do
    the rules between columns, which JSON Schema has no word for.
    """
    row = {
        "type": "object",
        "properties": {column.name: _property(column) for column in contract.asked},
        "required": [column.name for column in contract.asked],
        "additionalProperties": False,
    }
    rules = [f"{rule.rule.name} ({rule.rule.on_break}): {rule.rule.check}" for rule in asked_rules(contract)]
    return {
        "$schema": DRAFT,
        "title": f"A request to {contract.model}",
        "type": "object",
        "properties": {
            "rows": {
                "type": "array",
                "minItems": 1,
                "items": row | ({"description": "; ".join(rules)} if rules else {}),
            },
            "unit": {"type": ["string", "null"]},
            "id": {"type": ["string", "null"]},
        },
        "required": ["rows"],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    found = dict(_JSON[column.type])
    if column.is_nullable or column.does("missing") != "refuse":
        found["type"] = [found["type"], "null"]
    said: list[str] = []
    bounds = {"minimum": column.low, "maximum": column.high}
    for word, bound in bounds.items():
        if bound is not None and column.does("range") == "refuse":
            found[word] = bound
        elif bound is not None:
            said.append(f"{word} {bound:g}, else {column.does('range')}")
    if column.levels is not None and column.does("levels") == "refuse":
        found["enum"] = [*column.levels, *([None] if isinstance(found["type"], list) else [])]
    elif column.levels is not None:
        said.append(f"one of {len(column.levels)} levels, else {column.does('levels')}")
        found["examples"] = list(column.levels[:5])
    return found | ({"description": "; ".join(said)} if said else {})


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
