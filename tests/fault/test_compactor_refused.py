"""A compactor whose disk refuses a sync: no segment goes before its rows would outlive a power cut."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.errors import StoreError
from lockgate.records import Outcome
from lockgate.store import log_table
from lockgate.store.log_table import KINDS, LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segments import SegmentLog


class Syncs:
    """The real fsync, watched. failing: which of the next to refuse, once."""

    def __init__(self) -> None:
        self.done: list[Path] = []
        self.failing: Callable[[Path], bool] = lambda _path: False
        self._fsync = os.fsync

    def __call__(self, file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        if self.failing(path):
            self.failing = lambda _path: False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._fsync(file)
        self.done.append(path)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    found = Syncs()
    monkeypatch.setattr(os, "fsync", found)
    return found


def log_in(place: Path) -> UnionLog:
    return UnionLog(SegmentLog(place / "log"), LogTables(place / "tables"))


def write(place: Path, *names: str) -> None:
    writer = SegmentLog(place / "log").writer()
    writer.append([Outcome(id=name, model="m", value=1.0, at_s=1.0, received_s=2.0) for name in names])
    writer.close()


def compact(log: UnionLog) -> int:
    return log.compact(may_go_on=lambda: True).segments


@pytest.mark.parametrize("what", ["log.outcomes/date", "log.outcomes/_delta_log/", "log.segments/_delta_log/"])
def test_a_commit_whose_sync_failed_lets_no_segment_go_in_that_process(tmp_path: Path, syncs: Syncs, what: str) -> None:
    write(tmp_path, "a", "b")
    log = log_in(tmp_path)
    syncs.failing = lambda path: what in str(path) and path.is_file()
    for _ in range(2):
        with pytest.raises(StoreError, match="sync"):
            compact(log)
    assert len(list((tmp_path / "log").glob("*.seg"))) == 1
    syncs.done.clear()
    compact(log_in(tmp_path))
    assert not list((tmp_path / "log").glob("*.seg"))
    assert any(what in str(path) and path.is_file() for path in syncs.done)
    assert [entry.id for entry in log_in(tmp_path).read()[0]] == ["a", "b"]


def test_every_commit_of_a_table_is_synced_those_that_put_files_together_too(
    tmp_path: Path, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_table, "MOST_SMALL_FILES", 3)
    log = log_in(tmp_path)
    for number in range(5):
        write(tmp_path, f"{number}")
        compact(log)
    log.forget("m", 2e9)
    for name in KINDS:
        table = tmp_path / "tables" / f"log.{name}"
        commits = sorted((table / "_delta_log").glob("*.json"))
        wanted = commits if name == "outcomes" else commits[:1]
        missing = [path.name for path in wanted if path not in syncs.done and "VACUUM" not in path.read_text()]
        assert not missing
    assert tmp_path / "tables" in syncs.done


def test_a_table_whose_file_is_missing_is_said_and_not_looked_for_without_end(tmp_path: Path) -> None:
    write(tmp_path, "a")
    compact(log_in(tmp_path))
    for path in (tmp_path / "tables" / "log.outcomes").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StoreError, match="A file of the prediction log is missing"):
        log_in(tmp_path).read()
    with pytest.raises(StoreError, match="A file of the prediction log is missing"):
        log_in(tmp_path).unknown_outcomes("m")


def test_files_that_nobody_reads_any_longer_go_though_few_have_piled_up(tmp_path: Path) -> None:
    """A day that was forgotten, a week ago."""
    write(tmp_path, "a")
    log = log_in(tmp_path)
    compact(log)
    log.forget("m", 2e9)
    table = tmp_path / "tables" / "log.outcomes"
    (file,) = table.rglob("*.parquet")
    old_s = file.stat().st_mtime - 8 * 86_400
    os.utime(file, (old_s, old_s))
    for commit in (table / "_delta_log").glob("*.json"):
        at_ms = int(old_s * 1000)
        lines = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
        for line in lines:
            if "remove" in line:
                line["remove"]["deletionTimestamp"] = at_ms
        commit.write_text("\n".join(map(json.dumps, lines)))
    write(tmp_path, "b")
    compact(log_in(tmp_path))
    assert not file.exists()
    assert [entry.id for entry in log_in(tmp_path).read()[0]] == ["b"]


def test_a_segment_that_goes_while_it_is_looked_at_is_no_error(tmp_path: Path) -> None:
    """As another loop's compactor takes it, between the list and the look: a name that leads nowhere."""
    write(tmp_path, "a")
    (segment,) = (tmp_path / "log").glob("*.seg")
    (tmp_path / "log" / f"{0:020d}-1-abcdef-00000000.seg").symlink_to(tmp_path / "gone")
    assert log_in(tmp_path).oldest() == segment.stem
