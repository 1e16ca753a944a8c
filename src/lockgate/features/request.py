"""The contract as a request type: strict decoding, errors that name the column. Needs numpy and msgspec alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.check import breaks, falls_back, flags_by_row, refuse, sent_rules
from lockgate.features.columns import Columns, array
from lockgate.features.one_row import to_function
from lockgate.records import Column, Contract
from lockgate.records.prediction import Scalar

LONGEST_NAME = 256  # characters of a request's id and unit: each of its rows is answered and logged with them
TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "text": str,
    "time": Annotated[datetime, msgspec.Meta(tz=True)],
}
_NAME: Any = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
_LITERAL: Any = Literal  # its values are known when a contract is
FEW_ROWS = 20
_EXACT = 2**53
_LARGEST = 2**62  # a bound beyond it is not msgspec's to check


class Held(NamedTuple):
    """Rows as one of several versions has them. left: shape (n,), which of them it may not answer; flags: by row, why not,
    and what else only this version makes of it.
    """

    left: NDArray[np.bool_]
    flags: list[tuple[str, ...]]

    def take(self, rows: NDArray[np.intp]) -> Held:
        """Of some of the rows. rows: shape (k,), their places."""
        return Held(self.left[rows], [self.flags[row] for row in rows.tolist()])


class Rows(NamedTuple):
    """Decoded rows: `columns` by name; by row, `flags` for what was broken but not refused, and whether the contract
    leaves the row to the fallback. by_version: where several contracts are in force; drawn: as of `Plain`.
    """

    columns: Columns
    flags: list[tuple[str, ...]]
    unit: str | None
    id: str | None
    falls_back: NDArray[np.bool_]
    by_version: Mapping[str, Held] = MappingProxyType({})
    drawn: str | None = None


class Plain(NamedTuple):
    """Rows that break nothing, as they were sent: their values in the order of `asked`, None for missing; times are seconds
    since 1970. drawn: the id it goes by where it brought none, whichever way answers it.
    """

    rows: list[tuple[Scalar, ...]]
    unit: str | None
    id: str | None
    drawn: str | None = None


class RequestType:
    """Decodes `{"rows": [...], "unit": ..., "id": ...}` for one contract.

    Two decoders: a narrow one whose types hold every range and level, so that a request which breaks nothing is checked
    while it is read; and a wide one for the others, whose rows then meet the one definition of a break.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.asked = contract.sent
        self._aggregates = contract.aggregates.keys()
        self._rules = sent_rules(contract)
        fields = {column.name: f"row.f{number}" for number, column in enumerate(self.asked)}
        self._conditions = tuple(to_function(rule.tree, fields) for rule in self._rules)
        self._times = tuple(place for place, column in enumerate(self.asked) if column.type == "time")
        self._ints = tuple(place for place, column in enumerate(self.asked) if column.type == "int")
        self._whole = frozenset(column.name for column in self.asked if column.type == "int")
        self._types = tuple(_narrow(column) for column in self.asked)
        self._narrow = decoder(self.asked, self._types)
        self._wide = decoder(self.asked, tuple(_wide(column) for column in self.asked))

    def decode(self, body: bytes) -> Rows:
        """Rows ready to predict. Raises ContractError naming the column where a row may not be used."""
        return self._held(*self.read(body))

    def plain(self, body: bytes) -> Plain | None:
        """The rows without a table made of them; None where anything about them must be looked at, which `decode` does."""
        try:
            request = self._narrow.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not request.rows or (self._conditions and self._breaks_a_rule(request.rows)):
            return None
        rows = [msgspec.structs.astuple(row) for row in request.rows]
        if self._times:
            rows = [self._timed(row) for row in rows]
        if any(_is_long(row[place]) for place in self._ints for row in rows):
            return None  # the arrays of the long way would round it
        return Plain(rows, request.unit, request.id)

    def _timed(self, row: tuple[Any, ...]) -> tuple[Scalar, ...]:
        found = list(row)
        for place in self._times:
            found[place] = _seconds(found[place])
        return tuple(found)

    def hold(self, rows: Sequence[object], *, unit: str | None = None, request: str | None = None) -> Rows:
        """The same of rows that another protocol brought, as objects by column: as strict as `decode` is.

        NaN is missing here and 2.0 a whole number: frames and tensors hold whole numbers as floats where one is missing. An
        infinity may come too, which JSON has no word for. request: its id.
        """
        narrow, wide = (partial(msgspec.convert, type=decoder.type) for decoder in (self._narrow, self._wide))
        found = self._whole_rows(narrow, {"rows": rows, "unit": unit, "id": request})
        if found is not None:
            return found
        sent = {"rows": [self._plain(row) for row in rows], "unit": unit, "id": request}
        held, is_whole = self._read(narrow, wide, sent)
        return self._held(held, is_whole and not any(map(_is_endless, held.rows)))

    def _whole_rows(self, narrow: Callable[[Any], Any], sent: object) -> Rows | None:
        """The rows as they are, None where any of them must be looked at: most are whole, and looking takes longest."""
        try:
            request = narrow(sent)
        except msgspec.ValidationError:
            return None
        if not request.rows or self._breaks_a_rule(request.rows):
            return None
        columns = self._columns([msgspec.structs.astuple(row) for row in request.rows])
        for column in self.asked:
            if column.type != "text" and not _is_told(columns[column.name], column):
                return None
        rows = len(request.rows)
        return Rows(columns, [()] * rows, request.unit, request.id, np.zeros(rows, dtype=bool))

    def _plain(self, row: object) -> object:
        if not isinstance(row, dict):
            return row
        told = cast("dict[str, object]", row)
        return {
            name: _number(value, is_whole=name in self._whole) if type(value) is float else value
            for name, value in told.items()
        }

    def _held(self, request: Any, is_whole: bool) -> Rows:
        rows = [msgspec.structs.astuple(row) for row in request.rows]
        columns = self._columns(rows)
        if is_whole:
            return Rows(columns, [()] * len(rows), request.unit, request.id, np.zeros(len(rows), dtype=bool))
        found = breaks(columns, self._suspects(rows), self._rules)
        refuse(found, "The contract refuses it; GET the model's metadata for what it takes.")
        flags, left = flags_by_row(found, len(rows)), falls_back(found, len(rows))
        return Rows(columns, flags, request.unit, request.id, left)

    def read(self, body: bytes) -> tuple[Any, bool]:
        """The request as objects, its rows' fields f0, f1, ... in the order of `asked`; and whether they break nothing.

        Raises ContractError where the body is of another shape or type, or holds no rows.
        """
        return self._read(self._narrow.decode, self._wide.decode, body)

    def _read(self, narrow: Callable[[Any], Any], wide: Callable[[Any], Any], sent: object) -> tuple[Any, bool]:
        try:
            request: Any = narrow(sent)
        except msgspec.ValidationError:
            return self._read_wide(wide, sent), False
        if not request.rows:
            raise ContractError("The request holds no rows.", cure='Send {"rows": [{...}]} with at least one row.')
        return request, not self._breaks_a_rule(request.rows)

    def _read_wide(self, wide: Callable[[Any], Any], sent: object) -> Any:
        try:
            return wide(sent)
        except msgspec.ValidationError as error:
            for name in ("id", "unit"):
                if str(error).endswith(f"length <= {LONGEST_NAME} - at `$.{name}`"):
                    raise too_long(name) from error
            column = _column_in(str(error))
            if column in self._aggregates:
                raise ContractError(
                    f"Column {column!r} is computed here, of events.", cure="Leave it out of the row.", column=column
                ) from error
            raise ContractError(str(error), column=column) from error

    def _breaks_a_rule(self, rows: list[Any]) -> bool:
        try:
            return any(keeps(row) is False for keeps in self._conditions for row in rows)
        except OverflowError:
            return True  # the arrays say which column it is

    def _suspects(self, rows: list[tuple[Any, ...]]) -> tuple[Column, ...]:
        """The columns that may break something: of a few rows those whose value is too wide for the narrow type."""
        if len(rows) > FEW_ROWS:
            return self.asked
        by_column = zip(self.asked, self._types, zip(*rows, strict=True), strict=True)
        return tuple(column for column, kind, values in by_column if not all(_fits(value, kind) for value in values))

    def _columns(self, rows: list[tuple[Any, ...]]) -> Columns:
        """All numbers in one array, a column a row of it: one row must not pay for an array per column."""
        values = [
            tuple(map(_seconds, found)) if column.type == "time" else found
            for column, found in zip(self.asked, zip(*rows, strict=True), strict=True)
        ]
        numbers = [found for column, found in zip(self.asked, values, strict=True) if column.type != "text"]
        try:
            flat = np.array([value for found in numbers for value in found], dtype=np.float64)
        except OverflowError:  # JSON has integers of any length, a column has not
            _refuse_too_large(self.asked, values)
            raise
        stretches = iter(flat.reshape(len(numbers), len(rows)))
        return {
            column.name: array(column, found) if column.type == "text" else next(stretches)
            for column, found in zip(self.asked, values, strict=True)
        }


def _is_long(value: Any) -> bool:
    return value is not None and abs(value) > _EXACT


def too_long(name: str) -> ContractError:
    """name: "id" or "unit", of a request."""
    return ContractError(
        f"The {name} of a request has more than {LONGEST_NAME} characters.",
        cure="Send a shorter one, or a digest of it: every row is answered and logged with it.",
    )


def _number(value: float, *, is_whole: bool) -> float | None:
    """What a float of a frame or a tensor means. is_whole: in a column of whole numbers."""
    if math.isnan(value):
        return None
    return int(value) if is_whole and value.is_integer() else value


def _is_told(values: NDArray[Any], column: Column) -> bool:
    """Whether all numbers are finite, or missing where they may be."""
    return bool(np.isfinite(values).all() or (column.is_nullable and not np.isinf(values).any()))


def _is_endless(row: Any) -> bool:
    return any(type(value) is float and math.isinf(value) for value in msgspec.structs.astuple(row))


def _fits(value: Any, kind: Any) -> bool:
    if type(value) is float and math.isinf(value):
        return False
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def decoder(
    asked: tuple[Column, ...], types: tuple[Any, ...], *, default: Any = msgspec.NODEFAULT
) -> msgspec.json.Decoder[Any]:
    """Fields are numbered and renamed, for a column may be called `sepal length (cm)` or `0`. default: of what a row leaves
    out; without one it must be there.
    """
    fields: list[Any] = [(f"f{number}", kind, default) for number, kind in enumerate(types)]
    names = {f"f{number}": column.name for number, column in enumerate(asked)}
    row: Any = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, kw_only=True)
    envelope = msgspec.defstruct(
        "Request",
        [("rows", list[row]), ("unit", _NAME | None, None), ("id", _NAME | None, None)],
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(envelope)


def _wide(column: Column) -> Any:
    """What a row may hold at all: a null also where it is flagged, and not refused."""
    kind = TYPES[column.type]
    return kind | None if column.is_nullable or column.does("missing") != "refuse" else kind


def _narrow(column: Column) -> Any:
    """What breaks nothing. Narrower than the contract at most, for what it turns away is read again."""
    kind: Any = TYPES[column.type]
    nothing: Any = Annotated[str, msgspec.Meta(min_length=1, max_length=0)]
    if column.type == "time" and (column.low is not None or column.high is not None):
        kind = nothing  # no type holds the range of a time
    elif column.type == "text" and column.levels is not None:
        kind = _LITERAL[column.levels] if column.levels else nothing
    elif column.type in ("int", "float") and (column.low is not None or column.high is not None):
        low, high = _bounds(column)
        kind = Annotated[kind, msgspec.Meta(ge=low, le=high)]
    return kind | None if column.is_nullable else kind


def _bounds(column: Column) -> tuple[float | None, float | None]:
    """The range in the column's type. Whole numbers beyond 62 bits are left to the wide decoder."""
    low, high = (None if b is None or math.isinf(b) else b for b in (column.low, column.high))
    if column.type == "float":
        return low, high
    least = -_LARGEST if low is None else max(-_LARGEST, math.ceil(low))
    most = _LARGEST if high is None else min(_LARGEST, math.floor(high))
    return (least, most) if least <= most else (1, 0)


def _seconds(value: datetime | None) -> float | None:
    return None if value is None else value.timestamp()


def _refuse_too_large(asked: Iterable[Column], values: Iterable[tuple[Any, ...]]) -> None:
    for column, found in zip(asked, values, strict=True):
        for row, value in enumerate(found):
            if isinstance(value, int) and abs(value) > sys.float_info.max:
                raise ContractError(f"Column {column.name!r} is too large a number.", column=column.name, row=row)


def _column_in(message: str) -> str | None:
    """The column that msgspec's error path names: `$.rows[...].dep` or an unknown or missing field in backticks."""
    if "field `" in message:
        return message.split("field `", 1)[1].split("`", 1)[0]
    _, found, tail = message.rpartition("].")
    return tail.rstrip("`") if found else None
