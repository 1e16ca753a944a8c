"""What differs between two versions: rows by key or by content, schema, and how far each column moved."""

from __future__ import annotations

import polars as pl
import pytest

from lockgate.assess.dataset_diff import Side, diff
from lockgate.features.contract import infer
from lockgate.records import ContractSpec, DatasetDiff, DatasetRef, ModelSpec

BEFORE, AFTER = (DatasetRef(table="t", version=n, digest=str(n) * 64) for n in (0, 1))
ROWS = pl.DataFrame(
    {"id": ["a", "b", "c", "d"], "x": [1.0, 2.0, float("nan"), None], "c": ["u", "v", "u", None], "y": [0, 1, 0, 1]}
)


def between(before: pl.DataFrame, after: pl.DataFrame, keys: tuple[str, ...] = ("id",)) -> DatasetDiff:
    contract = infer("m", ModelSpec(target="y", contract=ContractSpec(keys=keys)), before)
    return diff(Side(BEFORE, before.lazy()), Side(AFTER, after.lazy()), contract)


def counts(found: DatasetDiff) -> tuple[int, int, int | None, int]:
    return found.added, found.removed, found.changed, found.same


@pytest.mark.parametrize("keys", [("id",), ()])
def test_a_version_does_not_differ_from_itself_in_another_order(keys: tuple[str, ...]) -> None:
    found = between(ROWS, ROWS[::-1], keys)
    assert counts(found) == (0, 0, 0 if keys else None, 4)
    assert all(not column.changed and not column.distance for column in found.columns)


def test_by_keys_rows_are_added_removed_and_changed() -> None:
    after = pl.concat(
        [ROWS[1:].with_columns(x=pl.Series([2.5, float("nan"), 0.0])), ROWS[:1].with_columns(id=pl.lit("e"))]
    )
    found = between(ROWS, after)
    assert counts(found) == (1, 1, 2, 1)
    assert {column.name: column.changed for column in found.columns} == {"id": 0, "x": 2, "c": 0, "y": 0}


def test_without_keys_a_changed_row_is_one_removed_and_one_added() -> None:
    rows = ROWS.drop("id")
    found = between(pl.concat([rows, rows[:1]]), rows.with_columns(y=pl.Series([0, 1, 0, 0])), ())
    assert counts(found) == (1, 2, None, 3)
    assert found.by == ()


def test_columns_gained_dropped_and_of_another_type_are_named_and_not_compared() -> None:
    after = ROWS.drop("c").with_columns(more=pl.lit(1), y=pl.col("y").cast(pl.Float64))
    found = between(ROWS, after)
    assert (found.gained, found.dropped, found.compared) == ({"more": "Int32"}, {"c": "String"}, ("id", "x"))
    assert counts(found) == (0, 0, 0, 4)
    (cast,) = [column for column in found.columns if column.types[0] != column.types[1]]
    assert (cast.name, cast.types, cast.changed, cast.distance) == ("y", ("Int64", "Float64"), None, None)


def test_what_moved_is_measured_and_what_has_no_levels_is_not() -> None:
    found = {c.name: c for c in between(ROWS, ROWS.with_columns(c=pl.lit("w"), x=pl.col("x").fill_null(9.0))).columns}
    assert found["id"].distance is None
    assert found["c"].distance == pytest.approx(1.0)
    assert found["c"].missing == (0.25, 0.0)
    assert found["x"].missing == (0.5, 0.25)
    assert found["x"].mean == (1.5, 4.0)
    assert found["y"].distance == 0.0


def test_keys_and_times_have_no_profile() -> None:
    later = pl.DataFrame({"id": ["a", "z"], "at": [0, 10**15], "y": [0, 1]})
    earlier = later.with_columns(at=pl.lit(0))
    before, after = (rows.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))) for rows in (earlier, later))
    distances = {column.name: column.distance for column in between(before, after).columns}
    assert distances == {"id": None, "at": None, "y": 0.0}
