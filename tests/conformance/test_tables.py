"""What every store of tables does: versions that stay, refs that hold, and rows that go only when they may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from lockgate.errors import NotFound, StoreError
from lockgate.records import DatasetRef
from lockgate.store.delta import DeltaTables
from lockgate.store.memory_tables import MemoryTables
from lockgate.store.ports import Cleaned, Tables

ADAPTERS: dict[str, Callable[[Path], Tables]] = {"memory": lambda _: MemoryTables(), "delta": DeltaTables}


@pytest.fixture(params=sorted(ADAPTERS))
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Tables:
    return ADAPTERS[request.param](tmp_path)


def rows(start: int, count: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"x": range(start, start + count), "name": [None, *(f"n{i}" for i in range(1, count))]})


def test_each_version_reads_as_it_was_written_in_its_order(tables: Tables) -> None:
    backwards = rows(0)[::-1]
    refs = [tables.write("t", backwards), tables.write("t", rows(10)), tables.write("t", pl.DataFrame({"y": [0.5]}))]
    assert len({ref.version for ref in refs}) == len({ref.digest for ref in refs}) == 3
    assert tables.read(refs[0]).equals(backwards)
    assert tables.read(refs[1]).equals(rows(10))
    assert tables.scan(refs[1]).select("x").collect()["x"].to_list() == [10, 11, 12]
    assert dict(tables.schema(refs[2])) == {"y": pl.Float64()}


def test_one_table_has_one_id_for_life_and_no_other_table_has_it(tables: Tables) -> None:
    first, second, other = tables.write("t", rows(0)), tables.write("t", rows(1)), tables.write("u", rows(0))
    assert first.table_id == second.table_id != other.table_id
    assert first.table_id


@pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"table_id": "another"}, {"version": 7}])
def test_a_ref_that_does_not_fit_is_refused(tables: Tables, change: dict[str, object]) -> None:
    ref = msgspec.structs.replace(tables.write("t", rows(0)), **change)
    assert not tables.is_kept(ref)
    with pytest.raises(StoreError, match="table 't'"):
        tables.read(ref)


def test_an_unknown_table_is_not_found(tables: Tables) -> None:
    ref = DatasetRef(table="late", version=0, digest="0" * 64)
    assert not tables.is_kept(ref)
    with pytest.raises(NotFound, match="no table 'late'"):
        tables.read(ref)


def test_cleaning_takes_all_but_the_newest_and_the_kept(tables: Tables) -> None:
    refs = [tables.write("t", rows(start)) for start in range(6)]
    foretold = tables.clean("t", [refs[1], refs[3]], dry_run=True)
    assert foretold.files == 3
    assert foretold.size_bytes > 0
    assert all(tables.is_kept(ref) for ref in refs), "a dry run deletes nothing"
    assert tables.clean("t", [refs[1], refs[3]], dry_run=False) == foretold
    assert [tables.is_kept(ref) for ref in refs] == [False, True, False, True, False, True]
    for start in (1, 3, 5):
        assert tables.read(refs[start]).equals(rows(start))
    with pytest.raises(NotFound, match="cleaned away"):
        tables.read(refs[0])
    assert tables.clean("t", [refs[1], refs[3]], dry_run=False).files == 0
    assert tables.read(tables.write("t", rows(9))).equals(rows(9))


def test_a_ref_to_keep_that_is_not_there_stops_the_cleaning(tables: Tables) -> None:
    refs = [tables.write("t", rows(start)) for start in range(3)]
    with pytest.raises(StoreError):
        tables.clean("t", [msgspec.structs.replace(refs[0], digest="0" * 64)], dry_run=False)
    assert all(tables.is_kept(ref) for ref in refs)
    assert tables.clean("nothing", [], dry_run=False) == Cleaned()
