"""Row expressions put to work over arrays, for `Columns`. Needs numpy alone.

What a tree means stands in `lockgate.features.expression`; this, `lockgate.features.one_row` and
`lockgate.features.table_expression` agree on every row, to the bit.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns
from lockgate.features.functions import FUNCTIONS
from lockgate.features.tree import (
    Among,
    Apply,
    Arithmetic,
    Compare,
    Constant,
    Expression,
    Fill,
    IsNull,
    Join,
    Name,
    Not,
    When,
)

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
            found = _constant(tree)
        case Arithmetic():
            left, right = _array(tree.left, columns), _array(tree.right, columns)
            found = RECKON[tree.op](left, np.where(right == 0, np.nan, right) if tree.op == "/" else right)
        case Apply():
            found = FUNCTIONS[tree.function].many(*(_array(item, columns) for item in tree.items))
        case Fill():
            item = _array(tree.item, columns)
            found = np.where(_is_missing(item, tree.item), _array(tree.otherwise, columns), item)
        case When():
            found = _array(tree.otherwise, columns)
            for case, value in reversed(tree.cases):
                found = np.where(_array(case, columns) == 1.0, _array(value, columns), found)
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


def _constant(tree: Constant) -> NDArray[Any]:
    if tree.type == "text":
        return np.array(tree.value, dtype=object)
    return np.array(np.nan if tree.value is None else tree.value, dtype=np.float64)


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
