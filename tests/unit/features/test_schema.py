"""Schemas: JSON Schema for callers, TOML for people, and a table's types held to what is stored before a write."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
import pytest

from lockgate.errors import ContractError
from lockgate.features.contract import infer
from lockgate.features.json_schema import json_schema
from lockgate.features.schema import refuse_other_schema, storable
from lockgate.features.written import toml
from lockgate.records import Column, Contract, ContractSpec, ModelSpec, Rule, Severity, WorkspaceSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORED = {
    "seats": pl.Int64(),
    "wait": pl.Float64(),
    "asked": pl.Datetime("us", "UTC"),
}
TABLE = pl.DataFrame({"seats": [1], "wait": [1.5], "asked": [NOW]}, schema=STORED)


def test_the_same_schema_may_be_written_in_any_order() -> None:
    refuse_other_schema(TABLE.select("asked", "seats", "wait"), STORED, name="m")


@pytest.mark.parametrize(
    ("name", "values", "dtype", "said"),
    [
        (
            "seats",
            [1.7],
            pl.Float64,
            r"'seats' is Float64, .* m is Int64.*round\(\).cast\(pl.Int64\), which makes 1.7 a 2",
        ),
        ("seats", [1], pl.Int32, r"'seats' is Int32.*pl.col\(\"seats\"\).cast\(pl.Int64\)"),
        ("wait", [1.5], pl.Float32, r"'wait' is Float32.*cast\(pl.Float64\)"),
        ("asked", [NOW], pl.Datetime("ms", "UTC"), r"cast_time_unit\(\"us\"\)"),
        ("asked", [NOW.replace(tzinfo=None)], pl.Datetime("us"), r"replace_time_zone\(\"UTC\"\)"),
        ("asked", [NOW], pl.Datetime("us", "Europe/Paris"), r"convert_time_zone\(\"UTC\"\)"),
    ],
)
def test_another_type_is_refused_with_the_cast_to_write(name: str, values: list[Any], dtype: Any, said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        refuse_other_schema(TABLE.with_columns(pl.Series(name, values, dtype=dtype)), STORED, name="m")
    assert caught.value.column == name


def test_a_column_too_few_or_too_many_is_named() -> None:
    with pytest.raises(ContractError, match=r"no column 'wait'.*Add it as Float64"):
        refuse_other_schema(TABLE.drop("wait"), STORED, name="m")
    with pytest.raises(ContractError, match=r"'waits'.*Did you mean 'wait'"):
        refuse_other_schema(TABLE.with_columns(waits=1), STORED, name="m")


def test_what_delta_would_change_is_made_exact_first() -> None:
    table = pl.DataFrame(
        {"small": [200], "big": [4_000_000_000], "word": ["a"], "at": [NOW]},
        schema={"small": pl.UInt8, "big": pl.UInt32, "word": pl.Categorical, "at": pl.Datetime("ns", "UTC")},
    )
    found = storable(table)
    assert list(found.schema.values()) == [pl.Int16, pl.Int64, pl.String, pl.Datetime("us", "UTC")]
    assert found.row(0) == (200, 4_000_000_000, "a", NOW)


def test_what_cannot_be_kept_exactly_is_refused() -> None:
    with pytest.raises(ContractError, match=r"'n' holds 18446744073709551615, which 64 bits cannot"):
        storable(pl.DataFrame({"n": [2**64 - 1]}, schema={"n": pl.UInt64}))
    nanoseconds = pl.DataFrame({"at": pl.Series([1]).cast(pl.Datetime("ns", "UTC"))})
    with pytest.raises(ContractError, match="'at' holds nanoseconds"):
        storable(nanoseconds)


CONTRACT = Contract(
    model="m",
    columns=(
        Column(name="seats", type="int", low=1, high=500, range_origin="declared"),
        Column(name="wait", type="float", is_nullable=True, low=0, high=9),
        Column(name="carrier", type="text", levels=("AA", "UA"), on_break="refuse"),
        Column(name="asked at", type="time", severity=Severity(missing="fall_back")),
        Column(name="late", type="bool", is_nullable=True, is_known_before=False),
    ),
    target="late",
    time="asked at",
    rules=(Rule(name="fits", check="wait < seats"),),
)


def test_json_schema_constrains_what_refuses_and_describes_the_rest() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = json_schema(CONTRACT)
    jsonschema.Draft202012Validator.check_schema(document)
    row = document["properties"]["rows"]["items"]
    assert list(row["properties"]) == ["seats", "wait", "carrier", "asked at"]
    assert row["properties"]["seats"] == {"type": "integer", "minimum": 1, "maximum": 500}
    assert row["properties"]["wait"]["description"] == "minimum 0, else flag; maximum 9, else flag"
    assert row["properties"]["carrier"]["enum"] == ["AA", "UA"]
    assert row["properties"]["asked at"]["type"] == ["string", "null"]
    assert row["description"] == "fits (refuse): wait < seats"
    validator = jsonschema.Draft202012Validator(document)
    one = {"seats": 1, "wait": None, "carrier": "AA", "asked at": "2026-01-01T00:00:00Z"}
    assert validator.is_valid({"rows": [one]})
    for wrong in ({"seats": 0}, {"carrier": "ZZ"}, {"wait": "1"}, {"more": 1}):
        assert not validator.is_valid({"rows": [one | wrong]})
    assert not validator.is_valid({"rows": []})


def test_the_toml_of_a_contract_makes_the_same_contract_again() -> None:
    table = pl.DataFrame(
        {
            "seats": [1, 2],
            "wait": [None, 1.5],
            "carrier ✈": ["AA", 'U"A\\'],
            "asked at": [NOW, NOW],
            "landed": [NOW, NOW],
            "late": [True, False],
        },
        schema_overrides={"asked at": pl.Datetime("us", "UTC"), "landed": pl.Datetime("us", "UTC")},
    )
    contract = ContractSpec(
        known="landed", keys=("seats",), rules=(Rule(name="r", check="wait < seats", on_break="flag"),)
    )
    first = infer("a model", ModelSpec(target="late", time="asked at", contract=contract), table)
    read = msgspec.convert(tomllib.loads(toml(first)), WorkspaceSpec).model["a model"]
    again = infer("a model", read, table)
    assert [(c.name, c.type, c.is_nullable, c.low, c.high, c.levels, c.does("range")) for c in again.columns] == [
        (c.name, c.type, c.is_nullable, c.low, c.high, c.levels, c.does("range")) for c in first.columns
    ]
    assert (again.known, again.keys, again.rules, again.time) == (first.known, first.keys, first.rules, first.time)
    assert again.asked == tuple(
        msgspec.structs.replace(c, severity=found.severity, range_origin=found.range_origin)
        for c, found in zip(first.asked, again.asked, strict=True)
    )
