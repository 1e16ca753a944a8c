"""Contracts from elsewhere: Pandera and MLflow carried over, and what cannot be carried over named."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from lockgate.errors import SpecError
from lockgate.features.contract import check
from lockgate.features.declare import contract_from
from lockgate.features.imported import from_mlflow_signature, from_pandera
from lockgate.records import ContractSpec

SIGNATURE = [
    {"type": "long", "name": "seats", "required": True},
    {"type": "double", "name": "wait", "required": False},
    {"type": "string", "name": "carrier"},
    {"type": "boolean", "name": "late"},
]


def pandera_of(kind: str) -> Any:
    return pytest.importorskip(f"pandera.{kind}")


def test_a_pandas_schema_carries_types_nulls_ranges_levels_and_keys() -> None:
    pa = pandera_of("pandas")
    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(str, unique=True),
            "seats": pa.Column(int, [pa.Check.ge(1), pa.Check.le(500)]),
            "wait": pa.Column(float, pa.Check.in_range(0, 10), nullable=True),
            "carrier": pa.Column(str, pa.Check.isin(["AA", "UA"])),
            "asked": pa.Column("datetime64[ns, UTC]"),
            "late": pa.Column(bool),
        }
    )
    spec, notes = from_pandera(schema)
    assert notes == ()
    assert [c.type for c in spec.columns.values()] == ["text", "int", "float", "text", "time", "bool"]
    assert spec.keys == ("id",)
    assert (spec.columns["seats"].low, spec.columns["seats"].high) == (1, 500)
    assert spec.columns["wait"].nullable
    assert spec.columns["carrier"].levels == ("AA", "UA")
    contract = contract_from(spec, model="m", target="late")
    carrier = contract.column("carrier")
    assert carrier is not None
    assert carrier.does("levels") == "refuse"


def test_checks_of_one_row_become_rules_and_break_the_same_rows() -> None:
    pa = pandera_of("pandas")
    schema = pa.DataFrameSchema(
        {
            "a": pa.Column(float, [pa.Check.gt(0), pa.Check.ne(3)]),
            "b": pa.Column(float, pa.Check.in_range(0, 1, include_max=False)),
            "c": pa.Column(int, pa.Check.isin([1, 2])),
            "d": pa.Column(str, pa.Check.notin(["x"]), nullable=True),
            "y": pa.Column(bool),
        }
    )
    spec, notes = from_pandera(schema)
    assert notes == ()
    table = pl.DataFrame(
        {
            "a": [1.0, 0.0, 3.0, 1.0, 1.0, 1.0],
            "b": [0.0, 0.5, 0.5, 1.0, 0.5, 0.5],
            "c": [1, 2, 1, 1, 3, 1],
            "d": ["q", "q", None, "q", "q", "x"],
            "y": [True] * 6,
        }
    )
    kept = check(table, contract_from(spec, model="m", target="y")).kept
    failed = schema_failures(schema, table)
    assert kept.height == 1
    assert failed == {1, 2, 3, 4, 5}


def schema_failures(schema: Any, table: pl.DataFrame) -> set[int]:
    """The rows that Pandera itself refuses."""
    import pandas as pd
    from pandera.errors import SchemaErrors

    with pytest.raises(SchemaErrors) as caught:
        schema.validate(pd.DataFrame(table.to_dict(as_series=False)), lazy=True)
    return {int(index) for index in caught.value.failure_cases["index"].dropna()}


def test_a_polars_model_is_carried_over_and_its_zone_asked_for() -> None:
    pa = pandera_of("polars")

    class Calls(pa.DataFrameModel):
        seats: int = pa.Field(ge=1, le=9)
        carrier: str = pa.Field(isin=["AA"])
        asked: pl.Datetime

    spec, notes = from_pandera(Calls)
    assert (spec.columns["seats"].low, spec.columns["seats"].high) == (1, 9)
    assert spec.columns["asked"].type == "time"
    assert len(notes) == 1
    assert "wants its times in UTC" in notes[0]


def test_what_cannot_be_carried_over_is_named() -> None:
    pa = pandera_of("pandas")
    schema = pa.DataFrameSchema(
        {
            "a": pa.Column(str, pa.Check.str_length(1, 3)),
            "b": pa.Column(float, pa.Check(lambda s: s > 0, name="positive"), coerce=True),
            "c": pa.Column(complex),
            "^x_.*": pa.Column(int, regex=True),
            "e": pa.Column(int, required=False, unique=True),
            "f": pa.Column(int, unique=True),
        },
        checks=pa.Check(lambda table: table["b"] > 0, name="whole"),
        index=pa.Index(int),
    )
    said = "\n".join(from_pandera(schema).notes)
    for word in (
        "'str_length'",
        "'positive'",
        "coerce",
        "complex",
        "'^x_.*'",
        "required=False",
        "one key",
        "'whole'",
        "index",
    ):
        assert word in said


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(SpecError, match="neither a contract's class nor a Pandera schema"):
        from_pandera(dict)


@pytest.mark.parametrize(
    "given",
    [
        SIGNATURE,
        json.dumps(SIGNATURE),
        {"inputs": json.dumps(SIGNATURE)},
        {"signature": {"inputs": json.dumps(SIGNATURE)}},
    ],
)
def test_a_signature_gives_types_and_what_may_be_missing_and_says_what_it_lacks(given: Any) -> None:
    spec, notes = from_mlflow_signature(given)
    assert {name: c.type for name, c in spec.columns.items()} == {
        "seats": "int",
        "wait": "float",
        "carrier": "text",
        "late": "bool",
    }
    assert [name for name, c in spec.columns.items() if c.nullable] == ["wait"]
    assert "nothing of ranges, levels" in notes[-1]


def test_a_signature_that_mlflow_inferred_is_carried_over() -> None:
    models = pytest.importorskip("mlflow.models")
    import pandas as pd

    table = pd.DataFrame({"x": [1.5, 2.0], "z": ["a", "b"], "t": pd.to_datetime(["2020-01-01"] * 2)})
    spec, notes = from_mlflow_signature(models.infer_signature(table))
    assert [c.type for c in spec.columns.values()] == ["float", "text", "time"]
    assert "a signature says no zone" in notes[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"type": "tensor", "tensor-spec": {}}], "Input 0 of the signature is a tensor"),
        ([{"type": "double"}], "a column without a name"),
        ("not json", "are not JSON"),
        ({"outputs": "[]"}, "names no input columns"),
        ([], "names no input columns"),
    ],
)
def test_a_signature_without_named_columns_is_refused(given: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        from_mlflow_signature(given)


def test_the_config_takes_a_pandera_schema_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pandera_of("pandas")
    module = ModuleType("their_schemas")
    module.whole = pa.DataFrameSchema({"x": pa.Column(float, pa.Check.ge(0)), "y": pa.Column(bool)})  # type: ignore[attr-defined]
    module.lossy = pa.DataFrameSchema({"x": pa.Column(float, pa.Check(lambda s: s > 0, name="positive"))})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_schemas", module)
    contract = contract_from(ContractSpec(schema_from="their_schemas:whole"), model="m", target="y")
    assert [(c.name, c.type, c.low) for c in contract.columns] == [("x", "float", 0), ("y", "bool", None)]
    with pytest.raises(SpecError, match=r"their_schemas:lossy cannot be carried over whole.*'positive'"):
        contract_from(ContractSpec(schema_from="their_schemas:lossy"), model="m", target="y")
