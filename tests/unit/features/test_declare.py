"""Contracts that a person writes: a class in Python, tables in TOML; and the two beside what a table shows."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from lockgate.errors import ContractError, LeakError, SpecError
from lockgate.features.contract import check, infer
from lockgate.features.declare import Table, column, contract_from, contract_of, known, rule, target, time, unit
from lockgate.records import ColumnSpec, ContractSpec, ModelSpec, Rule, Severity


class Flights(Table):
    flight_id: str = unit(key=True)
    asked_at: datetime = time()
    landed_at: datetime = known()
    seats: int = column(low=1, high=500)
    wait: float | None = column(low=0, on_break={"range": "flag", "not_finite": "fall_back"})
    carrier: str = column(levels=("AA", "UA"), on_break="fall_back")
    plain: bool
    sepal: float = column(name="sepal length (cm)")
    late: bool = target()

    lands_after_asking = rule("landed_at >= asked_at", on_break="flag")
    fits = rule("wait < seats", name="a wait that fits")


START = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = pl.DataFrame(
    {
        "flight_id": ["a", "b", "c", "d"],
        "asked_at": [START] * 4,
        "landed_at": [START + timedelta(hours=h) for h in (1, 2, -1, 4)],
        "seats": [100, 0, 100, 100],
        "wait": [1.0, 2.0, -1.0, 200.0],
        "carrier": ["AA", "UA", "ZZ", "AA"],
        "plain": [True] * 4,
        "sepal length (cm)": [1.0] * 4,
        "late": [True, False, True, False],
    },
    schema_overrides={"asked_at": pl.Datetime("us", "UTC"), "landed_at": pl.Datetime("us", "UTC")},
)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> str:
    module = ModuleType("declared_flights")
    module.Flights = Flights  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "declared_flights", module)
    return "declared_flights:Flights"


def test_a_class_is_a_contract_without_a_table() -> None:
    contract = contract_of(Flights)
    assert (contract.model, contract.target, contract.unit) == ("Flights", "late", "flight_id")
    assert (contract.time, contract.known, contract.keys) == ("asked_at", "landed_at", ("flight_id",))
    assert [c.name for c in contract.asked if c.name.startswith("sepal")] == ["sepal length (cm)"]
    assert [c.name for c in contract.columns if not c.is_known_before] == ["landed_at", "late"]
    assert [r.name for r in contract.rules] == ["lands_after_asking", "a wait that fits"]
    wait = contract.column("wait")
    assert wait is not None
    assert (wait.is_nullable, wait.low, wait.range_origin) == (True, 0, "declared")


def test_a_rows_breaks_are_what_the_class_says_they_do() -> None:
    found = check(TABLE, contract_of(Flights))
    assert found.counts == {"seats: below range": 1, "a wait that fits: broken": 2}
    assert found.quarantined["broken_rule"].to_list() == [
        "seats: below range; a wait that fits: broken",
        "a wait that fits: broken",
    ]
    assert found.flagged == {"wait: below range": 1, "carrier: unseen level": 1, "lands_after_asking: broken": 1}


def test_the_config_takes_a_class_and_says_more_beside_it(importable: str) -> None:
    spec = ContractSpec(
        schema_from=importable,
        columns={"seats": ColumnSpec(low=-1), "carrier": ColumnSpec(on_break="refuse")},
        rules=(Rule(name="fits", check="seats >= 0"),),
    )
    contract = infer("m", ModelSpec(target="late", unit="flight_id", time="asked_at", contract=spec), TABLE)
    seats, carrier = contract.column("seats"), contract.column("carrier")
    assert seats is not None
    assert carrier is not None
    assert (seats.low, seats.high, seats.range_origin) == (-1, 500, "declared")
    assert (carrier.levels, carrier.does("levels")) == (("AA", "UA"), "refuse")
    assert [r.name for r in contract.rules] == ["lands_after_asking", "a wait that fits", "fits"]
    assert contract.known == "landed_at"


def test_a_column_of_the_table_has_what_the_config_says_of_it() -> None:
    said = {
        "seats": ColumnSpec(high=150, on_break=Severity(range="flag", missing="fall_back")),
        "wait": ColumnSpec(nullable=True),
        "landed_at": ColumnSpec(known_after=True),
    }
    contract = infer("m", ModelSpec(target="late", time="asked_at", contract=ContractSpec(columns=said)), TABLE)
    seats, wait, landed = (contract.column(name) for name in said)
    assert seats is not None
    assert wait is not None
    assert landed is not None
    assert (seats.low, seats.high, seats.does("range"), seats.does("missing")) == (None, 150, "flag", "fall_back")
    assert wait.is_nullable
    assert not landed.is_known_before


def test_a_time_after_the_question_is_named_until_somebody_says_that_it_is_known() -> None:
    spec = ModelSpec(target="late", unit="flight_id", time="asked_at")
    with pytest.raises(LeakError, match=r"'landed_at' lies after the question's time 'asked_at' in 75%.*known_after"):
        infer("m", spec, TABLE)
    timetable = ContractSpec(columns={"landed_at": ColumnSpec(known_after=False)})
    contract = infer("m", ModelSpec(target="late", time="asked_at", contract=timetable), TABLE)
    assert "landed_at" in [column.name for column in contract.asked]


def test_a_declared_type_is_no_cast() -> None:
    spec = ModelSpec(target="late", contract=ContractSpec(columns={"seats": ColumnSpec(type="float")}))
    with pytest.raises(ContractError, match=r"'seats' is int .* declared as float.*not cast silently"):
        infer("m", spec, TABLE)
    spec = ModelSpec(target="late", contract=ContractSpec(columns={"seats": ColumnSpec(levels=("a",))}))
    with pytest.raises(ContractError, match=r"'seats' is int, and what is declared of it is for text"):
        infer("m", spec, TABLE)


def test_a_rule_with_a_column_that_is_not_there_is_named() -> None:
    spec = ModelSpec(target="late", contract=ContractSpec(rules=(Rule(name="r", check="seat > 0"),)))
    with pytest.raises(SpecError, match=r"The rule 'r', 'seat > 0', character 1: .*Did you mean 'seats'"):
        infer("m", spec, TABLE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"low": 2, "high": 1}, "No number lies between 2 and 1"),
        ({"low": float("nan")}, "NaN bounds nothing"),
        ({"low": 1, "levels": ("a",)}, "Levels are of text"),
        ({"type": "int", "levels": ("a",)}, "Levels are of text"),
        ({"type": "time", "high": 3}, "A column of type time has no range"),
    ],
)
def test_what_cannot_be_of_one_column_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ColumnSpec(**given)


def test_a_class_that_cannot_be_a_contract_is_refused_where_it_is_written() -> None:
    with pytest.raises(SpecError, match=r"NoType.seats has no type"):
        type("NoType", (Table,), {"seats": column(low=1)})
    with pytest.raises(SpecError, match=r"Odd.seats has type .*list.* which no contract knows"):
        type("Odd", (Table,), {"__annotations__": {"seats": list[int]}})
    with pytest.raises(SpecError, match=r"Strange.seats is 3, which says nothing of a column"):
        type("Strange", (Table,), {"__annotations__": {"seats": int}, "seats": 3})
    with pytest.raises(SpecError, match=r"two columns for target: 'y' and 'z'"):
        type("Two", (Table,), {"__annotations__": {"y": int, "z": int}, "y": target(), "z": target()})
    with pytest.raises(SpecError, match=r"no kind of rule 'rang'.*Did you mean 'range'"):
        column(on_break={"rang": "flag"})
    with pytest.raises(SpecError, match=r"Empty has no target"):
        contract_of(type("Empty", (Table,), {"__annotations__": {"y": int}}))
    with pytest.raises(SpecError, match="Nothing says what type column 'x' has"):
        contract_from(ContractSpec(columns={"x": ColumnSpec()}), model="m", target="x")
