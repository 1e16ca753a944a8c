"""The kit of the prediction log: every adapter keeps what it was given, in order, and gives each entry once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogRow, Window
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.memory import MemoryLog
from lockgate.store.ports import Cursor, PredictionLog
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import SegmentLog


def union(directory: Path) -> UnionLog:
    return UnionLog(SegmentLog(directory), LogTables(directory.parent / "tables"))


class Restless(UnionLog):
    """Every append is sealed as it comes, and all that is sealed is compacted before each reading."""

    def __init__(self, directory: Path) -> None:
        super().__init__(SegmentLog(directory), LogTables(directory.parent / "tables"))
        self._directory = directory

    def writer(self) -> SegmentWriter:
        return SegmentWriter(self._directory, seal_bytes=1, seal_s=0.05)

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogRow], Cursor]:
        self.compact(may_go_on=lambda: True)
        return super().read(cursor, limit)


ADAPTERS: dict[str, Callable[[Path], PredictionLog]] = {
    "memory": lambda _: MemoryLog(),
    "segments": SegmentLog,  # type: ignore[dict-item]  # the half that serving processes hold: it is not compacted
    "union": union,
    "compacted": Restless,
    "shortened": Restless,
}


@pytest.fixture(params=ADAPTERS)
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PredictionLog:
    if request.param == "shortened":  # and what is listed is put together as soon as two follow each other
        monkeypatch.setattr("lockgate.store.log_table.MOST_LISTED", 2)
        monkeypatch.setattr("lockgate.store.log_catalogue.STRETCH", 7)
    return ADAPTERS[request.param](tmp_path / "log")


def outcome(number: int, of: str = "p") -> Outcome:
    return Outcome(id=f"{of}{number}", model="m", value=0.5, at_s=number, received_s=number)


def window(number: int, since_s: float = 7200.0) -> Window:
    counts = '{"rows":1,"sum":123456789012345678901234567890}'
    return Window(
        model="m", version="v", who="w 1", number=number, since_s=since_s, until_s=since_s + 3600, profile=counts
    )


EVERY_KIND: list[LogRow] = [
    Prediction(
        id="ü ✈",
        model="m",
        unit="",
        asked_s=0.1,
        answered_s=0.2,
        arm="challenger",
        version="v",
        served_by="w",
        value=-0.0,
        latency_ms=1e-9,
        flags=("a", "b"),
        inputs=(None, True, 3, 2.5, "x"),
    ),
    Shadow(id="ü ✈", model="m", version="w", rollout=None, asked_s=0.1, value=None, latency_ms=2, failure="late"),
    outcome(1),
    window(0),
]


def test_a_new_log_is_empty(log: PredictionLog) -> None:
    assert log.read()[0] == []


def test_every_kind_of_entry_comes_back_as_it_was(log: PredictionLog) -> None:
    log.writer().append(EVERY_KIND)
    found = log.read()[0]
    assert found == EVERY_KIND
    assert [type(value) for value in found[0].inputs] == [type(None), bool, int, float, str]  # type: ignore[union-attr]


def test_windows_are_of_no_call_and_are_forgotten_by_themselves(log: PredictionLog) -> None:
    if isinstance(log, SegmentLog):
        pytest.skip("the half of a serving process forgets nothing")
    day = 86_400.0
    asked = [EVERY_KIND[0], outcome(1, of="q")]
    writer = log.writer()
    writer.append([*asked, window(0), window(1, 3 * day)])
    writer.close()
    assert log.calls("m") == asked[:1]
    assert log.entries_of("m", {"q1"}) == asked[1:]
    log.compact(may_go_on=lambda: True)
    found, cursor = log.read()
    assert found == [*asked, window(0), window(1, 3 * day)]
    assert log.read(cursor)[0] == [], "which also ends the reading"
    log.forget_windows("m", 2 * day + 5)
    assert log.read()[0] == [*asked, window(1, 3 * day)]
    assert log.calls("m") == asked[:1]


def test_what_is_appended_can_be_read_at_once_before_the_writer_is_closed(log: PredictionLog) -> None:
    writer = log.writer()
    writer.append([outcome(1)])
    assert log.read()[0] == [outcome(1)]
    writer.append([outcome(2)])
    assert log.read()[0] == [outcome(1), outcome(2)]


def test_a_cursor_goes_on_where_the_last_reading_ended(log: PredictionLog) -> None:
    writer = log.writer()
    writer.append([outcome(1)])
    _, cursor = log.read()
    assert log.read(cursor)[0] == []
    writer.append([outcome(2), outcome(3)])
    found, cursor = log.read(cursor)
    assert found == [outcome(2), outcome(3)]
    assert log.read(cursor)[0] == []


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_limit_never_loses_or_repeats_an_entry(log: PredictionLog, limit: int) -> None:
    writers = [log.writer() for _ in range(3)]
    for number in range(10):
        for name, writer in zip("abc", writers, strict=True):
            writer.append([outcome(number, name), outcome(number, f"{name}'")])
    found: list[LogRow] = []
    part, cursor = log.read(limit=limit)
    while part:
        assert len(part) < limit + 2
        found += part
        part, cursor = log.read(cursor, limit)
    assert len(found) == len({entry.id for entry in found}) == 60


def test_a_writers_own_entries_keep_their_order_beside_others(log: PredictionLog) -> None:
    writers = {name: log.writer() for name in "abc"}

    def write(name: str) -> None:
        for number in range(50):
            writers[name].append([outcome(number, name)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, writers))
    found = log.read()[0]
    assert len(found) == 150
    for name in writers:
        assert [e for e in found if e.id.startswith(name)] == [outcome(number, name) for number in range(50)]


def test_a_closed_writer_leaves_its_entries_and_a_new_one_goes_on(log: PredictionLog) -> None:
    first = log.writer()
    first.append([outcome(1)])
    first.close()
    _, cursor = log.read()
    second = log.writer()
    second.append([outcome(2)])
    second.close()
    assert log.read(cursor)[0] == [outcome(2)]


def test_nothing_appended_is_nothing_read(log: PredictionLog) -> None:
    writer = log.writer()
    writer.append([])
    writer.close()
    assert log.read()[0] == []


def test_the_cursor_given_is_left_as_it_was(log: PredictionLog) -> None:
    writer = log.writer()
    writer.append([outcome(1)])
    _, cursor = log.read()
    kept = dict(cursor)
    writer.append([outcome(2)])
    log.read(cursor)
    assert dict(cursor) == kept
