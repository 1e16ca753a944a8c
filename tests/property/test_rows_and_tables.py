"""One row and a whole table go the same way: the same breaks, the same features, to the bit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import ContractError
from lockgate.features import Pipeline, custom, levels, numeric
from lockgate.features.check import breaks, flags_by_row
from lockgate.features.columns import Columns, from_tuples, row_tuples
from lockgate.features.contract import to_columns
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract

COLUMNS = (
    Column(name="delay (min)", type="float", is_nullable=True, low=-10, high=60),
    Column(name="seats", type="int", low=1, high=300, range_origin="declared"),
    Column(name="is_late", type="bool"),
    Column(name="carrier", type="text", is_nullable=True, levels=("AA", "UA")),
    Column(name="asked at", type="time", is_nullable=True),
)
CONTRACT = Contract(model="m", columns=(*COLUMNS, Column(name="y", type="bool", is_known_before=False)), target="y")
SCHEMA = {
    "delay (min)": pl.Float64,
    "seats": pl.Int64,
    "is_late": pl.Boolean,
    "carrier": pl.String,
    "asked at": pl.Datetime("us", "UTC"),
}
seconds = st.integers(0, 2_000_000_000)
rows = st.fixed_dictionaries(
    {
        "delay (min)": st.none() | st.floats(-100, 100),
        "seats": st.integers(-5, 400),
        "is_late": st.booleans(),
        "carrier": st.none() | st.sampled_from(("AA", "UA", "ÜÑ ✈", "")),
        "asked at": st.none() | seconds.map(lambda s: datetime.fromtimestamp(s, UTC)),
    }
)
tables = st.lists(rows, min_size=1, max_size=6)
REQUEST = RequestType(CONTRACT)


def as_table(found: list[dict[str, Any]]) -> Columns:
    return to_columns(pl.DataFrame(found, schema=SCHEMA), COLUMNS)


def same(one: Columns, other: Columns) -> bool:
    return list(one) == list(other) and all(
        list(one[name]) == list(other[name])
        if one[name].dtype == object
        else np.array_equal(one[name], other[name], True)
        for name in one
    )


@settings(deadline=None)
@given(tables)
def test_a_request_is_refused_exactly_where_the_table_is_and_flagged_alike(found: list[dict[str, Any]]) -> None:
    columns = as_table(found)
    expected = breaks(columns, COLUMNS)
    body = msgspec.json.encode({"rows": found})
    if any(item.is_refused for item in expected):
        with pytest.raises(ContractError) as caught:
            REQUEST.decode(body)
        assert caught.value.column in {item.column for item in expected if item.is_refused}
    else:
        decoded = REQUEST.decode(body)
        assert same(decoded.columns, columns)
        assert decoded.flags == flags_by_row(expected, len(found))


@settings(deadline=None)
@given(tables)
def test_a_table_is_flagged_as_its_rows_are_one_by_one(found: list[dict[str, Any]]) -> None:
    whole = flags_by_row(breaks(as_table(found), COLUMNS), len(found))
    assert whole == [flags_by_row(breaks(as_table([row]), COLUMNS), 1)[0] for row in found]


@settings(deadline=None)
@given(tables)
def test_rows_come_back_from_the_log_as_they_went_in(found: list[dict[str, Any]]) -> None:
    columns = as_table(found)
    assert same(from_tuples(COLUMNS, row_tuples(columns, COLUMNS)), columns)


def slant(columns: Columns, *, by: float) -> Columns:
    """A step of the user's, found by its name in this module."""
    return {"slant": columns["delay (min)"] * by + columns["seats"]}


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Numbers, levels by their mean outcome, and a step of the user's, importable as `slanted`."""
    import sys
    from types import ModuleType

    module = ModuleType("slanted")
    module.slant = slant  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slanted", module)
    steps = Pipeline.of(
        numeric("seats", "is_late", "asked at"),
        levels("carrier"),
        custom("slanted:slant", needs=("delay (min)", "seats"), gives=("slant",), by=0.1),
    )
    learnt = [
        {"delay (min)": 1.0, "seats": 9, "is_late": True, "carrier": carrier, "asked at": None}
        for carrier in ("UA", "AA")
    ]
    return steps.fit(as_table(learnt), np.array([0.0, 1.0]))


def test_a_batch_gives_each_row_the_bits_it_has_alone(pipeline: Pipeline) -> None:
    @settings(deadline=None)
    @given(tables)
    def holds(found: list[dict[str, Any]]) -> None:
        batch = pipeline.transform(as_table(found))
        alone = np.concatenate([pipeline.transform(as_table([row])) for row in found])
        assert batch.dtype == np.float32
        assert batch.tobytes() == alone.tobytes()

    holds()


def test_levels_stand_in_the_order_of_their_outcomes_and_the_unseen_is_missing(pipeline: Pipeline) -> None:
    row = {"delay (min)": 0.0, "seats": 1, "is_late": False, "asked at": None}
    matrix = pipeline.transform(as_table([row | {"carrier": c} for c in ("UA", "AA", "ZZ", None)]))
    place = pipeline.names.index("carrier")
    assert matrix[:2, place].tolist() == [0.0, 1.0]
    assert np.isnan(matrix[2:, place]).all()
