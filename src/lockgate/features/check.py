"""What a row breaks of its contract: the one definition that tables, requests and a model's own inputs are held to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.columns import Columns
from lockgate.records import Column

Kind = Literal["missing", "not finite", "below range", "above range", "unseen level"]


class Break(NamedTuple):
    """`rows`: shape (n,), which rows break the rule. is_refused: whether such a row may not be used at all."""

    column: str
    kind: Kind
    rows: NDArray[np.bool_]
    is_refused: bool

    @property
    def flag(self) -> str:
        return f"{self.column}: {self.kind}"


def breaks(columns: Columns, contract: Iterable[Column]) -> list[Break]:
    """The rules that at least one row breaks.

    A null where none may be, an infinity, and a value outside a person's range are refused; outside an inferred range
    or among unseen levels is flagged, for the world may go where the training table never was.
    """
    found: list[Break] = []
    for column in contract:
        values = columns[column.name]
        found += _text_breaks(column, values) if column.type == "text" else _number_breaks(column, values)
    return [item for item in found if item.rows.any()]


def refuse(found: Iterable[Break], cure: str) -> None:
    """Raises ContractError naming the first column that a row may not be used for, and the first such row."""
    item = next((item for item in found if item.is_refused), None)
    if item is not None:
        row = int(item.rows.argmax())
        message = f"Column {item.column!r} of row {row} is {item.kind}."
        raise ContractError(message, cure=cure, column=item.column, row=row)


def flags_by_row(found: Iterable[Break], rows: int) -> list[tuple[str, ...]]:
    """The flags of each row, in the order of the contract's columns."""
    flags: list[tuple[str, ...]] = [()] * rows
    for item in found:
        for row in np.flatnonzero(item.rows):
            flags[row] = (*flags[row], item.flag)
    return flags


def _text_breaks(column: Column, values: NDArray[Any]) -> list[Break]:
    is_missing = np.array([value is None for value in values], dtype=bool)
    found = [] if column.is_nullable else [Break(column.name, "missing", is_missing, True)]
    if column.levels is not None:
        known = set(column.levels)
        unseen = np.array([value is not None and value not in known for value in values], dtype=bool)
        found.append(Break(column.name, "unseen level", unseen, column.on_break == "refuse"))
    return found


def _number_breaks(column: Column, values: NDArray[Any]) -> list[Break]:
    found = [Break(column.name, "not finite", np.isinf(values), True)]
    if not column.is_nullable:
        found.append(Break(column.name, "missing", np.isnan(values), True))
    is_refused = column.range_origin == "declared" or column.on_break == "refuse"
    with np.errstate(invalid="ignore"):
        if column.low is not None:
            found.append(Break(column.name, "below range", values < column.low, is_refused))
        if column.high is not None:
            found.append(Break(column.name, "above range", values > column.high, is_refused))
    return found
