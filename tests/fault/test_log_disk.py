"""A disk that refuses: calls are answered, lines wait in memory up to a bound, and are written when there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from lockgate.errors import StoreError
from lockgate.records import Alarm, LogNotice, Outcome
from lockgate.records.prediction import Window
from lockgate.serve.logbook import Logbook
from lockgate.store.log_notices import NoticeFile, NoticeFiles
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segments import SegmentLog


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with room for 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def told(*names: str) -> list[Outcome]:
    return [Outcome(id=name, model="tide", value=1.0, at_s=1.0, received_s=2.0) for name in names]


def fill(place) -> None:
    with (place / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    assert shutil.disk_usage(place).free == 0


def ids(place) -> list[str]:
    return [row.id for row in SegmentLog(place).read()[0] if not isinstance(row, Window)]


def test_a_full_disk_is_a_store_error_that_names_the_place_and_the_cure(small_disk):
    writer = SegmentLog(small_disk / "log").writer()
    fill(small_disk)
    with pytest.raises(StoreError, match=r"disk/log cannot be written: No space left on device\. Free some room there"):
        writer.append(told("a"))
    writer.close()


def test_a_durable_append_needs_no_more_room_than_its_own(small_disk):
    """The room it likes to reserve is many times this disk."""
    writer = SegmentLog(small_disk / "log").writer()
    writer.append(told("a"), durable=True)
    fill(small_disk)

    def on_and_on() -> None:
        for number in range(100):
            writer.append(told(f"{number}-{'x' * 200}"), durable=True)

    with pytest.raises(StoreError, match="No space left on device"):
        on_and_on()
    (small_disk / "ballast").unlink()
    writer.append(told("b"), durable=True)
    writer.close()
    found = ids(small_disk / "log")
    assert (found[0], found[-1]) == ("a", "b")
    assert len(found) == len(set(found)) < 60


def test_on_a_full_disk_lines_wait_and_are_written_once_in_order_when_room_is_back(small_disk):
    log = small_disk / "log"
    book = Logbook(SegmentLog(log).writer(), retry_s=0.0)
    book.append(told("before"))
    fill(small_disk)
    names = [f"line-{n:03}-{'x' * 200}" for n in range(60)]  # more than the page that was begun still has room for
    for name in names:
        book.append(told(name))
    assert book.spilled > 0
    assert book.dropped == 0
    (small_disk / "ballast").unlink()
    book.append(told("after"))
    assert book.spilled == 0
    book.close()
    assert ids(log) == ["before", *names, "after"]


def test_beyond_the_bound_lines_are_dropped_and_counted(small_disk):
    log = small_disk / "log"
    fill(small_disk)
    book = Logbook(SegmentLog(log).writer(), bound=5, retry_s=0.0)
    for number in range(8):
        book.append(told(f"n{number}"))
    assert (book.spilled, book.dropped) == (5, 3)
    (small_disk / "ballast").unlink()
    book.close()
    assert (book.spilled, book.dropped) == (0, 3)
    assert ids(log) == ["n0", "n1", "n2", "n3", "n4"]


def test_a_file_where_the_folder_should_be_refuses_too(tmp_path):
    (tmp_path / "log").write_text("in the way")
    book = Logbook(SegmentLog(tmp_path / "log").writer(), retry_s=0.0)
    book.append(told("a"))
    assert book.spilled == 1
    (tmp_path / "log").unlink()
    book.close()
    assert ids(tmp_path / "log") == ["a"]


def test_a_worker_answers_while_its_disk_is_full_and_logs_every_call_afterwards(workshop, small_disk):
    shutil.rmtree(workshop.home / "log", ignore_errors=True)
    (workshop.home / "log").symlink_to(small_disk)
    fill(small_disk)
    with workshop.serving() as server:
        answers = [server.predict(workshop.row(boat=f"b{n}"), id=f"full{n}") for n in range(30)]
        assert [answer.status_code for answer in answers] == [200] * 30
        assert server.client.get(f"{server.url}/readyz").json()["log"] == {"spilled": 30, "dropped": 0}
        (small_disk / "ballast").unlink()
        time.sleep(0.3)  # a disk that refused is left alone that long
        assert server.predict(workshop.row(), id="room").status_code == 200
        assert server.client.get(f"{server.url}/readyz").json()["log"] == {"spilled": 0, "dropped": 0}
    assert ids(small_disk) == [*(f"full{n}-0" for n in range(30)), "room-0"]


def test_an_outcome_that_the_log_drops_is_not_accepted(workshop, small_disk):
    """Beyond what may wait in memory; the caller is told to come again."""
    shutil.rmtree(workshop.home / "log", ignore_errors=True)
    (workshop.home / "log").symlink_to(small_disk)
    fill(small_disk)

    def tell(server, first: int, count: int):
        facts = [{"id": f"o{n}-{'x' * 100}", "value": 1} for n in range(first, first + count)]
        return server.client.post(f"{server.url}/outcomes/tide", json={"outcomes": facts})

    with workshop.serving() as server:
        assert tell(server, 0, 9_900).status_code == 200
        refused = tell(server, 9_900, 200)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "100 of 200 outcomes were not kept" in refused.json()["error"]["message"]
        assert "Send them again" in refused.json()["error"]["message"]
        (small_disk / "ballast").unlink()


def test_a_full_disk_is_one_alarm_in_the_ledger_and_on_every_page(workshop, small_disk):
    shutil.rmtree(workshop.home / "log", ignore_errors=True)
    (workshop.home / "log").symlink_to(small_disk)
    fill(small_disk)
    workspace = workshop.open()
    with workshop.serving() as server:
        for number in range(30):
            server.predict(workshop.row(boat=f"b{number}"), id=f"full{number}")
        until(lambda: any("30 wait in memory" in said for said in told_now(workspace)))
        (alarm,) = workspace.wiring.records.all(Alarm)
        assert (alarm.severity, alarm.model, alarm.next) == ("page", "-", f"df -h {workshop.home / 'log'}")
        assert "No space left on device" in alarm.sentence
        assert workspace.status()[0].next == alarm.next
        assert workspace.why(alarm.id).lines[0] == alarm.sentence
        (small_disk / "ballast").unlink()
        time.sleep(0.3)
        server.predict(workshop.row(), id="room")
        until(lambda: not any("wait in memory" in said for said in told_now(workspace)))
    assert len(workspace.wiring.records.all(Alarm)) == 1
    assert workspace.wiring.records.entries()[-1].kind == "alarm"


def test_what_a_killed_process_had_waiting_is_counted_as_lost(workshop, small_disk):
    shutil.rmtree(workshop.home / "log", ignore_errors=True)
    (workshop.home / "log").symlink_to(small_disk)
    fill(small_disk)
    workspace = workshop.open()
    with workshop.serving() as server:
        for number in range(12):
            server.predict(workshop.row(boat=f"b{number}"), id=f"gone{number}")
        time.sleep(0.6)  # told twice or more since
        os.kill(server.client.get(f"{server.url}/readyz").json()["pid"], signal.SIGKILL)
        until(lambda: any("12 entries are lost so far (tide 12)." in said for said in told_now(workspace)))


def told_now(workspace) -> list[str]:
    return [alarm for row in workspace.status() for alarm in row.alarms]


def until(true) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_process_tells_of_a_full_disk_on_that_very_disk(small_disk):
    teller = NoticeFile(small_disk / "notices")
    fill(small_disk)
    assert teller.tell(LogNotice(process=teller.process, pid=1, dropped={f"model {n}": n for n in range(900)}))
    (found,) = NoticeFiles(small_disk / "notices").read()
    assert found.notice.dropped == {"-": sum(range(900))}
    assert not found.is_gone
    teller.close()
    (found,) = NoticeFiles(small_disk / "notices").read()
    assert found.is_gone


def test_a_process_that_was_well_leaves_no_notice(tmp_path):
    teller = NoticeFile(tmp_path)
    assert len(NoticeFiles(tmp_path).read()) == 1
    teller.close()
    assert list(tmp_path.iterdir()) == []


def test_a_compactor_on_a_full_disk_says_so_and_leaves_every_line_where_it_was(small_disk):
    log = small_disk / "log"
    writer = SegmentLog(log).writer()
    writer.append(told("a", "b"))
    writer.close()
    union = UnionLog(SegmentLog(log), LogTables(small_disk / "tables"))
    fill(small_disk)
    with pytest.raises(StoreError, match=r"cannot be written"):
        union.compact(may_go_on=lambda: True)
    assert [entry.id for entry in union.read()[0]] == ["a", "b"]
    (small_disk / "ballast").unlink()
    assert union.compact(may_go_on=lambda: True).rows == 2
    assert [entry.id for entry in union.read()[0]] == ["a", "b"]
    assert not list(log.glob("*.seg"))
