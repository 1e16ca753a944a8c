"""Requests: decoded strictly, every error naming its column, nothing cast."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lockgate.errors import ContractError, PredictError, SpecError
from lockgate.features import Pipeline, custom, levels, numeric
from lockgate.features.columns import row_tuples
from lockgate.features.pipeline import observed, resolve
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract
from lockgate.records.prediction import entry_encoder

CONTRACT = Contract(
    model="m",
    columns=(
        Column(name="sepal length (cm)", type="float", low=0, high=10, range_origin="declared"),
        Column(name="seats", type="int", is_nullable=True, low=1, high=500),
        Column(name="is_hub", type="bool"),
        Column(name="carrier", type="text", levels=("AA", "UA")),
        Column(name="asked", type="time"),
        Column(name="late", type="bool", is_known_before=False),
    ),
    target="late",
)
ROW: dict[str, Any] = {
    "sepal length (cm)": 5.5,
    "seats": 120,
    "is_hub": True,
    "carrier": "AA",
    "asked": "2026-01-01T00:00:00Z",
}
REQUEST = RequestType(CONTRACT)


def decode(*rows: dict[str, Any], **more: Any) -> Any:
    return REQUEST.decode(json.dumps({"rows": rows, **more}).encode())


def test_a_whole_row_comes_through_unflagged() -> None:
    found = decode(ROW, unit="N1", id="p1")
    assert row_tuples(found.columns, CONTRACT.asked) == [(5.5, 120, True, "AA", 1767225600.0)]
    assert (found.flags, found.unit, found.id) == ([()], "N1", "p1")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seats", "120"),
        ("seats", 120.5),
        ("seats", True),
        ("sepal length (cm)", "5.5"),
        ("sepal length (cm)", None),
        ("is_hub", 1),
        ("is_hub", "true"),
        ("carrier", 3),
        ("carrier", None),
        ("asked", "2026-01-01T00:00:00"),
        ("asked", "yesterday"),
        ("asked", 0),
    ],
)
def test_a_value_of_another_type_is_refused_naming_its_column(column: str, value: Any) -> None:
    with pytest.raises(ContractError) as caught:
        decode(ROW, ROW | {column: value})
    assert caught.value.column == column


@pytest.mark.parametrize("column", ROW)
def test_a_missing_field_is_refused_naming_it(column: str) -> None:
    with pytest.raises(ContractError, match="missing required field") as caught:
        decode({name: value for name, value in ROW.items() if name != column})
    assert caught.value.column == column


@pytest.mark.parametrize("column", ["colour", "late", "f0"])
def test_a_field_that_is_not_asked_for_is_refused_naming_it(column: str) -> None:
    with pytest.raises(ContractError, match="unknown field") as caught:
        decode(ROW | {column: 1})
    assert caught.value.column == column


@pytest.mark.parametrize("value", [-0.1, 10.1])
def test_a_value_outside_a_persons_range_is_refused_naming_column_and_row(value: float) -> None:
    with pytest.raises(ContractError, match=r"'sepal length .cm.' of row 1") as caught:
        decode(ROW, ROW | {"sepal length (cm)": value}, ROW)
    assert (caught.value.column, caught.value.row) == ("sepal length (cm)", 1)


def test_what_leaves_an_inferred_range_or_the_known_levels_is_flagged_row_by_row() -> None:
    found = decode(ROW, ROW | {"seats": 900, "carrier": "ZZ"}, ROW | {"seats": None})
    assert found.flags == [(), ("seats: above range", "carrier: unseen level"), ()]


def test_no_rows_are_refused_with_how_to_send_some() -> None:
    with pytest.raises(ContractError, match=r"no rows\. Send"):
        decode()


def test_an_unknown_key_of_the_envelope_is_refused() -> None:
    with pytest.raises(ContractError, match="unknown field `row`"):
        decode(ROW, row=1)


def test_a_whole_number_too_long_for_the_log_is_still_logged() -> None:
    """It is only flagged, so the call is answered; its record must not be what fails."""
    found = decode(ROW | {"seats": 10**25})
    assert found.flags == [("seats: above range",)]
    (row,) = row_tuples(found.columns, CONTRACT.asked)
    assert row[1] == 1e25
    assert entry_encoder.encode(row)


COLUMNS = {"wait": np.array([1.0, np.nan, 3.0]), "carrier": np.array(["UA", None, "AA"], dtype=object)}


def test_a_step_of_the_users_that_raises_goes_to_the_fallback_by_name() -> None:
    pipeline = Pipeline.of(custom("math:sqrt", needs=("wait",), gives=("wait",)))
    with pytest.raises(PredictError, match="feature step math:sqrt raised") as caught:
        pipeline.transform(COLUMNS)
    assert caught.value.reason == "raised"


def test_a_step_that_gives_too_few_rows_or_not_what_it_said_goes_to_the_fallback() -> None:
    pipeline = Pipeline.of(custom("builtins:dict", needs=("wait",), gives=("other",)))
    with pytest.raises(PredictError, match="did not give 'other' for every row") as caught:
        pipeline.transform(COLUMNS)
    assert caught.value.reason == "shape"


@pytest.mark.parametrize("name", ["no_such_module:f", "math:no_such", "math", ":f"])
def test_a_function_that_cannot_be_imported_is_refused_with_how_to_write_it(name: str) -> None:
    with pytest.raises(SpecError, match=r"cannot be imported.*module:function"):
        resolve(name)


def test_levels_that_were_never_fitted_are_refused() -> None:
    with pytest.raises(SpecError, match="levels of 'carrier' are not fitted"):
        Pipeline.of(levels("carrier")).transform(COLUMNS)


def test_another_fit_is_another_hash_and_the_same_fit_the_same() -> None:
    pipeline = Pipeline.of(numeric("wait"), levels("carrier"))
    up, down = (pipeline.fit(COLUMNS, np.array(target)) for target in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    assert up.hash != down.hash != pipeline.hash
    assert up.hash == pipeline.fit(COLUMNS, np.array([1.0, 0.0, 0.0])).hash


def test_needs_and_names_are_each_named_once_in_order() -> None:
    pipeline = Pipeline.of(numeric("wait", "seats"), custom("m:f", needs=("wait", "x"), gives=("wait", "y")))
    assert pipeline.needs == ("wait", "seats", "x")
    assert pipeline.names == ("wait", "seats", "y")


def test_observed_inputs_have_the_range_of_their_present_values() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, np.nan]], dtype=np.float32)
    wait, nothing = observed(("wait", "nothing"), matrix)
    assert (wait.low, wait.high) == (1.0, 3.0)
    assert (nothing.low, nothing.high) == (None, None)


def held(*rows: Any, **more: Any) -> Any:
    return REQUEST.hold(rows, **more)


def test_rows_as_objects_come_through_as_the_same_rows_in_json_do() -> None:
    told, same = (
        held(ROW, ROW | {"seats": 900}, unit="N1", request="p1"),
        decode(ROW, ROW | {"seats": 900}, unit="N1", id="p1"),
    )
    assert row_tuples(told.columns, CONTRACT.asked) == row_tuples(same.columns, CONTRACT.asked)
    assert (told.flags, told.unit, told.id) == (same.flags, same.unit, same.id)


def test_in_objects_a_nan_is_missing_and_a_whole_float_a_whole_number() -> None:
    (row,) = row_tuples(held(ROW | {"seats": 120.0}).columns, CONTRACT.asked)
    assert (row[1], type(row[1])) == (120, int)
    (row,) = row_tuples(held(ROW | {"seats": float("nan")}).columns, CONTRACT.asked)
    assert row[1] is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sepal length (cm)", float("nan")),
        ("sepal length (cm)", float("inf")),
        ("sepal length (cm)", -float("inf")),
        ("sepal length (cm)", "5.5"),
        ("sepal length (cm)", True),
        ("seats", 120.5),
        ("seats", float("inf")),
        ("seats", "120"),
        ("is_hub", 1),
        ("is_hub", 1.0),
        ("carrier", 3),
        ("asked", "2026-01-01T00:00:00"),
        ("colour", 1),
    ],
)
def test_objects_are_held_as_strictly_as_json(column: str, value: Any) -> None:
    with pytest.raises(ContractError) as caught:
        held(ROW, ROW | {column: value})
    assert caught.value.column == column


def test_an_infinity_in_a_column_without_a_range_is_broken_all_the_same() -> None:
    free = RequestType(Contract(model="m", columns=(Column(name="x", type="float"),), target="y"))
    with pytest.raises(ContractError, match="not finite"):
        free.hold([{"x": 1.0}, {"x": float("inf")}])
    with pytest.raises(ContractError, match="not finite"):
        free.hold([{"x": float("inf")}] * 50)


@pytest.mark.parametrize("row", [7, None, [], "x", [1, 2]])
def test_a_row_that_is_no_object_is_refused(row: object) -> None:
    with pytest.raises(ContractError, match="Expected `object`"):
        held(ROW, row)
