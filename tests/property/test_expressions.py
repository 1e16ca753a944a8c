"""A row expression says the same of a table, of `Columns` and of one row: on nulls, NaN, infinities, zeros, extremes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features.contract import to_columns
from lockgate.features.expression import parse
from lockgate.features.lower import to_array
from lockgate.features.one_row import to_function
from lockgate.features.table_expression import to_polars
from lockgate.records import Column
from lockgate.records.contract import ColumnType

COLUMNS: tuple[Column, ...] = (
    Column(name="a", type="float"),
    Column(name="b b", type="float"),
    Column(name="n", type="int"),
    Column(name="is_x", type="bool"),
    Column(name="is_y", type="bool"),
    Column(name="s", type="text"),
    Column(name="t", type="text"),
    Column(name="from_", type="time"),
    Column(name="to", type="time"),
)
TYPES: dict[str, ColumnType] = {column.name: column.type for column in COLUMNS}
DTYPES: dict[ColumnType, Any] = {
    "float": pl.Float64,
    "int": pl.Int64,
    "bool": pl.Boolean,
    "text": pl.String,
    "time": pl.Datetime("us", "UTC"),
}
SCHEMA = {column.name: DTYPES[column.type] for column in COLUMNS}
PLACES = {column.name: f"row[{column.name!r}]" for column in COLUMNS}

floats = (
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 2.0**53]) | st.floats()
)
times = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
words = st.sampled_from(["AA", "UA", "", "ÜÑ ✈", "0", "NaN"]) | st.text(st.characters(codec="utf-8"), max_size=3)
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    "float": floats,
    "int": st.sampled_from([0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "text": words,
    "time": times,
}
rows = st.fixed_dictionaries({column.name: st.none() | VALUES[column.type] for column in COLUMNS})
tables = st.lists(rows, min_size=1, max_size=5)

literals = st.sampled_from(["0", "1", "-1", "0.5", "1e300", "2"])
numbers = st.recursive(
    st.sampled_from(["a", 'col("b b")', "n", "(to - from_)"]) | literals,
    lambda inner: (
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+-*/"), inner)
        | inner.map(lambda x: f"abs({x})")
        | inner.map(lambda x: f"(-{x})")
    ),
    max_leaves=5,
)
moments = st.sampled_from(["from_", "to", "(from_ + 60)", "(to - 1)", '"2013-01-01T00:00:00Z"'])
orders = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
equals = st.sampled_from(["==", "!="])
comparisons = st.one_of(
    st.builds(lambda x, op, y: f"({x} {op} {y})", numbers, orders, numbers),
    st.builds(lambda x, op, y, also, z: f"({x} {op} {y} {also} {z})", numbers, orders, numbers, orders, numbers),
    st.builds(lambda x, op, y: f"({x} {op} {y})", st.sampled_from(["from_", "to"]), orders, moments),
    st.builds(
        lambda x, op, y: f"({x} {op} {y})", st.sampled_from(["s", "t"]), equals, st.sampled_from(["s", '"AA"', '""'])
    ),
    st.sampled_from(
        ["is_x", "is_y", "is_x == is_y", "is_x != True", 's in ("AA", "")', "a not in (0, 1)", "n in [1, 2]"]
    ),
    st.sampled_from(["a", "n", "s", "to", "is_x", "a / n"]).map(lambda x: f"is_null({x})"),
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from(["and", "or"]), inner)
        | inner.map(lambda x: f"(not {x})")
    ),
    max_leaves=4,
)


def plain(value: Any) -> Any:
    """None, a bool or a float: what all three ways can say."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else float(value)


def three_ways(text: str, found: list[dict[str, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    tree = parse(text, TYPES)
    table = pl.DataFrame(found, schema=SCHEMA)
    by_table = table.with_columns(to_polars(tree).alias("x"))["x"].to_list()
    by_columns = np.broadcast_to(to_array(tree, to_columns(table, COLUMNS)), len(found)).tolist()
    by_row = [to_function(tree, PLACES)(row) for row in found]
    return [plain(v) for v in by_table], [plain(v) for v in by_columns], [plain(v) for v in by_row]


@settings(deadline=None, max_examples=200)
@given(conditions, tables)
def test_a_condition_says_the_same_three_ways(text: str, found: list[dict[str, Any]]) -> None:
    by_table, by_columns, by_row = three_ways(text, found)
    assert by_table == by_columns == by_row
    assert set(by_table) <= {None, 0.0, 1.0}


@pytest.mark.parametrize("text", ["0 < 0 / a", "0 < 1 + a", "not (2 > abs(a * 2))", "0 < 1 / n", "(1 / n) < (0 + a)"])
@pytest.mark.parametrize("a", [None, math.nan, 0.0])
@pytest.mark.parametrize("as_one", [False, True])  # Polars keeps a column that it was given as one value as one value
def test_a_column_that_is_null_or_zero_throughout_is_as_long_as_the_others(
    text: str, a: float | None, *, as_one: bool
) -> None:
    table = pl.DataFrame({"a": [a, a], "n": [0, 0]}, schema={"a": pl.Float64, "n": pl.Int64})
    if as_one:
        table = table.with_columns(a=pl.lit(a, pl.Float64))
    tree = parse(text, {"a": "float", "n": "int"})
    by_row = to_function(tree, {"a": "row[0]", "n": "row[1]"})((a, 0))
    assert table.with_columns(to_polars(tree).alias("x"))["x"].to_list() == [by_row, by_row]


@settings(deadline=None, max_examples=200)
@given(numbers, tables)
def test_a_number_is_the_same_three_ways(text: str, found: list[dict[str, Any]]) -> None:
    by_table, by_columns, by_row = three_ways(text, found)
    assert by_table == by_columns == by_row
