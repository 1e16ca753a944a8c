"""Contracts over tables: inferred as seen, checked exactly, leaks refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from lockgate.errors import ContractError, LeakError
from lockgate.features.contract import check, infer, refuse_leaks
from lockgate.records import Contract, ContractSpec, ModelSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "asked": [START] * 4,
        "seats": [100, 150, 200, 120],
        "wait": [1.5, None, 3.0, 9.0],
        "carrier": ["UA", "AA", None, "UA"],
        "is_hub": [True, False, True, True],
        "dep_delay": [1.0, 2.0, 3.0, 4.0],
        "late": [0, 1, 0, 1],
    },
    schema_overrides={"asked": pl.Datetime("us", "UTC")},
)
SPEC = ModelSpec(
    target="late",
    unit="id",
    time="asked",
    contract=ContractSpec(known_after=("dep_delay",), keys=("id",), ranges={"seats": (1, 500)}),
)
CONTRACT = infer("m", SPEC, TABLE)


def with_column(name: str, values: list[Any], dtype: Any = None) -> pl.DataFrame:
    return TABLE.with_columns(pl.Series(name, values, dtype=dtype))


def named(contract: Contract, name: str) -> Any:
    found = contract.column(name)
    assert found is not None
    return found


def test_types_nulls_levels_and_ranges_are_as_seen() -> None:
    assert [c.type for c in CONTRACT.columns] == ["text", "time", "int", "float", "text", "bool", "float", "int"]
    assert (named(CONTRACT, "wait").low, named(CONTRACT, "wait").high) == (1.5, 9.0)
    assert named(CONTRACT, "wait").is_nullable
    assert not named(CONTRACT, "is_hub").is_nullable
    assert named(CONTRACT, "carrier").levels == ("AA", "UA")


def test_a_persons_range_is_kept_as_declared_and_an_identifier_has_neither_range_nor_levels() -> None:
    seats = named(CONTRACT, "seats")
    assert (seats.low, seats.high, seats.range_origin) == (1, 500, "declared")
    assert named(CONTRACT, "wait").range_origin == "inferred"
    assert named(CONTRACT, "id").levels is None


def test_what_is_known_only_after_is_not_asked_for() -> None:
    assert [c.name for c in CONTRACT.asked] == ["id", "asked", "seats", "wait", "carrier", "is_hub"]


def test_a_declared_nullable_column_may_be_missing_although_it_never_was() -> None:
    spec = ModelSpec(target="late", contract=ContractSpec(nullable=("is_hub",)))
    assert named(infer("m", spec, TABLE), "is_hub").is_nullable


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(target="lat"),
        ModelSpec(target="late", unit="lat"),
        ModelSpec(target="late", contract=ContractSpec(keys=("lat",))),
        ModelSpec(target="late", contract=ContractSpec(known_after=("lat",))),
        ModelSpec(target="late", contract=ContractSpec(ranges={"lat": (0, 1)})),
    ],
)
def test_a_column_that_only_the_config_knows_is_named_with_the_nearest(spec: ModelSpec) -> None:
    with pytest.raises(ContractError, match=r"no column 'lat'.*Did you mean 'late'") as caught:
        infer("m", spec, TABLE)
    assert caught.value.column == "lat"


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("us", "Europe/Paris"), pl.List(pl.Int64)])
def test_a_type_no_contract_knows_is_refused_by_name(dtype: Any) -> None:
    with pytest.raises(ContractError, match=r"'odd' has type .* which no contract knows"):
        infer("m", SPEC, TABLE.with_columns(pl.lit(None).cast(dtype).alias("odd")))


def test_the_table_it_was_inferred_from_keeps_its_contract() -> None:
    found = check(TABLE, CONTRACT)
    assert found.kept.equals(TABLE)
    assert found.quarantined.height == 0
    assert found.counts == {}


def test_a_missing_column_is_named_with_what_is_there() -> None:
    with pytest.raises(ContractError, match=r"no column 'seats'.*Add it as int; .*wait") as caught:
        check(TABLE.drop("seats"), CONTRACT)
    assert caught.value.column == "seats"


def test_an_extra_column_is_named() -> None:
    with pytest.raises(ContractError, match="'colour' is not in the contract of m") as caught:
        check(TABLE.with_columns(pl.lit("red").alias("colour")), CONTRACT)
    assert caught.value.column == "colour"


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("seats", [1.7, 2.0, 3.0, 4.0], "float"),
        ("seats", ["1", "2", "3", "4"], "text"),
        ("wait", [1, 2, 3, 4], "int"),
        ("is_hub", [0, 1, 0, 1], "int"),
    ],
)
def test_a_wrong_type_is_refused_and_never_cast(name: str, values: list[Any], found: str) -> None:
    with pytest.raises(ContractError, match=rf"'{name}' is {found} .* does not cast silently") as caught:
        check(with_column(name, values), CONTRACT)
    assert caught.value.column == name


def test_a_narrower_number_of_the_same_kind_is_no_other_type() -> None:
    assert check(with_column("seats", [1, 2, 3, 4], pl.Int8), CONTRACT).kept.height == 4


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("seats", [100, 0, 501, None], {"seats: below range": 1, "seats: above range": 1, "seats: missing": 1}),
        ("wait", [1.0, float("inf"), 2.0, float("-inf")], {"wait: not finite": 2}),
        ("is_hub", [True, None, True, True], {"is_hub: missing": 1}),
        ("id", ["a", "b", "a", "a"], {"id: duplicate key": 2}),
    ],
)
def test_rows_that_break_a_rule_are_set_aside_with_it(name: str, values: list[Any], rule: dict[str, int]) -> None:
    found = check(with_column(name, values), CONTRACT)
    assert found.counts == rule
    assert found.kept.height == 4 - sum(rule.values())
    assert "broken_rule" not in found.kept.columns
    assert set(found.quarantined["broken_rule"]) == set(rule)


def test_what_only_leaves_an_inferred_range_or_the_known_levels_is_kept() -> None:
    """The world may go where the training table never was; requests are flagged for it."""
    odd = with_column("wait", [-5.0, 1e6, None, 2.0]).with_columns(pl.Series("carrier", ["ZZ", None, "UA", "UA"]))
    assert check(odd, CONTRACT).kept.height == 4


def test_the_first_of_a_repeated_key_is_kept() -> None:
    found = check(with_column("id", ["a", "b", "a", "c"]), CONTRACT)
    assert found.kept["seats"].to_list() == [100, 150, 120]


def test_a_broken_row_does_not_push_out_the_good_one_sent_in_its_place() -> None:
    table = with_column("id", ["a", "a", "c", "d"]).with_columns(pl.Series("seats", [-1, 150, 200, 120]))
    found = check(table, CONTRACT)
    assert found.kept["seats"].to_list() == [150, 200, 120]
    assert found.counts == {"seats: below range": 1}


def test_a_leak_is_refused_with_a_sentence_that_says_why() -> None:
    with pytest.raises(LeakError) as caught:
        refuse_leaks(CONTRACT, ["seats", "dep_delay"])
    assert caught.value.column == "dep_delay"
    assert str(caught.value).startswith(
        "'dep_delay' cannot be a feature of m: it is known only after the question at 'asked' is asked"
    )


def test_the_target_is_a_leak_and_a_typo_is_no_column() -> None:
    with pytest.raises(LeakError):
        refuse_leaks(CONTRACT, ["late"])
    with pytest.raises(ContractError, match="Did you mean 'seats'"):
        refuse_leaks(CONTRACT, ["seat"])
    refuse_leaks(CONTRACT, ["seats", "wait"])
