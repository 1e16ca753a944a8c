"""A disk that refuses a write or a sync: what was not safe is written again elsewhere, once, and it is told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.errors import StoreError
from lockgate.records import LogSpec, Outcome, Prediction
from lockgate.serve.logbook import Logbook
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segment_writer import SYNC_EVERY_S, SegmentWriter, fdatasync
from lockgate.store.segments import SegmentLog
from lockgate.workspace.dataplane import DataPlane


class Disk:
    """The real sync, which can be told to fail the next times, or to be slow. at: when it synced."""

    def __init__(self) -> None:
        self.fails = 0
        self.slow_s = 0.0
        self.at: list[float] = []

    def sync(self, file: int) -> None:
        time.sleep(self.slow_s)
        if self.fails:
            self.fails -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fdatasync(file)
        self.at.append(time.monotonic())


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def writer(tmp_path: Path, disk: Disk) -> SegmentWriter:
    return SegmentWriter(tmp_path, sync=disk.sync)


def told(*names: str) -> list[Outcome]:
    return [Outcome(id=name, model="m", value=1.0, at_s=1.0, received_s=2.0) for name in names]


def ids(place: Path) -> list[str]:
    return [entry.id for entry in SegmentLog(place).read()[0]]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_buffered_append_is_synced_within_fifty_milliseconds(writer: SegmentWriter, disk: Disk) -> None:
    waits = []
    for number in range(10):
        synced = len(disk.at)
        written = time.monotonic()
        writer.append(told(f"{number}"))
        until(lambda synced=synced: len(disk.at) > synced)
        waits.append(disk.at[synced] - written)
    # The median: a busy machine may wake one thread late.
    assert sorted(waits)[5] <= SYNC_EVERY_S
    writer.close()


def test_a_durable_append_returns_after_the_sync(writer: SegmentWriter, disk: Disk) -> None:
    disk.slow_s = 0.02
    started = time.monotonic()
    writer.append(told("a"), durable=True)
    assert len(disk.at) == 1
    assert time.monotonic() - started >= 0.02
    writer.close()


def test_what_queued_up_during_a_sync_goes_into_one_frame(writer: SegmentWriter, disk: Disk) -> None:
    disk.slow_s = 0.1
    threads = [
        threading.Thread(target=writer.append, args=(told(f"{n}"),), kwargs={"durable": True}) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(disk.at) <= 4
    writer.close()


def test_a_failed_sync_poisons_the_segment_and_a_durable_append_is_written_again_elsewhere(
    writer: SegmentWriter, disk: Disk, tmp_path: Path
) -> None:
    writer.append(told("before"), durable=True)
    disk.fails = 1
    writer.append(told("a"), durable=True)
    assert writer.poisoned == 1
    assert ids(tmp_path) == ["before", "a"]
    assert len(list(tmp_path.glob("*.seg"))) == 2
    writer.close()


def test_a_failed_sync_behind_a_buffered_append_loses_nothing_and_is_told(
    writer: SegmentWriter, disk: Disk, tmp_path: Path
) -> None:
    disk.fails = 1
    writer.append(told("a"))
    until(lambda: writer.poisoned == 1)
    writer.append(told("b"))
    writer.close()
    assert ids(tmp_path) == ["a", "b"]


def test_a_sync_that_goes_on_failing_refuses_the_durable_append_and_says_so(writer: SegmentWriter, disk: Disk) -> None:
    disk.fails = 2
    with pytest.raises(StoreError, match="cannot be written: Input/output error"):
        writer.append(told("a"), durable=True)
    assert writer.problem is not None
    writer.append(told("a"), durable=True)
    assert writer.problem is None
    writer.close()


def test_writes_that_the_kernel_breaks_off_are_made_again_elsewhere_and_nothing_is_lost(tmp_path: Path) -> None:
    """No file may grow beyond 20 kB: every segment breaks off in the middle of a frame, as on a disk with bad blocks."""
    code = """
import resource, sys
from pathlib import Path
from lockgate.records import Outcome
from lockgate.serve.logbook import Logbook
from lockgate.store.segments import SegmentLog

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = SegmentLog(Path(sys.argv[1])).writer()
book = Logbook(writer, retry_s=0.0)
for number in range(1_000):
    book.append([Outcome(id=f"{number}-{'x' * 90}", model="m", value=1.0, at_s=1.0, received_s=2.0)])
book.close()
print(writer.poisoned, book.spilled, book.dropped)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    poisoned, spilled, dropped = map(int, told.split())
    assert poisoned >= 5
    assert (spilled, dropped) == (0, 0)
    assert [int(name.split("-")[0]) for name in ids(tmp_path)] == list(range(1_000))
    compacted = UnionLog(SegmentLog(tmp_path), LogTables(tmp_path / "tables")).compact(may_go_on=lambda: True)
    assert (compacted.rows, compacted.torn) == (1_000, ())


def test_room_that_was_reserved_and_not_used_is_no_torn_frame(tmp_path: Path) -> None:
    """A killed process leaves its segment as long as it was reserved."""
    code = """
import os, signal, sys
from pathlib import Path
from lockgate.records import Outcome
from lockgate.store.segments import SegmentLog

SegmentLog(Path(sys.argv[1])).writer().append(
    [Outcome(id="a", model="m", value=1.0, at_s=1.0, received_s=2.0)], durable=True
)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (segment,) = tmp_path.glob("*.seg")
    assert segment.stat().st_size > 2**20
    assert ids(tmp_path) == ["a"]
    assert UnionLog(SegmentLog(tmp_path), LogTables(tmp_path / "tables")).compact(may_go_on=lambda: True).torn == ()


def test_a_sealed_segment_gives_back_the_room_it_did_not_use(tmp_path: Path, writer: SegmentWriter) -> None:
    writer.append(told("a"), durable=True)
    (segment,) = tmp_path.glob("*.seg")
    assert segment.stat().st_size > 2**20
    writer.close()
    assert segment.stat().st_size < 200
    assert ids(tmp_path) == ["a"]


def test_a_segment_is_sealed_at_its_size_and_its_age(tmp_path: Path) -> None:
    by_size = SegmentWriter(tmp_path / "size", seal_bytes=100)
    for number in range(3):
        by_size.append(told(f"{number}-{'x' * 100}"))
    assert len(list((tmp_path / "size").glob("*.seg"))) == 3
    by_size.close()
    by_age = SegmentWriter(tmp_path / "age", seal_s=0.1)
    by_age.append(told("a"))
    time.sleep(0.15)
    by_age.append(told("b"))
    assert len(list((tmp_path / "age").glob("*.seg"))) == 2
    by_age.close()


def call(name: str, unit: str, model: str = "m") -> Prediction:
    return Prediction(
        id=name,
        model=model,
        unit=unit,
        asked_s=1.0,
        answered_s=1.0,
        arm="challenger",
        version="v",
        served_by="w",
        value=0.5,
        latency_ms=1.0,
        share=0.25,
        failure="late",
        flags=("input wind",),
        inputs=(1.0, "x"),
    )


def test_a_sampled_log_keeps_all_but_the_inputs_of_every_call(tmp_path: Path) -> None:
    sampled = {"m": LogSpec(mode="sampled", share=0.2)}
    book = Logbook(SegmentLog(tmp_path).writer(), modes=sampled)
    calls = [call(f"{n}-{again}", f"u{n}") for n in range(1_000) for again in range(2)]
    book.append([*calls, call("other", "u", model="whole")])
    book.close()
    *found, other = (entry for entry in SegmentLog(tmp_path).read()[0] if isinstance(entry, Prediction))
    assert other.inputs
    whole = [entry.unit for entry in found if entry.inputs]
    assert 300 < len(whole) < 500
    assert len(set(whole)) * 2 == len(whole), "a unit is kept whole or thin, call after call"
    kept = [(e.id, e.arm, e.share, e.value, e.failure, e.flags) for e in found]
    assert kept == [(e.id, e.arm, e.share, e.value, e.failure, e.flags) for e in calls]


def test_a_durable_models_calls_wait_for_the_disk_and_a_buffered_ones_do_not(writer: SegmentWriter, disk: Disk) -> None:
    book = Logbook(writer, modes={"m": LogSpec(mode="durable")})
    book.append([call("a", "u")])
    assert len(disk.at) == 1
    disk.slow_s = 0.2
    started = time.monotonic()
    book.append([call("b", "u", model="other")])
    assert time.monotonic() - started < 0.15
    book.close()


def test_what_waits_is_written_though_the_routing_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    (tmp_path / "serving.json").write_text("{")
    plane = DataPlane(tmp_path)
    plane.append(told("a"))
    assert plane.log.spilled == 1
    (tmp_path / "log").unlink()

    def is_written() -> bool:
        plane.refresh()
        return plane.log.spilled == 0

    until(is_written)
    assert "routing" in plane.problems
    plane.close()
    assert ids(tmp_path / "log") == ["a"]


def test_a_sync_that_fails_for_a_while_leaves_few_segments_and_loses_nothing(
    writer: SegmentWriter, disk: Disk, tmp_path: Path
) -> None:
    writer.append(told("first"), durable=True)
    disk.fails = 10**9
    names = [f"{number}-{'x' * 200}" for number in range(200)]
    for name in names:
        writer.append(told(name))
        time.sleep(0.005)
    assert len(list(tmp_path.glob("*.seg"))) <= 6
    assert writer.problem is not None
    disk.fails = 0
    until(lambda: writer.problem is None)
    writer.close()
    assert ids(tmp_path) == ["first", *names]
    assert writer.unsafe == {}


def test_beyond_what_may_wait_for_the_disk_appends_are_refused(writer: SegmentWriter, disk: Disk) -> None:
    disk.fails = 10**9
    writer.append(told("a"))
    until(lambda: writer.poisoned == 1)

    def on_and_on() -> None:
        for number in range(40):
            writer.append(told(f"{number}-{'x' * 2**20}"))

    with pytest.raises(StoreError, match="cannot be written: Input/output error"):
        on_and_on()
    book = Logbook(writer)
    book.append(told("b"))
    assert book.spilled == 1
    writer.close()


def test_syncs_that_fail_for_an_old_and_a_new_segment_take_nothing_that_was_safe(tmp_path: Path) -> None:
    plan: list[bool] = []

    def sync(file: int) -> None:
        if plan and plan.pop(0):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fdatasync(file)

    writer = SegmentWriter(tmp_path, sync=sync, seal_bytes=150)
    writer.append(told("zero"), durable=True)
    with writer._turn:  # one round meets both segments
        writer.append(told(f"A-{'x' * 100}"))
        writer.append(told("B"))
        plan[:] = [True, False, True]
    book = Logbook(writer, modes={"m": LogSpec(mode="durable")}, retry_s=0.0)
    book.append(told("D"))
    until(lambda: writer.problem is None)
    book.close()
    assert [name[:4] for name in sorted(ids(tmp_path))] == sorted(["zero", "A-xx", "B", "D"])


def test_a_durable_answer_after_a_failed_sync_has_its_name_on_the_disk(
    writer: SegmentWriter, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is synced for the segment that took over, and the folder above for the folder."""
    synced: list[str] = []
    fsync = os.fsync

    def watched(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    writer.append(told("one"), durable=True)
    assert synced == [str(tmp_path)]
    disk.fails = 1
    writer.append(told("two"), durable=True)
    assert synced == [str(tmp_path)] * 2
    writer.close()
    deep = SegmentWriter(tmp_path / "home" / "log")
    deep.append(told("a"), durable=True)
    deep.close()
    assert synced[2:] == [str(tmp_path / "home" / "log"), str(tmp_path), str(tmp_path / "home")]


def test_what_could_not_be_made_safe_is_counted_when_the_process_ends(tmp_path: Path, disk: Disk) -> None:
    book = Logbook(SegmentWriter(tmp_path, sync=disk.sync))
    disk.fails = 10**9
    book.append(told("a", "b"))
    book.close()
    assert book.dropped == 2


def test_a_full_disk_leaves_no_empty_segments(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from lockgate.errors import StoreError
from lockgate.records import Outcome
from lockgate.store.segments import SegmentLog

resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
writer = SegmentLog(Path(sys.argv[1])).writer()
for number in range(50):
    try:
        writer.append([Outcome(id="x" * 90, model="m", value=1.0, at_s=1.0, received_s=2.0)])
    except StoreError:
        pass
writer.close()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_cannot_be_written_takes_none_that_wait_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("in the way")
    book = Logbook(SegmentWriter(log), retry_s=0.0)
    book.append(told("a", "b"))
    log.unlink()
    assert book.append(told("x\ud800", "c")) == 1
    assert (book.spilled, book.dropped) == (3, 1)
    book.look()
    assert book.append(told("y\ud800")) == 1
    book.close()
    assert ids(log) == ["a", "b", "c"]
    assert (book.spilled, book.dropped) == (0, 2)
