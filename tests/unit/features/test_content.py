"""The order of rows, what counts as the same row, and the digest of what a table holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from lockgate.features import content
from lockgate.features.content import arranged, digest, marks, once, settled
from lockgate.features.contract import Checked, check, infer
from lockgate.records import Contract, ContractSpec, ModelSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def table(*rows: tuple[str, int, int | None, int], **more: Any) -> pl.DataFrame:
    """Rows as (id, hour asked, hour known, y)."""
    ids, asked, known, y = zip(*rows, strict=True)
    hours = [[None if h is None else NOW + timedelta(hours=h) for h in column] for column in (asked, known)]
    zoned = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {"id": ids, "at": hours[0], "known": hours[1], "y": y, **more}, schema_overrides={"at": zoned, "known": zoned}
    )


def contract(
    rows: pl.DataFrame, *, time: str | None = "at", known: str | None = "known", keys: tuple[str, ...] = ("id",)
) -> Contract:
    spec = ContractSpec(keys=keys, known=known, known_after=() if known else ("known",))
    return infer("m", ModelSpec(target="y", time=time, contract=spec), rows)


def held(rows: pl.DataFrame, terms: Contract) -> Checked:
    return settled(check(once(arranged(rows, terms), terms).table, terms), terms)


def test_rows_stand_by_time_then_keys() -> None:
    rows = table(("b", 1, 2, 0), ("a", 1, 2, 1), ("c", 0, 2, 0))
    assert arranged(rows, contract(rows))["id"].to_list() == ["c", "a", "b"]


def test_a_table_with_neither_time_nor_keys_keeps_the_order_it_came_in() -> None:
    rows = table(("b", 1, 2, 0), ("a", 1, 2, 1), ("c", 0, 2, 0))
    assert arranged(rows, contract(rows, time=None, keys=())).equals(rows)


def test_a_row_that_came_before_in_every_value_is_left_out_and_counted() -> None:
    rows = table(("a", 0, None, 1), ("b", 1, 2, 0), ("a", 0, None, 1), ("a", 0, None, 1))
    terms = contract(rows)
    found = once(arranged(rows, terms), terms)
    assert (found.table["id"].to_list(), found.repeated) == (["a", "b"], 2)


def test_without_keys_two_equal_rows_are_two_rows() -> None:
    rows = table(("a", 0, 1, 1), ("a", 0, 1, 1))
    terms = contract(rows, keys=())
    assert once(arranged(rows, terms), terms).repeated == 0
    assert held(rows, terms).kept.height == 2


def test_of_one_key_the_row_asked_first_is_kept() -> None:
    rows = table(("a", 5, 9, 1), ("a", 1, 9, 0), ("b", 0, 1, 1))
    found = held(rows, contract(rows))
    assert found.kept["y"].to_list() == [1, 0]
    assert found.counts == {"id: duplicate key": 1}
    assert found.quarantined["y"].to_list() == [1]


def test_of_rows_asked_at_once_the_one_known_last_is_the_correction() -> None:
    rows = table(("a", 1, 3, 0), ("a", 1, 8, 1), ("a", 1, None, 0), ("b", 0, 1, 1))
    found = held(rows, contract(rows))
    assert found.kept.select("id", "y").rows() == [("b", 1), ("a", 1)]
    assert found.counts == {"id: duplicate key": 2}


def test_where_nothing_tells_which_row_is_right_none_is_kept() -> None:
    rows = table(("a", 1, 3, 0), ("a", 1, 3, 1), ("b", 0, 1, 1), ("c", 4, 5, 0), ("c", 6, 7, 1))
    found = held(rows, contract(rows))
    assert found.kept["id"].to_list() == ["b", "c"]
    assert found.counts == {"id: duplicate key": 1, "id: conflicting rows": 2}
    said = dict(found.quarantined.group_by("id").agg("broken_rule").rows())
    assert said == {"a": ["id: conflicting rows"] * 2, "c": ["id: duplicate key"]}


def test_a_broken_row_is_in_conflict_with_nobody() -> None:
    rows = table(("a", 1, 3, 0), ("a", 1, 3, 1), seats=[1.0, float("inf")])
    found = held(rows, contract(rows))
    assert found.kept["y"].to_list() == [0]
    assert found.counts == {"seats: not finite": 1}


ROWS = pl.DataFrame({"n": [3, 1, None], "x": [0.5, float("nan"), None], "t": ["ü", "", None], "b": [True, None, False]})


def test_the_digest_knows_neither_the_order_of_rows_nor_of_columns() -> None:
    assert digest(ROWS) == digest(ROWS[[2, 0, 1]]) == digest(ROWS.select(reversed(ROWS.columns)))


@pytest.mark.parametrize(
    "other",
    [
        ROWS[:2],
        pl.concat([ROWS, ROWS[:1]]),
        ROWS.rename({"t": "u"}),
        ROWS.with_columns(pl.col("n").cast(pl.Int32)),
        ROWS.with_columns(pl.col("x").fill_nan(None)),
        ROWS.with_columns(pl.col("t").fill_null("")),
        ROWS.with_columns(pl.col("n").fill_null(0)),
        ROWS.with_columns(pl.col("b").fill_null(value=False)),
        ROWS.with_columns(t=pl.Series(["", "ü", None])),
        ROWS.with_columns(t=pl.Series(["ü", None, ""])),
    ],
)
def test_whatever_else_differs_changes_the_digest(other: pl.DataFrame) -> None:
    assert digest(other) != digest(ROWS)


def test_text_that_joins_alike_is_told_apart() -> None:
    assert digest(pl.DataFrame({"t": ["ab", "c"]})) != digest(pl.DataFrame({"t": ["a", "bc"]}))


def test_minus_nought_is_nought_and_nan_is_nan() -> None:
    one = pl.DataFrame({"x": [-0.0, float("nan")]})
    other = pl.DataFrame({"x": [0.0, -float("nan")]})
    assert digest(one) == digest(other)


def test_the_digest_stays_what_it_was() -> None:
    """A record keeps it for years: another value here means that no stored dataset is known again."""
    rows = ROWS.with_columns(at=pl.lit(NOW).cast(pl.Datetime("us", "UTC")))
    assert digest(rows) == "33b3e4185002770e2d807fec59e5d3ef105dc4391b3fd2249bfb8a25d7698238"


def test_a_long_column_is_hashed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pl.DataFrame({"n": range(1000), "t": [f"r{n}" for n in range(1000)]})
    whole = digest(rows)
    monkeypatch.setattr(content, "AT_ONCE", 64)
    assert digest(rows.sample(fraction=1, shuffle=True, seed=1)) == digest(rows)
    assert digest(rows) != whole, "the size of a part belongs to the definition"


def test_marks_are_the_row_s_own_wherever_it_stands() -> None:
    one = ROWS.select(marks(ROWS.columns)).rows()
    turned = ROWS[::-1].lazy().select(marks(ROWS.columns)).collect().rows()
    assert one == turned[::-1]
    assert len({*one}) == 3
