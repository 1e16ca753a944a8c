"""One contract, three checks: Polars over a table, arrays, and the request decoder break the same rules on the same rows."""

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
from lockgate.features.check import asked_rules, breaks, falls_back, flags_by_row, read_rules
from lockgate.features.contract import check, to_columns
from lockgate.features.json_schema import json_schema
from lockgate.features.request import FEW_ROWS, RequestType
from lockgate.records import Column, Contract, Rule, Severity

does = st.sampled_from(["refuse", "flag", "fall_back"])
severities = st.builds(
    Severity, missing=st.none() | does, not_finite=st.none() | does, range=st.none() | does, levels=st.none() | does
)
bounds = st.tuples(st.none() | st.integers(-3, 0), st.none() | st.integers(0, 3)) | st.just((2**62 + 1, None))
origins = st.sampled_from(["declared", "inferred"])
SCHEMA = {
    "wait": pl.Float64,
    "seats": pl.Int64,
    "is_hub": pl.Boolean,
    "carrier": pl.String,
    "asked": pl.Datetime("us", "UTC"),
    "late": pl.Boolean,
}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    def column(name: str, kind: Any, **more: Any) -> Column:
        shared = {"is_nullable": draw(st.booleans()), "on_break": draw(does), "severity": draw(severities)}
        return Column(name=name, type=kind, **shared, **more)

    def ranged(name: str, kind: str) -> Column:
        low, high = draw(bounds)
        return column(name, kind, low=low, high=high, range_origin=draw(origins))

    levels = draw(st.none() | st.sampled_from([(), ("AA",), ("AA", "", "ÜÑ")]))
    checks = st.sampled_from(
        [
            "wait < seats",
            "is_null(wait) or seats > 0",
            'carrier == "AA" or is_hub',
            "seats / wait > 1",
            "late or wait < 2",
        ]
    )
    rules = [Rule(name=f"r{n}", check=draw(checks), on_break=draw(does)) for n in range(draw(st.integers(0, 2)))]
    return Contract(
        model="m",
        columns=(
            ranged("wait", "float"),
            ranged("seats", "int"),
            column("is_hub", "bool"),
            column("carrier", "text", levels=levels),
            column("asked", "time"),
            Column(name="late", type="bool", is_nullable=True, is_known_before=False),
        ),
        target="late",
        rules=tuple(rules),
    )


finite = st.floats(-5, 5) | st.sampled_from([0.0, -0.0, 1e300])
row = {
    "wait": st.none() | finite,
    "seats": st.none() | st.integers(-5, 5) | st.sampled_from([2**62 + 2, -(2**63)]),
    "is_hub": st.none() | st.booleans(),
    "carrier": st.none() | st.sampled_from(["AA", "", "ZZ", "ÜÑ"]),
    "asked": st.none() | st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)),
    "late": st.none() | st.booleans(),
}
rows = st.fixed_dictionaries(row)
hostile = st.fixed_dictionaries(row | {"wait": st.none() | st.floats()})


def words_by_row(contract: Contract, table: pl.DataFrame) -> list[str | None]:
    """What each row breaks that refuses it, by the arrays."""
    found = breaks(to_columns(table, contract.columns), contract.columns, read_rules(contract))
    flags = flags_by_row([item for item in found if item.is_refused], table.height)
    return ["; ".join(words) or None for words in flags]


@settings(deadline=None, max_examples=100)
@given(contracts(), st.lists(hostile, min_size=1, max_size=6))
def test_a_table_is_split_as_the_arrays_say(contract: Contract, found: list[dict[str, Any]]) -> None:
    table = pl.DataFrame(found, schema=SCHEMA)
    checked = check(table, contract)
    words = words_by_row(contract, table)
    assert checked.quarantined["broken_rule"].to_list() == [word for word in words if word is not None]
    assert checked.kept.equals(table.filter(pl.Series([word is None for word in words])))
    items = breaks(to_columns(table, contract.columns), contract.columns, read_rules(contract))
    assert checked.counts == {item.flag: int(item.rows.sum()) for item in items if item.is_refused}
    assert checked.flagged == {item.flag: int(item.rows.sum()) for item in items if not item.is_refused}


@settings(deadline=None, max_examples=100)
@given(
    contracts(), st.lists(rows, min_size=1, max_size=4) | st.lists(rows, min_size=FEW_ROWS + 1, max_size=FEW_ROWS + 1)
)
def test_a_request_is_refused_flagged_and_left_to_the_fallback_as_the_arrays_say(
    contract: Contract, found: list[dict[str, Any]]
) -> None:
    asked = [{name: value for name, value in one.items() if name != "late"} for one in found]
    columns = to_columns(pl.DataFrame(found, schema=SCHEMA), contract.asked)
    expected = breaks(columns, contract.asked, asked_rules(contract))
    body = msgspec.json.encode({"rows": asked})
    if any(item.is_refused for item in expected):
        with pytest.raises(ContractError) as caught:
            RequestType(contract).decode(body)
        assert caught.value.column in {name for item in expected if item.is_refused for name in item.columns}
        return
    decoded = RequestType(contract).decode(body)
    assert decoded.flags == flags_by_row(expected, len(found))
    assert decoded.falls_back.tolist() == falls_back(expected, len(found)).tolist()
    assert all(np.array_equal(decoded.columns[n], columns[n], equal_nan=n != "carrier") for n in columns)


@settings(deadline=None, max_examples=75)
@given(contracts(), rows)
def test_what_the_json_schema_refuses_the_decoder_refuses(contract: Contract, one: dict[str, Any]) -> None:
    """The schema says less: it has no word for a rule between columns, and none for a number too large for a float."""
    jsonschema = pytest.importorskip("jsonschema")
    body = msgspec.json.encode({"rows": [{name: value for name, value in one.items() if name != "late"}]})
    document = json_schema(msgspec.structs.replace(contract, rules=()))
    validator = jsonschema.Draft202012Validator(document)
    validator.check_schema(document)
    is_valid = validator.is_valid(msgspec.json.decode(body))
    try:
        RequestType(msgspec.structs.replace(contract, rules=())).decode(body)
    except ContractError:
        assert not is_valid
    else:
        assert is_valid
