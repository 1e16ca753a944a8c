"""Segments on a disk that refuses or was damaged, and tables that are those referred to."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from lockgate.errors import NotFound, StoreError
from lockgate.records import DatasetRef, Outcome
from lockgate.store.delta import DeltaTables
from lockgate.store.keys import CHAINED, REPLACED
from lockgate.store.ports import Kept
from lockgate.store.segments import SegmentLog


def outcome(number: int) -> Outcome:
    return Outcome(id=f"p{number}", model="m", value=1, at_s=number, received_s=number)


def test_a_disk_that_refuses_is_named_and_the_entries_may_be_appended_again(tmp_path: Path) -> None:
    in_the_way = tmp_path / "log"
    in_the_way.write_text("no folder")
    log = SegmentLog(in_the_way)
    writer = log.writer()
    with pytest.raises(StoreError, match=r"prediction log in .* cannot be written"):
        writer.append([outcome(1)])
    in_the_way.unlink()
    writer.append([outcome(1)])
    assert log.read()[0] == [outcome(1)]
    writer.close()


def test_a_new_writer_never_writes_behind_a_torn_frame(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    first = log.writer()
    first.append([outcome(1)])
    first.append([outcome(2)])
    first.close()
    (segment,) = tmp_path.glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-3])
    second = log.writer()
    second.append([outcome(3)])
    second.close()
    assert len(list(tmp_path.glob("*.seg"))) == 2
    assert log.read()[0] == [outcome(1), outcome(3)]


def test_a_frame_damaged_in_the_middle_ends_its_segment_and_no_other(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    for start in (0, 10):
        writer = log.writer()
        for number in range(3):
            writer.append([outcome(start + number)])
        writer.close()
    first = min(tmp_path.glob("*.seg"))
    body = bytearray(first.read_bytes())
    body[len(body) // 2] ^= 1
    first.write_bytes(body)
    assert log.read()[0] == [outcome(0), outcome(10), outcome(11), outcome(12)]


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "0.seg").write_bytes(b"")
    (tmp_path / "1.seg").write_bytes(b"not a segment at all")
    assert SegmentLog(tmp_path).read()[0] == []


def test_what_is_chained_is_never_replaced_and_every_kind_is_known() -> None:
    assert not set(CHAINED) & set(REPLACED)
    assert set(CHAINED) | set(REPLACED) <= set(get_args(Kept))


ROWS = pl.DataFrame({"x": [1, 2], "name": ["ü", None]})


def test_each_version_of_a_table_stays_readable_also_with_other_columns(tmp_path: Path) -> None:
    tables = DeltaTables(tmp_path)
    first = tables.write("t", ROWS)
    second = tables.write("t", pl.DataFrame({"y": [0.5]}))
    assert (first.version, second.version) == (0, 1)
    assert tables.read(first).equals(ROWS)
    assert tables.read(second).to_dict(as_series=False) == {"y": [0.5]}


def test_a_table_rewritten_behind_its_reference_is_refused(tmp_path: Path) -> None:
    tables = DeltaTables(tmp_path)
    ref = tables.write("t", ROWS)
    forged = DatasetRef(table=ref.table, version=ref.version, digest="0" * 64)
    with pytest.raises(StoreError, match="is not the one referred to"):
        tables.read(forged)


def test_an_unknown_table_is_not_found_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no table 'late'"):
        DeltaTables(tmp_path).read(DatasetRef(table="late", version=0, digest="0" * 64))
