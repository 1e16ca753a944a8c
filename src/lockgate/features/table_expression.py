"""Row expressions over a table, as Polars expressions: null where the tree has no value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.features.functions import FUNCTIONS
from lockgate.features.lower import COMPARE, RECKON
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
    Type,
    When,
)

if TYPE_CHECKING:
    import polars as pl


def to_polars(tree: Expression) -> pl.Expr:
    """What the tree says of each row: a float64, a time as seconds since 1970, text, or true, false and null."""
    import polars as pl

    # Where a column is null throughout, a number added to it comes out of Polars as one value that does not spread.
    return pl.when(pl.int_range(pl.len()) >= 0).then(_lowered(tree))


def _lowered(tree: Expression) -> pl.Expr:
    import polars as pl

    found: pl.Expr
    match tree:
        case Name():
            found = _value(pl.col(tree.name), tree.type)
        case Constant():
            found = pl.lit(tree.value, _dtype(tree.type))
        case Arithmetic():
            found = _reckoned(tree)
        case Apply():
            found = _lowered(tree.items[0]).abs() if tree.function == "abs" else _applied(tree)
        case Fill():
            found = _lowered(tree.item).fill_null(_lowered(tree.otherwise))
        case When():
            found = _lowered(tree.otherwise)
            for case, value in reversed(tree.cases):
                found = pl.when(_lowered(case)).then(_lowered(value)).otherwise(found)
        case Compare():
            found = COMPARE[tree.op](_lowered(tree.left), _lowered(tree.right))
        case Among():
            found = _lowered(tree.item).is_in(list(tree.values))
        case Join():
            found = _joined([_lowered(part) for part in tree.parts], tree.op)
        case Not() | IsNull():
            item = _lowered(tree.item)
            found = item.not_() if isinstance(tree, Not) else item.is_null()
    return found


def _value(column: pl.Expr, kind: str) -> pl.Expr:
    """A column as `Columns` holds it, with null where that has NaN."""
    import polars as pl

    if kind == "time":
        return column.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64) / (_zeros() + 1e6)
    if kind == "number":
        return column.cast(pl.Float64).fill_nan(None)
    return column.cast(pl.String) if kind == "text" else column


def _zeros() -> pl.Expr:
    """A column of them. Polars divides by a single number as it multiplies by its inverse, which misses the quotient by a
    bit on a third of all rows; by a column it divides.
    """
    import polars as pl

    return pl.int_range(pl.len()).cast(pl.Float64) * 0.0


def _reckoned(tree: Arithmetic) -> pl.Expr:
    import polars as pl

    left, right = _spread(tree.left), _spread(tree.right)
    if tree.op == "/":
        right = pl.when(right != 0).then(right + _zeros())
    found: pl.Expr = RECKON[tree.op](left, right)
    return found.fill_nan(None)


def _spread(tree: Expression) -> pl.Expr:
    """A constant as a column of it: Polars makes 0 - x into -x, which is another zero."""
    if isinstance(tree, Constant) and isinstance(tree.value, float):
        return (_zeros() + 1.0) * tree.value
    return _lowered(tree)


def _applied(tree: Apply) -> pl.Expr:
    """A function's own arithmetic over arrays: Polars' log, exp and powers differ from it in the last bit."""
    import polars as pl

    is_text = [kind == "text" for kind in FUNCTIONS[tree.function].takes]

    def applied(series: Sequence[pl.Series]) -> pl.Series:
        length, *given = series
        arrays = [_texts(one) if text else one.to_numpy() for one, text in zip(given, is_text, strict=True)]
        many: Callable[..., Any] = FUNCTIONS[tree.function].many
        with np.errstate(all="ignore"):
            found = many(*(np.broadcast_to(array, len(length)) for array in arrays))
        if tree.type == "text":
            return pl.Series(found.tolist(), dtype=pl.String)
        made = pl.Series(found, dtype=pl.Float64).fill_nan(None)
        return made == 1.0 if tree.type == "bool" else made

    rows = pl.int_range(pl.len())
    return pl.map_batches([rows, *map(_lowered, tree.items)], applied, return_dtype=_dtype(tree.type))


def _texts(series: pl.Series) -> Any:
    return np.array(series.to_list(), dtype=object)


def _dtype(kind: Type) -> pl.DataType:
    import polars as pl

    types: dict[Type, pl.DataType] = {"text": pl.String(), "bool": pl.Boolean()}
    return types.get(kind, pl.Float64())


def _joined(parts: list[pl.Expr], op: str) -> pl.Expr:
    found = parts[0]
    for part in parts[1:]:
        found = found & part if op == "and" else found | part
    return found
