"""A request and a table become the same batch: ids, units, times and what the log keeps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lockgate.errors import ContractError
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract
from lockgate.serve.batch import Batch, from_columns, from_request

COLUMNS = (
    Column(name="flight", type="int"),
    Column(name="asked", type="time"),
    Column(name="wait", type="float", low=0.0, high=10.0),
    Column(name="seats", type="int", low=1, high=9, range_origin="declared"),
    Column(name="plane", type="text", is_nullable=True, levels=("A",)),
    Column(name="late", type="int", is_known_before=False),
)
ROW: dict[str, Any] = {"flight": 7, "asked": "2013-04-02T10:00:00Z", "wait": 1.5, "seats": 3, "plane": None}
ASKED_S = 1364896800.0
NOW_S = ASKED_S + 5.0


def contract(*, unit: str | None = "flight", time: str | None = "asked") -> Contract:
    return Contract(model="late", columns=COLUMNS, target="late", unit=unit, time=time)


def request(of: Contract, *rows: dict[str, Any], **more: Any) -> Batch:
    decoded = RequestType(of).decode(json.dumps({"rows": rows, **more}).encode())
    return from_request(decoded, of, now_s=NOW_S)


def table(of: Contract, *, flights: list[int], wait: float = 1.5, seats: float = 3.0) -> Batch:
    n = len(flights)
    columns = {
        "flight": np.array(flights, dtype=np.float64),
        "asked": np.full(n, ASKED_S),
        "wait": np.full(n, wait),
        "seats": np.full(n, seats),
        "plane": np.full(n, None, dtype=object),
    }
    return from_columns(columns, of, prefix="t", now_s=NOW_S)


def test_ids_are_the_requests_and_the_rows_place():
    assert request(contract(), ROW, ROW, id="r1").ids == ["r1-0", "r1-1"]


def test_a_request_without_an_id_has_one_of_its_own():
    first, second = request(contract(), ROW).ids, request(contract(), ROW).ids
    assert first != second
    assert request(contract(), ROW, id="").ids[0] != "-0"


@pytest.mark.parametrize(
    ("unit", "asked", "expected"),
    [("flight", "u1", "7"), ("flight", None, "7"), (None, "u1", "u1"), (None, None, "r-0"), ("plane", "u1", "u1")],
)
def test_a_rows_unit_is_the_columns_then_the_requests_then_the_row(unit: Any, asked: Any, expected: str):
    assert request(contract(unit=unit), ROW, id="r", unit=asked).units == [expected]


def test_a_number_names_the_same_unit_in_a_request_and_in_a_table():
    assert request(contract(), ROW).units == table(contract(), flights=[7]).units == ["7"]


def test_when_it_was_asked_is_the_columns_else_now():
    assert request(contract(), ROW).asked_s.tolist() == [ASKED_S]
    assert request(contract(time=None), ROW).asked_s.tolist() == [NOW_S]


def test_the_log_keeps_every_asked_value_with_its_type():
    kept = request(contract(), ROW).inputs
    assert kept == [(7, ASKED_S, 1.5, 3, None)]
    assert [type(value) for value in kept[0]] == [int, float, float, int, type(None)]
    assert table(contract(), flights=[7]).inputs == kept


def test_what_is_flagged_goes_along():
    of = contract()
    flags = request(of, ROW | {"wait": 99.0}, ROW | {"plane": "B"}, ROW).flags
    assert flags == [("wait: above range",), ("plane: unseen level",), ()]
    assert table(of, flights=[1], wait=-1.0).flags == [("wait: below range",)]


def test_a_table_is_held_to_what_a_person_declared():
    with pytest.raises(ContractError, match="'seats' of row 0 is above range") as caught:
        table(contract(), flights=[1, 2], seats=100.0)
    assert (caught.value.column, caught.value.row) == ("seats", 0)


def test_a_tables_ids_are_its_units_where_they_are_unique_else_its_places():
    assert table(contract(), flights=[7, 9]).ids == ["t-7", "t-9"]
    assert table(contract(), flights=[7, 7]).ids == ["t-0", "t-1"]
    assert table(contract(unit=None), flights=[7, 9]).ids == ["t-0", "t-1"]


def test_parts_hold_every_row_once_in_order():
    whole = table(contract(), flights=list(range(7)))
    parts = list(whole.parts(3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert [i for part in parts for i in part.ids] == whole.ids
    assert np.concatenate([part.columns["flight"] for part in parts]).tolist() == list(range(7))
    assert all(len(part.flags) == len(part.inputs) == len(part.units) == len(part.asked_s) for part in parts)


def test_a_row_dated_more_than_a_day_ahead_is_flagged_and_no_other():
    of, rows = contract(), [ROW | {"asked": at} for at in ("2999-01-01T00:00:00Z", "2013-04-03T09:00:00Z")]
    decoded = RequestType(of).decode(json.dumps({"rows": rows}).encode())
    assert from_request(decoded, of, now_s=NOW_S).flags == [("asked: in the future",), ()]
    assert from_request(decoded, of, now_s=NOW_S).flags == [("asked: in the future",), ()], "flagged once"


def test_a_time_outside_its_range_is_flagged_as_any_number_is():
    asked = Column(name="asked", type="time", low=ASKED_S, high=ASKED_S + 60)
    of = Contract(model="late", columns=(asked, COLUMNS[-1]), target="late", time="asked")
    rows = [{"asked": at} for at in ("2013-04-02T10:00:00Z", "2013-04-02T09:00:00Z", "2013-04-02T11:00:00Z")]
    body = json.dumps({"rows": rows}).encode()
    assert RequestType(of).plain(body) is None
    assert RequestType(of).decode(body).flags == [(), ("asked: below range",), ("asked: above range",)]
