"""Row expressions: what may be written, what unknown means, and hostile text refused by its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lockgate.errors import SpecError
from lockgate.features.expression import LONGEST, condition, names, parse, refuse_unreadable
from lockgate.features.one_row import to_function
from lockgate.records.contract import ColumnType

TYPES: dict[str, ColumnType] = {
    "seats": "int",
    "distance": "float",
    "carrier": "text",
    "is_hub": "bool",
    "asked_at": "time",
    "arrives_at": "time",
    "sepal length (cm)": "float",
}
ROW = {
    "seats": 100,
    "distance": 250.0,
    "carrier": "AA",
    "is_hub": True,
    "asked_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
    "arrives_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
    "sepal length (cm)": None,
}


def value(text: str, **changes: Any) -> Any:
    return to_function(parse(text, TYPES), {name: f"row[{name!r}]" for name in TYPES})(ROW | changes)


@pytest.mark.parametrize(
    "text",
    [
        "arrives_at >= asked_at",
        "seats > 0 and distance < 5000",
        "(seats > 0) & ~(distance > 5000)",
        'is_null(col("sepal length (cm)")) or seats <= 1',
        'carrier in ("AA", "UA")',
        'carrier not in ["ZZ"]',
        "0 < seats <= 100",
        "arrives_at - asked_at == 7200",
        'asked_at < "2026-01-01T12:00:00+01:00" or is_hub',
        "-seats + 2 * distance / 5 == 0",
        "abs(0 - seats) == seats\n and is_hub != False",
        "is_not_null(carrier)",
    ],
)
def test_what_polars_and_python_write_is_read(text: str) -> None:
    assert value(text) is True


@pytest.mark.parametrize(
    "text", ["seats > distance", "seats != 1", "seats + 1 > 0", "seats in (100,)", "not (seats > 0)"]
)
def test_a_null_compared_with_anything_is_unknown(text: str) -> None:
    assert value(text, seats=None) is None
    assert value(text, seats=float("nan")) is None


def test_the_unknown_settles_nothing_and_is_settled_by_the_other_side() -> None:
    assert value("seats > 0 and is_hub", seats=None) is None
    assert value("seats > 0 and is_hub", seats=None, is_hub=False) is False
    assert value("seats > 0 or is_hub", seats=None) is True


def test_what_is_divided_by_zero_has_no_value() -> None:
    assert value("1 / seats", seats=0) is None
    assert value("distance - distance", distance=float("inf")) is None


def test_the_columns_of_a_tree_are_named_once_in_order() -> None:
    assert names(parse("seats > 0 and (distance < seats or carrier == 'AA')", TYPES)) == (
        "seats",
        "distance",
        "carrier",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('true')", r"character 1: system\(\.\.\.\) is no function"),
        ("seats.__class__ == 1", r"character 1: a dot has no place"),
        ("(lambda: 1)() > 0", r"a call of this kind"),
        ("[x for x in (1, 2)] == 1", r"ListComp has no place"),
        ("carrier[0] == 'A'", r"a bracket has no place"),
        ("f'{seats}' == '1'", r"an f-string has no place"),
        ("(seats := 1) > 0", r"NamedExpr has no place"),
        ("seats if is_hub else 1", r"IfExp has no place"),
        ("open('x') == 1", r"open\(\.\.\.\) is no function"),
        ("eval(seats) > 0", r"eval\(\.\.\.\) is no function"),
        ("seats // 9 > 0", r"FloorDiv is no operation"),
        ("carrier.format(seats) == 'AA'", r"format\(\.\.\.\) is no function"),
        ("seats.dt", r"a dot has no place"),
        ("pl.seats > 0", r"a dot has no place"),
        ("seats > 1e999", r"this is no number"),
        ("seats > 10000" + "0" * 400, r"this is no number"),
        ("seats == None", r"Write is_null"),
        ("seats is None", r"`is` compares no values"),
        ("abs(seats, 2) > 0", r"takes one thing"),
        ("is_null(*carrier)", r"takes its things one by one"),
        ("col(seats) > 0", r"takes a column's name in quotes"),
        ("seats >", r"cannot be read at its end: invalid syntax"),
        ("seats > > 1", r"cannot be read at character 9"),
        ("\x00", r"cannot be read"),
        ("(" * 500 + "seats" + ")" * 500, r"cannot be read"),
        ("not " * 300 + "is_hub", r"brackets lie too deep"),
    ],
)
def test_hostile_text_is_refused_by_its_place(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(text, TYPES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("setas > 0", r"character 1: There is no column 'setas'.*Did you mean 'seats'"),
        ("seats > 0 and distanc < 1", r"character 15: .*Did you mean 'distance'"),
        ("__class__ == 1", r"no column '__class__'"),
        ("seats > 'AA'", r"seats \(a number\) cannot be compared with text"),
        ("carrier == 3", r"carrier \(text\) cannot be compared with a number"),
        ("carrier in (1, 2)", r"carrier \(text\) cannot be compared with a number"),
        ("is_hub == 1", r"is_hub \(true or false\) cannot be compared with a number.*not before it"),
        ("asked_at > 0", r"asked_at \(a time\) cannot be compared with a number"),
        ("asked_at > 'yesterday'", r"'yesterday' is no time"),
        ("asked_at > '2026-01-01'", r"says no offset"),
        ("carrier < 'B'", r"carrier \(text\) has no order"),
        ("carrier + 1 > 0", r"carrier \(text\) \+ a number means nothing"),
        ("asked_at + arrives_at > 0", r"means nothing"),
        ("seats and is_hub", r"a condition is needed here"),
        ("seats > 0 & distance > 0", r"& and \| join conditions.*brackets"),
        ("seats in distance", r"wants its values written out"),
        ("seats in (distance, 1)", r"wants values, not columns"),
    ],
)
def test_a_mistake_is_refused_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(text, TYPES, place="The rule 'r'")


def test_a_rule_is_true_or_false_and_reads_a_column() -> None:
    with pytest.raises(SpecError, match=r"is a number, and a rule is true or false"):
        condition("1 + 1", TYPES)
    with pytest.raises(SpecError, match=r"reads no column"):
        condition("1 > 0", TYPES)


def test_a_text_too_long_is_refused() -> None:
    with pytest.raises(SpecError, match="characters long"):
        parse("seats > 0 or " * LONGEST + "is_hub", TYPES)


def test_what_could_be_no_expression_over_any_column_is_refused_without_columns() -> None:
    refuse_unreadable("anything > 1 and is_null(more)")
    for text in ("x.y > 1", "f(x)", "x >", "[y for y in x]"):
        with pytest.raises(SpecError):
            refuse_unreadable(text)
