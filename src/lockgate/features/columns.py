"""Columns: a stretch of rows as arrays by name, the one shape that tables and requests are both turned into.

Numbers, booleans and times (seconds since 1970, UTC) are float64 with NaN for missing; text is an object array of str with
None for missing. All arrays of one `Columns` have the same length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.records import Column
from lockgate.records.prediction import Scalar

Columns = dict[str, NDArray[Any]]


def length(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def take(columns: Columns, rows: NDArray[Any]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def array(column: Column, values: Sequence[Any]) -> NDArray[Any]:
    """Values of one column as its array. Values fit the column's type already; None is missing."""
    if column.type == "text":
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def row_tuples(columns: Columns, order: Iterable[Column]) -> list[tuple[Scalar, ...]]:
    """Each row as the tuple that the log keeps: missing is None, whole numbers and booleans keep their type."""
    return list(zip(*(_scalars(column, columns[column.name]) for column in order), strict=True))


def from_tuples(order: Sequence[Column], rows: Sequence[tuple[Scalar, ...]]) -> Columns:
    """The reverse of `row_tuples`."""
    return {column.name: array(column, [row[place] for row in rows]) for place, column in enumerate(order)}


def _scalars(column: Column, values: NDArray[Any]) -> list[Scalar]:
    if column.type == "text":
        text: list[Scalar] = values.tolist()
        return text
    if column.type == "int" and bool((np.abs(values) < 2**63).all()):  # and none is missing
        cut = values.astype(np.int64)
        if bool((cut == values).all()):
            whole: list[Scalar] = cut.tolist()
            return whole
    numbers: list[float] = values.tolist()
    plain = [None if value != value else value for value in numbers] if np.isnan(values).any() else numbers
    if column.type == "int":
        # A whole number beyond 64 bits stays a float: the log has no integer that long.
        # Nor is one cut that is not whole: it was sent to a version that takes it so.
        return [
            value if value is None or abs(value) >= 2**63 or not value.is_integer() else int(value) for value in plain
        ]
    if column.type == "bool":
        return [None if value is None else bool(value) for value in plain]
    return list(plain)
