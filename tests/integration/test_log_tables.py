"""The compacted log: ordinary Delta tables, exactly the entries, and one reading over tables and segments."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry, Scalar
from lockgate.store.log_columns import inputs_of, text_of
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.memory import MemoryLog
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import SegmentLog

DAY = 86_400.0
DUCKDB = Path(os.environ.get("LOCKGATE_DUCKDB_PYTHON", sys.executable))


def call(number: int, *, model: str = "tide", day: int = 18_000, inputs: tuple[Scalar, ...] = (1, "x")) -> Prediction:
    return Prediction(
        id=f"p{number}",
        model=model,
        unit=f"u{number % 7}",
        asked_s=day * DAY + number,
        answered_s=day * DAY + number + 0.01,
        arm="champion",
        version="v",
        served_by="v",
        value=number / 7,
        latency_ms=0.2,
        flags=("input wind",) if number % 3 else (),
        inputs=inputs,
    )


def truth(number: int, value: float = 1.0, *, received_s: float = 0.0, day: int = 18_000) -> Outcome:
    return Outcome(id=f"p{number}", model="tide", value=value, at_s=day * DAY + number, received_s=received_s)


class Place:
    """A log and its tables in one folder."""

    def __init__(self, root: Path) -> None:
        self.segments = SegmentLog(root / "log")
        self.tables = LogTables(root / "tables")
        self.log = UnionLog(self.segments, self.tables)

    def write(self, *entries: LogEntry) -> None:
        writer = self.log.writer()
        writer.append(list(entries))
        writer.close()

    def compact(self) -> int:
        return self.log.compact(may_go_on=lambda: True).segments

    def ids(self) -> list[str]:
        return [entry.id for entry in self.log.read()[0]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_compacted_segment_is_gone_and_its_entries_come_back_as_they_were(place: Place) -> None:
    shadow = Shadow(id="p1", model="tide", version="w", rollout="r", asked_s=18_000 * DAY, value=None, latency_ms=3.0)
    entries = [call(1), shadow, truth(1), call(2, model="o'hara/ü 1", inputs=(None, True, -0.0, math.inf, 2**60))]
    place.write(*entries)
    assert place.compact() == 1
    assert not list(place.segments.directory.glob("*.seg"))
    found = place.log.read()[0]
    assert list(map(repr, found)) == list(map(repr, entries))


def test_a_segment_that_is_written_to_is_left_alone(place: Place) -> None:
    writer = place.log.writer()
    writer.append([call(1)])
    assert place.compact() == 0
    assert place.ids() == ["p1"]
    writer.close()
    assert place.compact() == 1
    assert place.ids() == ["p1"]


def test_the_tables_ask_no_more_of_a_reader_than_version_one(place: Place) -> None:
    """The action itself: what Spark 3 and every other reader of Delta documents as its oldest."""
    place.write(call(1), truth(1))
    place.compact()
    for name in ("predictions", "shadows", "outcomes", "segments"):
        commits = sorted((place.tables.path(name) / "_delta_log").glob("*.json"))
        actions = [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]
        assert [action["protocol"] for action in actions if "protocol" in action] == [
            {"minReaderVersion": 1, "minWriterVersion": 2}
        ]
        (table,) = (action["metaData"] for action in actions if "metaData" in action)
        assert table["partitionColumns"] == ([] if name == "segments" else ["date", "model"])
        notes = [action["txn"] for action in actions if "txn" in action]
        assert [note["version"] for note in notes if not note["appId"].startswith("safe version")] == [0]


def test_polars_reads_the_tables_as_they_are(place: Place) -> None:
    place.write(*(call(n, day=18_000 + n % 2) for n in range(10)))
    place.compact()
    found = pl.read_delta(str(place.tables.path("predictions"))).sort("asked_s")
    assert found["value"].sum() == pytest.approx(45 / 7)
    assert found["date"].n_unique() == 2
    assert found["inputs"].str.json_path_match("$[1]").to_list() == ["x"] * 10


def test_duckdb_reads_the_tables_as_they_are(place: Place) -> None:
    asked = subprocess.run(
        [DUCKDB, "-c", "import duckdb, duckdb_extension_delta; print(duckdb.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        pytest.skip(
            "duckdb and duckdb-extension-delta are not installed; LOCKGATE_DUCKDB_PYTHON may name a Python with them"
        )
    place.write(*(call(n, day=18_000 + n % 2) for n in range(10)), truth(3, 0.5), truth(4))
    place.compact()
    query = (
        "select count(*), count(distinct p.date), sum(o.value), sum(len(p.flags)) "
        f"from delta_scan('{place.tables.path('predictions')}') p "
        f"left join delta_scan('{place.tables.path('outcomes')}') o using (id)"
    )
    script = f"""
import duckdb, pathlib, importlib.util
home = pathlib.Path(importlib.util.find_spec("duckdb_extension_delta").submodule_search_locations[0])
(extension,) = home.rglob("delta.duckdb_extension")
db = duckdb.connect(config={{"allow_unsigned_extensions": "true"}})
db.execute(f"load '{{extension}}'")
print(db.execute({query!r}).fetchone())
"""
    ran = subprocess.run([DUCKDB, "-c", script], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "(10, 2, 1.5, 6)", ran.stderr


def test_a_cursor_taken_before_a_compaction_goes_on_behind_it(place: Place) -> None:
    writer = place.log.writer()
    writer.append([call(1)])
    writer.append([call(2), truth(1)])
    first, cursor = place.log.read(limit=1)
    writer.close()
    place.compact()
    place.write(call(3))
    rest, cursor = place.log.read(cursor)
    assert [entry.id for entry in first] == ["p1"]
    assert rest == [call(2), truth(1), call(3)]
    place.compact()
    assert place.log.read(cursor) == ([], cursor)


def test_a_limit_cuts_a_compacted_segment_anywhere(place: Place) -> None:
    place.write(*(call(n) for n in range(10)))
    place.write(*(truth(n) for n in range(10)))
    place.compact()
    found: list[LogEntry] = []
    part, cursor = place.log.read(limit=3)
    while part:
        assert len(part) <= 3
        found += part
        part, cursor = place.log.read(cursor, limit=3)
    assert found == [*(call(n) for n in range(10)), *(truth(n) for n in range(10))]


def test_torn_bytes_are_kept_aside_and_told(place: Place) -> None:
    place.write(call(1))
    (segment,) = place.segments.directory.glob("*.seg")
    segment.write_bytes(segment.read_bytes() + b"LGF1 and half a frame")
    told = place.log.compact(may_go_on=lambda: True)
    assert told.torn == (segment.stem,)
    assert segment.with_suffix(".torn").exists()
    assert place.ids() == ["p1"]


def test_two_compactors_at_once_keep_each_entry_once(place: Place, tmp_path: Path) -> None:
    for number in range(6):
        place.write(call(number))
    code = (
        "import sys; from pathlib import Path; from lockgate.store.compaction import Compactor;"
        "from lockgate.store.log_table import LogTables; root = Path(sys.argv[1]);"
        "print(Compactor(root / 'log', LogTables(root / 'tables')).run().segments)"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    done = [int(other.communicate()[0]) for other in others]
    assert sum(done) == 6
    assert place.ids() == [f"p{n}" for n in range(6)]


def test_a_compactor_that_may_not_go_on_leaves_the_rest(place: Place) -> None:
    place.write(call(1))
    assert place.log.compact(may_go_on=lambda: False).segments == 0
    assert place.ids() == ["p1"]


def test_retention_drops_whole_days_of_one_model_and_no_others(place: Place) -> None:
    place.write(*(call(n, day=18_000 + n) for n in range(5)), call(9, model="other"), truth(0), truth(4, day=18_004))
    place.compact()
    place.log.forget("tide", 18_003 * DAY + 7)
    assert place.ids() == ["p3", "p4", "p9", "p4"]
    held = pl.read_delta(str(place.tables.path("predictions")))
    assert sorted(held["id"]) == ["p3", "p4", "p9"]


def test_many_small_files_become_few_and_say_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.store.log_table.MOST_SMALL_FILES", 3)
    for number in range(8):
        place.write(call(number), truth(number))
        place.compact()
    table = place.tables.open("predictions")
    assert table is not None
    assert len(table.file_uris()) < 5
    assert place.log.read()[0] == [entry for n in range(8) for entry in (call(n), truth(n))]


def test_a_long_catalogue_becomes_short_and_cursors_taken_before_go_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.store.log_table.MOST_LISTED", 8)
    writer = SegmentWriter(place.segments.directory, seal_bytes=1, seal_s=0.01)
    told: list[LogEntry] = []
    cursors = [place.log.read(limit=1)]
    for number in range(12):
        entries = [call(number), truth(number)]
        writer.append(entries)
        told += entries
        time.sleep(0.03)
        place.compact()
        for limit in (1, None):
            found, cursor = place.log.read(cursors[-1][1], limit=limit)
            cursors.append((found, cursor))
        listed = place.tables.catalogue()[1]
        assert len(listed) < 9
    writer.close()
    place.compact()
    assert place.log.read()[0] == told
    seen: list[LogEntry] = []
    for found, cursor in cursors:
        seen += found
        assert seen + place.log.read(cursor)[0] == told
    place.write(call(99))
    place.compact()
    assert place.ids() == [*(entry.id for entry in told), "p99"]


def test_outcomes_late_corrected_and_unknown_are_all_kept_and_the_latest_received_wins(place: Place) -> None:
    place.write(truth(2, 0.25, received_s=9.0), truth(1, 0.75, received_s=5.0))
    place.write(call(1), call(2), call(3))
    place.write(truth(1, 0.5, received_s=3.0), truth(2, 1.0, received_s=8.0), truth(77))
    place.compact()
    joined = place.log.joined("tide")
    assert dict(joined.sort("id").select("id", "outcome").rows()) == {"p1": 0.75, "p2": 0.25, "p3": None}
    assert place.log.unknown_outcomes("tide") == 1
    assert len(pl.read_delta(str(place.tables.path("outcomes")))) == 5


def test_what_is_not_compacted_yet_is_joined_too(place: Place) -> None:
    place.write(call(1), truth(1, 0.25, received_s=1.0))
    place.compact()
    place.write(call(2), truth(1, 0.5, received_s=2.0), truth(2, 0.75), truth(88), call(1))
    joined = place.log.joined("tide", columns=("value",))
    assert joined.columns == ["id", "value", "outcome"]
    assert dict(joined.select("id", "outcome").rows()) == {"p1": 0.5, "p2": 0.75}
    assert place.log.unknown_outcomes("tide") == 1
    place.compact()
    assert dict(place.log.joined("tide").select("id", "outcome").rows()) == {"p1": 0.5, "p2": 0.75}


def test_calls_of_a_stretch_or_a_rollout_come_with_what_is_known_of_them_and_nothing_else(place: Place) -> None:
    def of(number: int, day: int) -> list[LogEntry]:
        asked = msgspec.structs.replace(call(number, day=day), rollout="r1" if number % 2 else None)
        shadow = Shadow(
            id=asked.id, model="tide", version="w", rollout="r1", asked_s=asked.asked_s, value=1.0, latency_ms=1
        )
        return [asked, shadow, truth(number, day=day + 9), truth(number, 0.5, received_s=7.0, day=day + 9)]

    for number in range(12):
        place.write(*of(number, 18_000 + number // 3), call(number, model="other"), truth(number + 100))
        if number < 9:
            place.compact()
    everything = [entry for n in range(12) for entry in of(n, 18_000 + n // 3)]

    def told(entries: Iterable[LogEntry]) -> list[LogEntry]:
        return sorted(entries, key=repr)

    assert told(place.log.calls("tide")) == told(everything)
    middle = {f"p{n}" for n in range(3, 10)}
    since_s, until_s = 18_001 * DAY + 3, 18_003 * DAY + 10
    assert told(place.log.calls("tide", since_s=since_s, until_s=until_s)) == told(
        e for e in everything if e.id in middle
    )
    odd = {f"p{n}" for n in range(1, 12, 2)}
    assert told(place.log.calls("tide", rollout="r1")) == told(e for e in everything if e.id in odd)
    assert place.log.calls("nobody") == []
    memory = MemoryLog()
    memory.append(place.log.read()[0])
    assert told(memory.calls("tide", rollout="r1", since_s=since_s)) == told(
        place.log.calls("tide", rollout="r1", since_s=since_s)
    )


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=9)


@settings(max_examples=200, deadline=None)
@given(st.lists(scalars, max_size=6).map(tuple))
def test_inputs_come_back_from_their_json_with_types_and_bits(inputs: tuple[Scalar, ...]) -> None:
    text = text_of(inputs)
    json.loads(text, parse_constant=pytest.fail)
    assert list(map(repr, inputs_of(text))) == list(map(repr, inputs))


@pytest.mark.parametrize("is_compacted", [False, True])
def test_of_two_outcomes_received_at_one_time_the_one_logged_last_counts(place: Place, is_compacted: bool) -> None:
    place.write(call(1), *(msgspec.structs.replace(truth(1), value=value, received_s=9e9) for value in (1.0, 0.0)))
    if is_compacted:
        place.compact()
    assert place.log.joined("tide")["outcome"].to_list() == [0.0]
