"""Row expressions over a table, as Polars expressions: null where the tree has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from lockgate.features.lower import COMPARE, RECKON

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
            found = pl.lit(tree.value)
        case Arithmetic():
            found = _reckoned(tree)
        case Absolute():
            found = _lowered(tree.item).abs()
        case Compare():
            found = COMPARE[tree.op](_lowered(tree.left), _lowered(tree.right))
        case Among():
            found = _lowered(tree.item).is_in(list(tree.values))
        case Join():
            found = _joined([_lowered(part) for part in tree.parts], tree.op)
        case Not():
            found = _lowered(tree.item).not_()
        case IsNull():
            found = _lowered(tree.item).is_null()
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

    left, right = _lowered(tree.left), _lowered(tree.right)
    if tree.op == "/":
        right = pl.when(right != 0).then(right + _zeros())
    found: pl.Expr = RECKON[tree.op](left, right)
    return found.fill_nan(None)


def _joined(parts: list[pl.Expr], op: str) -> pl.Expr:
    found = parts[0]
    for part in parts[1:]:
        found = found & part if op == "and" else found | part
    return found
