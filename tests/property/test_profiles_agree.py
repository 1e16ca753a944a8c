"""A table, its columns and its rows give one profile, to the bit; parts of it add up to the whole in any order."""

from __future__ import annotations

import functools
import operator
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features.contract import to_columns
from lockgate.features.profiles import columns as by_columns
from lockgate.features.profiles import table as by_table
from lockgate.features.profiles.rows import LiveWindow
from lockgate.records import Column, ColumnProfile, Profile, encode

TYPES = (
    Column(name="wait", type="float", is_nullable=True),
    Column(name="seats", type="int", is_nullable=True),
    Column(name="is_hub", type="bool", is_nullable=True),
    Column(name="carrier", type="text", is_nullable=True, levels=()),
    Column(name="tail", type="text", is_nullable=True),
    Column(name="remark", type="text", is_nullable=True),
    Column(name="asked", type="time"),
    Column(name="planned", type="time", is_nullable=True),
)
ORDER = tuple(column.name for column in TYPES)
SCHEMA = {
    "wait": pl.Float64(),
    "seats": pl.Int64(),
    "is_hub": pl.Boolean(),
    "carrier": pl.String(),
    "tail": pl.String(),
    "remark": pl.String(),
    "asked": pl.Datetime("us", "UTC"),
    "planned": pl.Datetime("us", "UTC"),
    "said": pl.Float64(),
}
floats = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(
    (0.0, -0.0, 1e144, -1e145, 5e-324, 1e-300, 1.0, 2.0**53 + 2, 37.5)
)
whole = st.integers(-(2**63), 2**63 - 1) | st.sampled_from((0, 1, 2**53 + 1, 2**31))
texts = st.text(max_size=12) | st.sampled_from(("", " ", "AA", "UA", "ÜÑ ✈", "\x00", "the same word", "N123" * 2000))
moments = st.datetimes(datetime(1901, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
rows = st.lists(
    st.tuples(
        st.none() | floats,
        st.none() | whole,
        st.none() | st.booleans(),
        st.none() | st.sampled_from(("AA", "UA", "DL", "never seen")) | texts,
        st.none() | texts,
        st.none() | texts,
        moments,
        st.none() | moments,
        st.none() | floats,
    ),
    min_size=1,
    max_size=12,
)


@functools.cache
def reference() -> Profile:
    rng = np.random.default_rng(8)
    n = 3000
    numbers = range(n)
    table = pl.DataFrame(
        {
            "wait": [None if k % 9 == 0 else value for k, value in enumerate(rng.lognormal(0, 2, n).tolist())],
            "seats": rng.integers(1, 12, n),
            "is_hub": rng.random(n) < 0.2,
            "carrier": rng.choice(np.array(["AA", "UA", "DL", *(f"r{k}" for k in range(90))]), n),
            "tail": [f"N{k}" for k in numbers],
            "remark": [f"late by {k} minutes at gate {k % 40}" for k in numbers],
            "asked": [1_700_000_000_000_000 + 60_000_000 * k for k in numbers],
            "planned": [1_700_000_000_000_000 + 59_000_000 * k for k in numbers],
            "said": rng.random(n),
        },
        schema=SCHEMA,
    )
    asked = by_table.Asked(time="asked", prediction="said")
    return by_table.reference(by_table.in_memory(table), asked)


def of_table(table: pl.DataFrame) -> Profile:
    return by_table.window(by_table.in_memory(table), reference(), by_table.Asked(prediction="said"))


def of_rows(table: pl.DataFrame, workers: int = 1) -> list[Profile]:
    windows = [LiveWindow(reference(), ORDER) for _ in range(workers)]
    seconds = [to_columns(table, [column])[column.name].tolist() for column in TYPES if column.type == "time"]
    for number, row in enumerate(table.iter_rows()):
        asked, planned = (own[number] for own in seconds)
        inputs = (*row[:6], asked, None if row[7] is None else planned)
        windows[number % workers].add(inputs, row[8], asked)
    return [window.take() for window in windows]


def plain(profile: Profile) -> bytes:
    return encode(msgspec.structs.replace(profile, notes=()))


def without_nan(column: ColumnProfile) -> ColumnProfile:
    """NaN as columns have it: missing."""
    return msgspec.structs.replace(column, missing=column.missing + column.nan, nan=0)


@settings(max_examples=200, deadline=None)
@given(rows)
def test_a_table_its_rows_and_its_columns_are_one_profile(given_rows: list[tuple[Any, ...]]) -> None:
    table = pl.DataFrame(given_rows, schema=SCHEMA, orient="row")
    whole = of_table(table)
    assert whole.rows == len(given_rows)
    assert all(column.rows == whole.rows for column in whole.columns)
    assert all(facet.total == column.there for column in whole.columns for facet in column.facets)
    assert [plain(found) for found in of_rows(table)] == [plain(whole)]
    said = table["said"].fill_null(float("nan")).to_numpy()
    columns = by_columns.window(to_columns(table, TYPES), reference(), predictions=said)
    assert columns.pairs == whole.pairs
    assert columns.columns == tuple(map(without_nan, whole.columns))


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(1, 4), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole_in_any_order(
    given_rows: list[tuple[Any, ...]], workers: int, order: random.Random
) -> None:
    table = pl.DataFrame(given_rows, schema=SCHEMA, orient="row")
    parts = of_rows(table, workers)
    order.shuffle(parts)
    shuffled = list(range(len(given_rows)))
    order.shuffle(shuffled)
    assert plain(functools.reduce(operator.add, parts)) == plain(of_table(table)) == plain(of_table(table[shuffled]))


def test_the_many_rows_of_a_table_are_counted_as_few_are() -> None:
    """Long stretches are counted by comparing, short ones by searching: both put a value into one cell."""
    rng = np.random.default_rng(81)
    values = np.concatenate(
        (rng.lognormal(0, 2, 70_000), reference().columns[0].facets[0].edges, [np.nan, np.inf, 1e200])
    )
    table = pl.DataFrame({"wait": values, "seats": rng.integers(-5, 50, values.size)})
    cells = msgspec.structs.replace(reference(), columns=reference().columns[:2], time=None)
    whole = by_table.window(by_table.in_memory(table), cells, by_table.Asked())
    parts = [
        by_table.window(by_table.in_memory(table[start : start + 999]), cells, by_table.Asked())
        for start in range(0, table.height, 999)
    ]
    assert plain(functools.reduce(operator.add, parts)) == plain(whole)
    assert whole.columns[0].absent == (0, 1, 2, 0)
