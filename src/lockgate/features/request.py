"""The contract as a request type: strict decoding, errors that name the column. Needs numpy and msgspec alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.check import breaks, flags_by_row, refuse
from lockgate.features.columns import Columns, array
from lockgate.records import Column, Contract

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "text": str,
    "time": Annotated[datetime, msgspec.Meta(tz=True)],
}


class Rows(NamedTuple):
    """Decoded rows: `columns` by name, `flags` by row, for what was broken but not refused."""

    columns: Columns
    flags: list[tuple[str, ...]]
    unit: str | None
    id: str | None


class RequestType:
    """Decodes `{"rows": [...], "unit": ..., "id": ...}` for one contract."""

    def __init__(self, contract: Contract) -> None:
        self.asked = contract.asked
        self._fields = [f"f{number}" for number in range(len(self.asked))]
        row: Any = _struct("Row", self.asked)
        self._envelope = msgspec.defstruct(
            "Request",
            [("rows", list[row]), ("unit", str | None, None), ("id", str | None, None)],
            forbid_unknown_fields=True,
        )
        self._decoder = msgspec.json.Decoder(self._envelope)

    def decode(self, body: bytes) -> Rows:
        """Rows ready to predict. Raises ContractError naming the column where a row may not be used."""
        try:
            request: Any = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise ContractError(str(error), column=_column_in(str(error))) from error
        if not request.rows:
            raise ContractError("The request holds no rows.", cure='Send {"rows": [{...}]} with at least one row.')
        columns = {
            column.name: _array(column, [_plain(getattr(row, field)) for row in request.rows])
            for column, field in zip(self.asked, self._fields, strict=True)
        }
        found = breaks(columns, self.asked)
        refuse(found, "The contract refuses it; GET the model's metadata for what it takes.")
        return Rows(columns, flags_by_row(found, len(request.rows)), request.unit, request.id)


def _struct(name: str, asked: tuple[Column, ...]) -> type[msgspec.Struct]:
    """Fields are numbered and renamed, for a column may be called `sepal length (cm)` or `0`."""
    fields: list[Any] = []
    for number, column in enumerate(asked):
        kind = _TYPES[column.type]
        fields.append((f"f{number}", kind | None if column.is_nullable else kind))
    names = {f"f{number}": column.name for number, column in enumerate(asked)}
    return msgspec.defstruct(name, fields, rename=names, forbid_unknown_fields=True, kw_only=True)


def _array(column: Column, values: list[Any]) -> NDArray[Any]:
    """JSON has integers of any length, a column has not."""
    try:
        return array(column, values)
    except OverflowError as error:
        raise ContractError(f"Column {column.name!r} is too large a number.", column=column.name) from error


def _plain(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


def _column_in(message: str) -> str | None:
    """The column that msgspec's error path names: `$.rows[...].dep` or an unknown or missing field in backticks."""
    if "field `" in message:
        return message.split("field `", 1)[1].split("`", 1)[0]
    _, found, tail = message.rpartition("].")
    return tail.rstrip("`") if found else None
