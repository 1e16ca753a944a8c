"""Every function of row expressions says the same of a table, of `Columns` and of one row, to the bit, on hostile rows."""

from __future__ import annotations

import itertools
import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features.contract import to_columns
from lockgate.features.expression import number, parse
from lockgate.features.functions import FUNCTIONS
from lockgate.features.lower import to_array
from lockgate.features.one_row import to_function
from lockgate.features.table_expression import to_polars
from lockgate.records import Column
from lockgate.records.contract import ColumnType

COLUMNS: tuple[Column, ...] = (
    Column(name="x", type="float"),
    Column(name="y", type="float"),
    Column(name="n", type="int"),
    Column(name="is_it", type="bool"),
    Column(name="s", type="text"),
    Column(name="t", type="time"),
)
TYPES: dict[str, ColumnType] = {column.name: column.type for column in COLUMNS}
SCHEMA: dict[str, Any] = {
    "x": pl.Float64,
    "y": pl.Float64,
    "n": pl.Int64,
    "is_it": pl.Boolean,
    "s": pl.String,
    "t": pl.Datetime("us", "UTC"),
}
READS = {name: f"row[{name!r}]" for name in TYPES}
FLOATS = (
    *(None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 3.0, -3.0, 1e308),
    *(-1e308, 5e-324, -5e-324, 2.0**52, 2.0**53, -(2.0**53), 709.782712893384, 709.7827128933841, -745.2, 1e-17, 7.3),
)
INTS = (None, 0, 1, -1, 7, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))
WORDS = (None, "", " ", "AA", "aa", "ÜÑ ✈", "ΑΣ", "İ", "ß", "0", "NaN", "a\x00b", "never seen", "\U0001f6eb")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = (
    *(
        None,
        EPOCH,
        EPOCH - timedelta(microseconds=1),
        EPOCH - timedelta(days=1),
        datetime(1900, 2, 28, 23, 59, tzinfo=UTC),
    ),
    *(
        datetime(1601, 3, 1, tzinfo=UTC),
        datetime(2000, 2, 29, 12, 30, 59, 999_999, tzinfo=UTC),
        datetime(2100, 2, 28, 23, tzinfo=UTC),
    ),
    *(
        datetime(2013, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2012, 12, 30, tzinfo=UTC),
        datetime(2255, 1, 1, tzinfo=UTC),
    ),
)
ONE = [name for name, f in FUNCTIONS.items() if f.takes == ("number",)]
TWO = [name for name, f in FUNCTIONS.items() if f.takes == ("number", "number") and name.isidentifier()]
OF_TIME = [name for name, f in FUNCTIONS.items() if f.takes == ("time",)]
KINDS = (
    *(f"{name}(x)" for name in ONE),
    *(f"{name}(x * y)" for name in ONE),
    *(f"{name}(n)" for name in ONE),
    *(f"{name}(x, y)" for name in TWO),
    *("x % y", "n % x", "x ** y", "x ** 2", "x ** -1", "y ** 0.5", "x / y", "n / y", "x - y", "min(x, y, n)", "max(0, x, y)"),
    *("clip(x, -1, 1)", "clip(x, y, n)", "fill_null(x, 0)", "fill_null(x, y)", "fill_null(x / y, n)", "log(x / (1 + y))"),
    *(f"{name}(t)" for name in OF_TIME),
    *("hour(t - 5 * 3600)", "fill_null(t, '1969-07-20T20:17:00Z')", "year(t + x)"),
    *("day(t - x)", 'when(t > "1970-01-01T00:00:00Z").then(t).otherwise(None)'),
    *("len_chars(s)", "len_chars(to_lowercase(s))", 'starts_with(s, "A")', 'ends_with(s, "")'),
    *("ends_with(to_lowercase(s), s)", "starts_with(s, to_lowercase(s))"),
    *('to_lowercase(s) == "aa"', 'is_in(s, ("AA", ""))', 'fill_null(s, "AA") == "AA"', "fill_null(is_it, False)"),
    *("when(x > 0).then(1).otherwise(0)", "when(is_it).then(x).when(y < 0).then(n).otherwise(None)"),
    *("when(is_it).then(x).otherwise(y)", "when(is_it).then(is_it).otherwise(x < y)"),
    *('when(s == "AA").then("b").otherwise(s) == "b"', "when(not is_it or x > y).then(x / y).otherwise(-x)"),
    *("-x", "when(is_null(x)).then(-1).otherwise(x)"),
)  # fmt: skip


def hostile(seed: int = 0) -> list[dict[str, Any]]:
    """Each float beside each float, and beside each pair the other columns' odd values in turn: 784 rows."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.product(FLOATS, FLOATS))
    odd: list[tuple[Any, ...]] = [INTS, (None, True, False), WORDS, TIMES]
    chosen = [[values[place] for place in rng.integers(0, len(values), len(pairs))] for values in odd]
    names = list(TYPES)
    return [dict(zip(names, (*pair, *more), strict=True)) for pair, *more in zip(pairs, *chosen, strict=True)]


ROWS = hostile()
TABLE = pl.DataFrame(ROWS, schema=SCHEMA)


def bits(value: Any) -> bytes | None:
    """Of a number its bits, so that -0.0 is not 0.0; None of what is missing."""
    if value is None or value != value:
        return None
    return struct.pack("<d", float(value))


def three_ways(text: str, table: pl.DataFrame, rows: list[dict[str, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    tree = parse(text, TYPES)
    by_table = table.with_columns(to_polars(tree).alias("found"))["found"].to_list()
    by_columns = np.broadcast_to(to_array(tree, to_columns(table, COLUMNS)), len(rows)).tolist()
    one_row = to_function(tree, READS)
    return [bits(v) for v in by_table], [bits(v) for v in by_columns], [bits(one_row(row)) for row in rows]


@pytest.mark.parametrize("text", KINDS)
def test_every_kind_says_the_same_three_ways_on_500_hostile_rows(text: str) -> None:
    assert len(ROWS) >= 500
    by_table, by_columns, by_row = three_ways(text, TABLE, ROWS)
    for place, (table, columns, row) in enumerate(zip(by_table, by_columns, by_row, strict=True)):
        assert table == columns == row, f"{text} of {ROWS[place]}"
    assert len(set(by_row)) > 1, "they must not agree because nothing has a value"


numbers = st.recursive(
    st.sampled_from(["x", "y", "n", "2", "0", "-1.5", "hour(t)", "len_chars(s)"]),
    lambda inner: (
        st.builds(lambda f, x: f"{f}({x})", st.sampled_from(ONE), inner)
        | st.builds(lambda f, x, y: f"{f}({x}, {y})", st.sampled_from([*TWO, "fill_null"]), inner, inner)
        | st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from(["+", "-", "*", "/", "%", "**"]), inner)
        | st.builds(lambda c, x, y: f"when({c} > 0).then({x}).otherwise({y})", inner, inner, inner)
    ),
    max_leaves=6,
)
values = {
    "x": st.none() | st.sampled_from(FLOATS) | st.floats(),
    "y": st.none() | st.floats(),
    "n": st.none() | st.integers(-(2**63), 2**63 - 1),
    "is_it": st.none() | st.booleans(),
    "s": st.none() | st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=4),
    "t": st.none() | st.integers(-12_000_000_000, 9_000_000_000).map(lambda s: EPOCH + timedelta(seconds=s)),
}


@settings(deadline=None, max_examples=200)
@given(numbers, st.lists(st.fixed_dictionaries(values), min_size=1, max_size=6))
def test_whatever_is_made_of_them_says_the_same_three_ways(text: str, rows: list[dict[str, Any]]) -> None:
    by_table, by_columns, by_row = three_ways(text, pl.DataFrame(rows, schema=SCHEMA), rows)
    assert by_table == by_columns == by_row


@settings(deadline=None, max_examples=300)
@given(st.integers(-62_000_000_000, 200_000_000_000))
def test_the_parts_of_a_time_are_those_of_the_calendar(seconds: int) -> None:
    at = EPOCH + timedelta(seconds=seconds)
    for part, wanted in (
        ("year", at.year),
        ("month", at.month),
        ("day", at.day),
        ("hour", at.hour),
        ("minute", at.minute),
    ):
        assert to_function(parse(f"{part}(t)", TYPES), READS)({"t": at}) == wanted
    assert to_function(parse("weekday(t)", TYPES), READS)({"t": at}) == at.isoweekday()
    assert to_function(parse("second(t)", TYPES), READS)({"t": at}) == at.second


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x.log1p()", "log1p(x)"),
        ("pl.col('x').log1p() / pl.col('y')", "log1p(x) / y"),
        ("t.dt.hour()", "hour(t)"),
        ("s.str.starts_with('A')", "starts_with(s, 'A')"),
        ("x.clip(0, 1)", "clip(x, 0, 1)"),
        ("clip(x, 0, 1)", "min(max(x, 0), 1)"),
        ("x.fill_null(0)", "fill_null(x, 0)"),
        ("s.is_in(['a', 'b'])", "s in ('a', 'b')"),
        ("pl.when(x > 1).then(2).otherwise(y)", "when(x > 1).then(2).otherwise(y)"),
    ],
)
def test_it_may_be_written_as_polars_writes_it(text: str, same: str) -> None:
    assert parse(text, TYPES) == parse(same, TYPES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("when(x > 1).then(2)", r"does not say what is true otherwise"),
        ("when(x).then(2).otherwise(3)", r"a condition is needed here, and this is x"),
        ("when(x > 1).then(2).otherwise('a')", r"a number cannot be compared with text"),
        ("when(x > 1).then(None).otherwise(None)", r"has no value in any case"),
        ("when(x > 1, y > 1).then(2).otherwise(0)", r"does not say what is true otherwise"),
        ("then(2).otherwise(0)", r"does not say what is true otherwise"),
        ("fill_null(x, 'a')", r"cannot be compared"),
        ("round(x, 2)", r"round\(\.\.\.\) takes one thing"),
        ("clip(x, 0)", r"clip\(\.\.\.\) takes three things"),
        ("min(x)", r"takes two things or more"),
        ("log(s)", r"character 5: a number is needed here, and this is s \(text\)"),
        ("hour(x)", r"a time is needed here, and this is x"),
        ("log(x, base=2)", r"one by one, without names"),
        ("is_it + 1", r"means nothing"),
        ("sin(x)", r"sin\(\.\.\.\) is no function"),
        ("x.log", r"a dot has no place"),
        ("to_lowercase(s)", r"is text, and a feature is a number"),
        ("1 + 1", r"reads no column"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(text: str, said: str) -> None:
    from lockgate.errors import SpecError

    with pytest.raises(SpecError, match=said):
        number(text, TYPES)


def test_a_column_of_the_users_is_a_name_and_never_code() -> None:
    """A column may be called anything at all: the Python of one row holds its place, and no word of the user's."""
    name = "x'] or __import__('os').abort() or row['x"
    tree = parse(f"col({name!r}) + 1", {name: "float"})
    assert to_function(tree, {name: "row[0]"})((2.0,)) == 3.0
    word = "'); __import__('os').abort(); ('"
    assert to_function(parse(f"s == {word!r}", TYPES), READS)({"s": word}) is True
