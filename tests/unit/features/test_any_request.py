"""Requests while several contracts are in force: who takes which row, with which flags, and what no version takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockgate.errors import ContractError, SpecError
from lockgate.features.any_request import AnyRequest
from lockgate.features.differing import apart, differences, is_one, merged, refuse_apart
from lockgate.records import Column, Contract, Rule

WAIT = Column(name="wait", type="float", low=0.0, high=10.0)
SEATS = Column(name="seats", type="int", low=1, high=500, range_origin="declared")
CARRIER = Column(name="carrier", type="text", levels=("AA", "UA"))
HUMIDITY = Column(name="humidity", type="float")
LATE = Column(name="late", type="int", is_known_before=False)


def contract(*columns: Column, **more: Any) -> Contract:
    return Contract(model="late", columns=(*columns, LATE), target="late", **more)


OLD = contract(WAIT, SEATS, CARRIER)
ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA"}


def reads(new: Contract, old: Contract = OLD, *, readers: tuple[str, ...] = ("old", "new")) -> AnyRequest:
    return AnyRequest({"old": old, "new": new}, "old", readers)


def decoded(request: AnyRequest, *rows: dict[str, Any]) -> Any:
    return request.decode(json.dumps({"rows": rows}).encode())


def told(request: AnyRequest, *rows: dict[str, Any]) -> dict[str, tuple[list[bool], list[tuple[str, ...]]]]:
    found = decoded(request, *rows)
    return {version: (held.left.tolist(), held.flags) for version, held in found.by_version.items()}


def test_a_new_column_keeps_the_new_version_from_old_rows_and_is_beyond_what_the_old_one_asks():
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY))
    assert told(request, ROW, ROW | {"humidity": 0.4}) == {
        "old": ([False, False], [(), ("humidity: extra",)]),
        "new": ([True, False], [("input humidity: missing",), ()]),
    }


def test_a_column_that_is_gone_may_be_left_out_and_then_only_the_new_version_answers():
    request = reads(contract(WAIT, SEATS))
    less = {name: value for name, value in ROW.items() if name != "carrier"}
    assert told(request, ROW, less) == {
        "old": ([False, True], [(), ("input carrier: missing",)]),
        "new": ([False, False], [("carrier: extra",), ()]),
    }


def test_a_whole_number_that_became_a_float_is_read_as_a_float_and_a_fraction_is_not_cut():
    request = reads(contract(WAIT, Column(name="seats", type="float", low=1, high=500), CARRIER))
    found = decoded(request, ROW, ROW | {"seats": 120.5})
    assert found.columns["seats"].tolist() == [120.0, 120.5]
    assert found.by_version["old"].left.tolist() == [False, True]
    assert found.by_version["old"].flags[1] == ("input seats: not whole",)
    assert found.by_version["new"].left.tolist() == [False, False]


def test_levels_and_ranges_are_each_versions_own():
    wider = Column(name="carrier", type="text", levels=("AA", "UA", "DL"))
    request = reads(contract(WAIT, Column(name="seats", type="int", low=1, high=900, range_origin="declared"), wider))
    found = decoded(request, ROW | {"carrier": "DL"}, ROW | {"seats": 800})
    assert found.flags == [("carrier: unseen level",), ()]
    assert found.by_version["old"].left.tolist() == [False, True]
    assert found.by_version["old"].flags == [(), ("input seats: above range",)]
    assert found.by_version["new"].left.tolist() == [False, False]
    assert found.by_version["new"].flags == [(), ()]


def test_a_null_is_no_column_left_out_and_is_refused_by_whom_it_is_refused():
    nullable = Column(name="humidity", type="float", is_nullable=True)
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY), contract(WAIT, SEATS, CARRIER, nullable))
    null, none = ROW | {"humidity": None}, dict(ROW)
    found = decoded(request, null)
    assert found.by_version["old"].left.tolist() == [False]
    assert found.by_version["new"].left.tolist() == [True]
    with pytest.raises(ContractError, match="Column 'humidity' of row 1 is missing") as refused:
        decoded(request, null, none)
    assert (refused.value.column, refused.value.row) == ("humidity", 1)


def test_what_no_version_takes_is_refused_naming_the_column():
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY))
    for row, column in (
        (ROW | {"seats": 900}, "seats"),
        (ROW | {"wait": "long"}, "wait"),
        (ROW | {"gate": "B7"}, "gate"),
        ({"seats": 1, "carrier": "AA", "humidity": 0.1}, "wait"),
    ):
        with pytest.raises(ContractError) as refused:
            decoded(request, row)
        assert refused.value.column == column


def test_a_version_that_is_no_reader_takes_no_row_alone():
    request = reads(contract(WAIT, SEATS), readers=("old",))
    less = {name: value for name, value in ROW.items() if name != "carrier"}
    with pytest.raises(ContractError, match="carrier"):
        decoded(request, less)


def test_rules_between_columns_are_each_versions_own():
    rule = Rule(name="roomy", check="seats >= wait")
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY, rules=(rule,)))
    assert told(request, ROW | {"seats": 1, "humidity": 0.5})["new"] == ([True], [("input roomy: broken",)])


def test_rows_as_objects_are_told_apart_alike():
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY))
    found = request.hold([ROW, ROW | {"humidity": float("nan")}, ROW | {"humidity": 1.0}], unit="u", request="r")
    assert (found.unit, found.id) == ("u", "r")
    assert found.by_version["new"].left.tolist() == [True, True, False]


def test_no_rows_are_refused():
    with pytest.raises(ContractError, match="holds no rows"):
        decoded(reads(contract(WAIT, SEATS)))


def test_rows_that_the_champion_takes_as_they_are_stay_plain_and_others_are_not():
    request = reads(contract(WAIT, SEATS, CARRIER, HUMIDITY))
    assert request.plain(json.dumps({"rows": [ROW]}).encode()) is not None
    assert request.plain(json.dumps({"rows": [ROW | {"humidity": 1.0}]}).encode()) is None


def test_text_that_became_a_number_cannot_stand_beside_it_and_is_named():
    number = contract(WAIT, SEATS, Column(name="carrier", type="int"))
    assert apart(OLD, number) == "Column 'carrier' is text in one contract and int in the other"
    with pytest.raises(SpecError, match=r"'carrier'.*\(old-1, new-1\).*no caller could send") as refused:
        refuse_apart(OLD, number, names=("old-1", "new-1"))
    assert "another name" in (refused.value.cure or "")
    with pytest.raises(SpecError, match="carrier"):
        merged([OLD, number])


def test_the_differences_are_said_column_by_column():
    new = contract(
        Column(name="wait", type="float", low=0.0, high=20.0, is_nullable=True),
        Column(name="seats", type="float", low=1, high=500, range_origin="declared"),
        HUMIDITY,
    )
    assert differences(OLD, new) == [
        "carrier is asked no more: a row may leave it out.",
        "humidity is new: a row without it cannot be answered by the new version, and the version before answers.",
        "seats is float and was int.",
        "wait has another range.",
        "wait may be missing.",
    ]
    assert differences(OLD, OLD) == []
    assert is_one([OLD, contract(WAIT, SEATS, CARRIER)])
    assert not is_one([OLD, new])
