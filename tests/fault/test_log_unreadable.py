"""An undamaged frame that cannot be read stops neither reader nor compactor: it is passed over, counted and kept aside."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lockgate.records import Outcome
from lockgate.records.prediction import LogEntry
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segments import SegmentLog


class Newer(msgspec.Struct, tag="outcome", array_like=True, frozen=True):
    """An outcome whose id is a number, and which says more than ours."""

    id: int
    model: str = "m"
    value: float = 1.0
    at_s: float = 1.0
    received_s: float = 2.0
    source: str = "somewhere"


def told(*names: str) -> list[LogEntry]:
    return [Outcome(id=name, model="m", value=1.0, at_s=1.0, received_s=2.0) for name in names]


def test_an_entry_that_cannot_be_read_is_passed_over_counted_and_kept_aside(tmp_path: Path) -> None:
    log = UnionLog(SegmentLog(tmp_path / "log"), LogTables(tmp_path / "tables"))
    writer = log.writer()
    writer.append(told("a"))
    strange: list[LogEntry] = [Newer(7), Newer(8)]  # type: ignore[list-item]
    writer.append([*told("b"), *strange])
    writer.append(told("c"))
    writer.close()
    found, cursor = log.read()
    assert [entry.id for entry in found] == ["a", "b", "c"]
    (segment,) = (tmp_path / "log").glob("*.seg")
    done = log.compact(may_go_on=lambda: True)
    assert (done.rows, done.torn, done.unread) == (3, (), ((segment.stem, 2),))
    assert segment.with_suffix(".unread").exists()
    assert [entry.id for entry in log.read()[0]] == ["a", "b", "c"]
    assert log.read(cursor)[0] == []
