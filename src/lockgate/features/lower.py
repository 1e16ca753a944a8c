"""Row expressions put to work: over arrays for `Columns`, as a function for one row. Needs numpy alone.

What a tree means stands in `lockgate.features.expression`; these two and `lockgate.features.table_expression` agree on
every row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns
from lockgate.features.expression import (
    Absolute,
    Among,
    Arithmetic,
    Compare,
    Constant,
    Expression,
    IsNull,
    Join,
    Name,
    Not,
)

Get = Callable[[Any], Any]
"""What takes one value from a row."""

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
RECKON: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda one, other: one / other,
}


def to_array(tree: Expression, columns: Columns) -> NDArray[Any]:
    """For `Columns`: numbers, times, and true or false as float64 with NaN where the tree has no value; text as objects.

    Returns the columns' shape, or shape () where the tree reads no column.
    """
    with np.errstate(all="ignore"):
        return _array(tree, columns)


def _array(tree: Expression, columns: Columns) -> NDArray[Any]:
    found: NDArray[Any]
    match tree:
        case Name():
            found = columns[tree.name]
        case Constant():
            found = np.array(tree.value, dtype=object if tree.type == "text" else np.float64)
        case Arithmetic():
            left, right = _array(tree.left, columns), _array(tree.right, columns)
            found = RECKON[tree.op](left, np.where(right == 0, np.nan, right) if tree.op == "/" else right)
        case Absolute():
            found = np.abs(_array(tree.item, columns))
        case Compare():
            left, right = _array(tree.left, columns), _array(tree.right, columns)
            missing = _is_missing(left, tree.left) | _is_missing(right, tree.right)
            found = np.where(missing, np.nan, np.asarray(COMPARE[tree.op](left, right), dtype=np.float64))
        case Among():
            found = _among(_array(tree.item, columns), tree)
        case Join():
            found = _kleene([_array(part, columns) for part in tree.parts], tree.op)
        case Not():
            found = 1.0 - _array(tree.item, columns)
        case IsNull():
            found = _is_missing(_array(tree.item, columns), tree.item).astype(np.float64)
    return found


def _among(item: NDArray[Any], tree: Among) -> NDArray[Any]:
    is_in = np.zeros(item.shape, dtype=bool)
    for value in tree.values:
        is_in |= np.asarray(item == value, dtype=bool)
    return np.where(_is_missing(item, tree.item), np.nan, is_in.astype(np.float64))


def _is_missing(values: NDArray[Any], tree: Expression) -> NDArray[np.bool_]:
    nothing: Any = None
    return np.asarray(values == nothing if tree.type == "text" else np.isnan(values), dtype=np.bool_)


def _kleene(parts: list[NDArray[Any]], op: str) -> NDArray[Any]:
    """One false settles `and`, one true settles `or`; else one unknown leaves it unknown."""
    settles = 0.0 if op == "and" else 1.0
    is_settled = np.any([part == settles for part in np.broadcast_arrays(*parts)], axis=0)
    is_unknown = np.any([np.isnan(part) for part in np.broadcast_arrays(*parts)], axis=0)
    return np.where(is_settled, settles, np.where(is_unknown, np.nan, 1.0 - settles))


def to_function(tree: Expression, values: Mapping[str, Get]) -> Get:
    """For one row: None where the tree has no value. values: how a column's value is taken from the row.

    The row holds Python's own values: numbers, booleans, text, datetimes with their offset, None for missing. Raises
    OverflowError for a whole number too large for a float64.
    """
    found: Get
    match tree:
        case Name():
            found = _value(tree, values[tree.name])
        case Constant():
            found = _constant(tree.value)
        case Arithmetic():
            found = _reckoned(RECKON[tree.op], to_function(tree.left, values), to_function(tree.right, values), tree.op)
        case Absolute():
            found = _when_known(abs, to_function(tree.item, values))
        case Compare(left=Name(type="time") as left, right=Name(type="time") as right) if tree.op in ("<=", ">="):
            found = _ordered(COMPARE[tree.op], values[left.name], values[right.name])
        case Compare():
            found = _compared(COMPARE[tree.op], to_function(tree.left, values), to_function(tree.right, values))
        case Among():
            found = _when_known(frozenset(tree.values).__contains__, to_function(tree.item, values))
        case Join():
            found = _settled([to_function(part, values) for part in tree.parts], settles=tree.op == "or")
        case Not():
            found = _when_known(operator.not_, to_function(tree.item, values))
        case IsNull():
            found = _is_null(to_function(tree.item, values))
    return found


def _constant(value: float | bool | str) -> Get:
    return lambda _row: value


def _is_null(item: Get) -> Get:
    return lambda row: item(row) is None


def _value(tree: Name, get: Get) -> Get:
    if tree.type == "time":

        def seconds(row: Any) -> float | None:
            value: datetime | None = get(row)
            return None if value is None else value.timestamp()

        return seconds
    if tree.type == "number":

        def number(row: Any) -> float | None:
            value = get(row)
            if value is None:
                return None
            found = float(value)
            return found if found == found else None

        return number
    return get


def _when_known(work: Callable[[Any], Any], item: Get) -> Get:
    def known(row: Any) -> Any:
        value = item(row)
        return None if value is None else work(value)

    return known


def _compared(work: Callable[[Any, Any], Any], left: Get, right: Get) -> Get:
    def compared(row: Any) -> Any:
        one, other = left(row), right(row)
        return None if one is None or other is None else work(one, other)

    return compared


def _ordered(work: Callable[[Any, Any], Any], left: Get, right: Get) -> Get:
    """Two times of a row. Rounding to seconds keeps an order that holds, so it is looked at only where that does not."""

    def ordered(row: Any) -> Any:
        one, other = left(row), right(row)
        if one is None or other is None:
            return None
        return work(one, other) or work(one.timestamp(), other.timestamp())

    return ordered


def _reckoned(work: Callable[[Any, Any], Any], left: Get, right: Get, op: str) -> Get:
    def reckoned(row: Any) -> Any:
        one, other = left(row), right(row)
        if one is None or other is None or (op == "/" and other == 0):
            return None
        found = work(one, other)
        return found if found == found else None

    return reckoned


def _settled(parts: list[Get], *, settles: bool) -> Get:
    def settled(row: Any) -> Any:
        is_unknown = False
        for part in parts:
            value: bool | None = part(row)
            if value is not None and value == settles:
                return settles
            is_unknown = is_unknown or value is None
        return None if is_unknown else not settles

    return settled
