"""A contract from a table nobody has described: bad tables get a sentence and the cure, empty columns are kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from lockgate.errors import ContractError
from lockgate.features.contract import check, infer, to_columns
from lockgate.features.infer import future_columns, infer_for, notes, prepared
from lockgate.records import ColumnSpec, ContractSpec, ModelSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = pl.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})


def test_a_column_without_any_value_is_kept_and_named() -> None:
    table = TABLE.with_columns(pl.lit(None).alias("empty"), pl.lit(None, dtype=pl.String).alias("words"))
    contract = infer_for("y", table)
    empty, words = contract.column("empty"), contract.column("words")
    assert empty is not None
    assert words is not None
    assert (empty.type, empty.is_nullable, empty.low) == ("float", True, None)
    assert (words.type, words.levels) == ("text", None)
    said = "\n".join(notes(table, contract))
    assert "'empty' has no value at all: kept as float, null allowed" in said
    assert "Only 3 rows" in said
    kept = check(table, contract).kept
    assert kept.schema["empty"] == pl.Float64
    assert to_columns(kept, contract.columns)["empty"].shape == (3,)


def test_an_empty_column_fits_whatever_the_contract_says_where_null_is_allowed() -> None:
    contract = infer("m", ModelSpec(target="y", contract=ContractSpec(nullable=("t",))), TABLE.with_columns(t=NOW))
    later = check(TABLE.with_columns(pl.lit(None).alias("t")), contract)
    assert later.kept.height == 3
    assert later.kept.schema["t"] == pl.Datetime("us", "UTC")
    strict = check(TABLE.with_columns(pl.lit(None).alias("x")), infer_for("y", TABLE))
    assert strict.counts == {"x: missing": 3}


def test_an_empty_column_has_the_type_a_person_gives_it() -> None:
    said = ContractSpec(columns={"empty": ColumnSpec(type="time")})
    table = TABLE.with_columns(pl.lit(None).alias("empty"))
    contract = infer("m", ModelSpec(target="y", contract=said), table)
    assert [c.type for c in contract.columns] == ["float", "int", "time"]
    assert check(table, contract).kept.height == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [([1, 1, 1], "only one value, 1 in 3 rows"), ([None, None, None], "no value at all in 3 rows")],
)
def test_a_target_that_tells_nothing_apart_is_refused(values: list[Any], said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        infer_for("y", TABLE.with_columns(pl.Series("y", values)))
    assert caught.value.column == "y"


def test_a_target_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ContractError, match=r"no column 'yy'.*Did you mean 'y'"):
        infer_for("yy", TABLE)


@pytest.mark.parametrize(
    ("values", "dtype", "cure"),
    [
        ([date(2026, 1, 1)] * 3, pl.Date, r"cast\(pl.Datetime"),
        ([NOW.replace(tzinfo=None)] * 3, pl.Datetime("us"), r"replace_time_zone"),
        ([timedelta(1)] * 3, pl.Duration, r"total_microseconds"),
        ([Decimal("1.5")] * 3, pl.Decimal(10, 2), r"cast\(pl.Float64\)"),
        ([[1], [2], [3]], pl.List(pl.Int64), r"a column of its own"),
        ([{"a": 1}] * 3, pl.Struct({"a": pl.Int64}), r"unnest"),
        ([b"x"] * 3, pl.Binary, r"Cast it to a number"),
    ],
)
def test_a_type_no_contract_knows_is_refused_with_the_cast_to_write(values: list[Any], dtype: Any, cure: str) -> None:
    table = TABLE.with_columns(pl.Series("odd", values, dtype=dtype))
    with pytest.raises(ContractError, match=rf"'odd' has type .* which no contract knows.*{cure}"):
        infer_for("y", table)


def test_what_has_one_reading_is_prepared_and_said() -> None:
    table = TABLE.with_columns(
        pl.Series("naive", [NOW.replace(tzinfo=None)] * 3, dtype=pl.Datetime("ms")),
        pl.Series("paris", [NOW] * 3, dtype=pl.Datetime("us", "Europe/Paris")),
        pl.Series("day", [date(2026, 1, 1)] * 3),
        pl.Series("took", [timedelta(seconds=1.5)] * 3),
        pl.Series("price", [Decimal("1.25")] * 3),
    )
    found, said = prepared(table)
    assert found.row(0)[2:] == (NOW, NOW, NOW, 1.5, 1.25)
    assert [c.type for c in infer_for("y", found).columns][2:] == ["time", "time", "time", "float", "float"]
    assert len(said) == 5
    assert said[0] == "Column 'naive' says no time zone: taken as UTC."


def test_a_table_that_needs_nothing_is_left_as_it_is() -> None:
    assert prepared(TABLE) == (TABLE, ())


def test_times_after_the_question_are_named_with_their_share_and_taken_as_known_later() -> None:
    hours = [timedelta(hours=h) for h in range(3)]
    table = TABLE.with_columns(
        pl.Series("asked", [NOW] * 3),
        pl.Series("landed", [NOW + h for h in hours]),
        pl.Series("born", [NOW - h for h in hours]),
    )
    assert future_columns(table, "asked") == {"landed": pytest.approx(2 / 3)}
    contract = infer_for("y", table, time="asked")
    assert [c.name for c in contract.columns if not c.is_known_before] == ["y", "landed"]
    assert future_columns(table, "x") == {}


def test_five_rows_make_a_contract_and_a_note() -> None:
    table = pl.DataFrame({"x": [1, 2, 3, 4, 5], "y": ["a", "b", "a", "b", "a"]})
    contract = infer_for("y", table)
    assert check(table, contract).kept.height == 5
    assert notes(table, contract)[0].startswith("Only 5 rows")


def test_duplicate_units_are_worth_a_note_and_duplicate_keys_a_quarantine() -> None:
    table = pl.DataFrame({"u": ["a", "a", "b"], "y": [0, 1, 0]})
    assert any("comes more than once" in note for note in notes(table, infer_for("y", table, unit="u")))
    keyed = infer("m", ModelSpec(target="y", contract=ContractSpec(keys=("u",))), table)
    found = check(table, keyed)
    assert found.counts == {"u: duplicate key": 1}
    assert found.quarantined["y"].to_list() == [1]


def test_nan_is_missing_where_nothing_may_be_missing() -> None:
    contract = infer_for("y", TABLE)
    found = check(TABLE.with_columns(x=pl.Series([float("nan"), 2.0, 9.0])), contract)
    assert found.counts == {"x: missing": 1}
    assert found.flagged == {"x: above range": 1}
    assert infer_for("y", TABLE.with_columns(x=pl.Series([float("nan"), 2.0, 3.0]))).columns[0].is_nullable
