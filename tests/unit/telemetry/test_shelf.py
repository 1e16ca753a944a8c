"""Counts of many processes: sums never go down, whoever dies and whenever; gauges are of those that live."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.errors import StoreError
from lockgate.records import Prediction
from lockgate.telemetry import reporter as reporting
from lockgate.telemetry import shelf
from lockgate.telemetry.reporter import Reporter
from lockgate.telemetry.series import Series
from lockgate.telemetry.shelf import Shelf, merged_gauges
from lockgate.telemetry.totals import Past, Told

PROCESS = """
import sys, time
from pathlib import Path
from lockgate.telemetry.shelf import Shelf

place = Shelf(Path(sys.argv[1])).place("worker")
for calls in range(int(sys.argv[2]) + 1):
    place.write(
        {"lockgate_fallback_total": [(("late", "raised"), [float(calls)])]}, {"lockgate_workers_up": [((), [1.0])]}
    )
print("told", flush=True)
time.sleep(60)
"""
FALLBACKS = ("lockgate_fallback_total", ("late", "raised"))
UP = ("lockgate_workers_up", ())


class Process:
    """A real one, which told so many fallbacks and lives on until it is killed."""

    def __init__(self, folder: Path, fallbacks: int) -> None:
        argv = [sys.executable, "-c", PROCESS, str(folder), str(fallbacks)]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "told\n"

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def start(tmp_path):
    running: list[Process] = []

    def started(fallbacks: int) -> Process:
        running.append(Process(tmp_path, fallbacks))
        return running[-1]

    yield started
    for process in running:
        process.kill()


def number(told: dict[str, Any], series: tuple[str, tuple[str, ...]]) -> float | None:
    name, labels = series
    found = told.get(name, {}).get(labels)
    return None if found is None else found[0]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".msgpack")


def test_the_living_are_added_up_and_the_dead_stay_in_the_sum(tmp_path, start):
    one, _ = start(3), start(4)
    gathered = Shelf(tmp_path).gather(())
    assert (number(gathered, FALLBACKS), number(gathered, UP)) == (7, 2)
    one.kill()
    gathered = Shelf(tmp_path).gather(())
    assert (number(gathered, FALLBACKS), number(gathered, UP)) == (7, 1)


def test_files_of_the_dead_are_folded_into_one(tmp_path, start):
    for fallbacks in (1, 2, 3):
        start(fallbacks).kill()
    living = start(10)
    assert number(Shelf(tmp_path).gather(()), FALLBACKS) == 16
    assert len(files(tmp_path)) == 2
    assert len(list(tmp_path.glob("*.lock"))) == 2, "its own, and the door's"
    living.kill()
    assert number(Shelf(tmp_path).gather(()), FALLBACKS) == 16
    assert files(tmp_path) == ["ended.msgpack"]


def test_a_file_that_was_folded_and_not_yet_taken_away_is_not_added_twice(tmp_path, start):
    start(5).kill()
    (left,) = (tmp_path / name for name in files(tmp_path))
    held, lock = left.read_bytes(), left.with_suffix(".lock")
    shelf_of_it = Shelf(tmp_path)
    assert number(shelf_of_it.gather(()), FALLBACKS) == 5
    left.write_bytes(held)  # as it stands where whoever folded was killed before it took the file away
    lock.touch()
    assert number(shelf_of_it.gather(()), FALLBACKS) == 5
    start(1).kill()
    assert number(shelf_of_it.gather(()), FALLBACKS) == 6
    assert files(tmp_path) == ["ended.msgpack"]


def test_sums_never_go_down_while_processes_come_and_go(tmp_path, start):
    seen: tuple[list[float], list[float]] = ([], [])
    stop = threading.Event()

    def look(own: list[float]) -> None:
        while not stop.is_set():
            own.append(number(Shelf(tmp_path).gather(()), FALLBACKS) or 0.0)

    lookers = [threading.Thread(target=look, args=(own,)) for own in seen]
    for thread in lookers:
        thread.start()
    for _ in range(4):
        start(200).kill()
    stop.set()
    for thread in lookers:
        thread.join()
    assert number(Shelf(tmp_path).gather(()), FALLBACKS) == 800
    for own in seen:
        assert own == sorted(own)
        assert len(set(own)) > 4, "it looked while they counted"


def test_a_damaged_file_costs_its_own_counts_alone(tmp_path, start):
    start(2)
    (tmp_path / "worker-1-00000000.msgpack").write_bytes(b"\x00torn")
    assert number(Shelf(tmp_path).gather(()), FALLBACKS) == 2


def test_a_version_without_traffic_is_told_for_an_hour_and_then_forgotten(tmp_path, monkeypatch):
    counted = {"lockgate_requests_total": [(("late", v, "champion", "ok"), [4.0]) for v in ("old", "new")]}
    now_s = time.time()
    (tmp_path / "ended.msgpack").write_bytes(msgspec.msgpack.encode(Past(counted=counted)))

    def versions(at_s: float, routed: tuple[str, ...] = ("new",)) -> set[str]:
        monkeypatch.setattr(shelf.time, "time", lambda: at_s)
        return {labels[1] for labels in Shelf(tmp_path).gather(routed)["lockgate_requests_total"]}

    assert versions(now_s) == {"old", "new"}
    assert versions(now_s + shelf.HIDDEN_AFTER_S - 1) == {"old", "new"}
    assert versions(now_s + shelf.HIDDEN_AFTER_S + 1) == {"new"}
    assert versions(now_s + shelf.HIDDEN_AFTER_S + 2, routed=("old", "new")) == {"old", "new"}, "traffic came back"
    assert versions(now_s + 2 * shelf.HIDDEN_AFTER_S) == {"old", "new"}, "and it counts from when it left again"
    assert versions(now_s + 9 * shelf.HIDDEN_AFTER_S) == {"new"}
    kept = msgspec.msgpack.decode((tmp_path / "ended.msgpack").read_bytes(), type=Past)
    assert [labels[1] for labels, _ in kept.counted["lockgate_requests_total"]] == ["new"]


def test_gauges_go_together_as_their_series_says():
    def told(at_s: float, **gauges: float) -> Told:
        rows = {f"lockgate_{name}": [((), [value])] for name, value in gauges.items()}
        rows["lockgate_routing_revision"] = [(("late",), [at_s])]
        rows["lockgate_alpha_spent_ratio"] = [(("late",), [at_s])]
        return Told(process="worker", at_s=at_s, counted={}, gauges=rows)

    found = merged_gauges([told(2.0, calls_in_hand=1, problems=0), told(1.0, calls_in_hand=4, problems=3)])
    assert found == {
        "lockgate_calls_in_hand": {(): [5]},
        "lockgate_problems": {(): [3]},
        "lockgate_routing_revision": {("late",): [1.0]},
        "lockgate_alpha_spent_ratio": {("late",): [2.0]},
    }


def prediction(version: str) -> Prediction:
    return Prediction(
        id="r1-0",
        model="late",
        unit="u1",
        asked_s=0.0,
        answered_s=0.0,
        arm="champion",
        version=version,
        served_by=version,
        value=0.5,
        latency_ms=2.0,
    )


@pytest.fixture
def reporter(tmp_path):
    made: list[Reporter] = []

    def of(series: Series) -> Reporter:
        up = [("lockgate_workers_up", (), 1.0)]
        made.append(Reporter(tmp_path, "worker", series, measure=lambda: up, routed=lambda: ()))
        return made[-1]

    yield of
    for one in made:
        one.close()


def test_what_is_told_to_a_scrape_is_on_the_shelf_already(tmp_path, reporter):
    series = Series()
    one = reporter(series)
    series.refused("busy")
    assert one.all()["lockgate_refusals_total"] == {("", "busy"): [1]}
    # Another process, or this one's heir, tells no less.
    assert Shelf(tmp_path / "series").gather(())["lockgate_refusals_total"] == {("", "busy"): [1]}


def test_an_end_leaves_the_counts_and_takes_the_gauges(tmp_path, reporter):
    series = Series()
    one, other = reporter(series), reporter(Series())
    one.start()
    series.refused("busy")
    one.close()
    gathered = other.all()
    assert gathered["lockgate_refusals_total"] == {("", "busy"): [1]}
    assert gathered["lockgate_workers_up"] == {(): [1]}, "the other one alone"


def test_a_living_process_forgets_a_version_only_once_nobody_tells_it_any_more(tmp_path, monkeypatch):
    series, routed, now = Series(), {"v1", "v2"}, [0.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    one = Reporter(tmp_path, "worker", series, measure=list, routed=lambda: routed)
    for version in routed:
        series.count([prediction(version)])

    def held(at_s: float) -> set[str]:
        now[0] = at_s
        one.tell()
        return series.totals().versions()

    assert held(0.0) == {"v1", "v2"}
    routed.discard("v1")
    assert held(10.0) == held(10.0 + shelf.HIDDEN_AFTER_S + 60) == {"v1", "v2"}
    assert held(11.0 + shelf.FORGOTTEN_AFTER_S) == {"v2"}
    one.close()


def test_one_number_that_cannot_be_told_does_not_end_the_telling(tmp_path, caplog):
    numbers = iter([1.0, None, 3.0])
    one = Reporter(
        tmp_path,
        "worker",
        Series(),
        measure=lambda: [("lockgate_calls_in_hand", (), 1.0 + next(numbers))],  # type: ignore[operator]
        routed=lambda: (),
    )
    one.tell()
    one.tell()
    assert "cannot be told" in caplog.text
    assert one.all()["lockgate_calls_in_hand"] == {(): [4.0]}
    numbers = iter([0.0])
    one.close()


def test_a_folder_that_somebody_cleared_is_made_again(tmp_path, reporter):
    series = Series()
    one = reporter(series)
    series.refused("busy")
    one.all()
    for path in (tmp_path / "series").iterdir():
        path.unlink()
    series.refused("busy")
    assert one.all()["lockgate_refusals_total"] == {("", "busy"): [2]}


def test_a_place_that_cannot_be_written_costs_no_call_and_says_so_to_a_scrape(tmp_path, reporter, caplog):
    (tmp_path / "series").write_text("a file where the folder should be")
    one = reporter(Series())
    one.tell()
    one.tell()
    assert caplog.text.count("The series cannot be written") == 1
    with pytest.raises(StoreError, match="series"):
        one.all()
