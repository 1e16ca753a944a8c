"""A compactor killed at any moment: every row is in the tables once, and a reader sees each once at any time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.store.compaction import Compactor
from lockgate.store.log_columns import KINDS, OF_CALLS
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import SegmentLog

KILLS = 20
ROWS, FRAMES, SEGMENTS = 20, 6, 5
CODE = """
import sys
from pathlib import Path
from lockgate.store import compaction
from lockgate.store.log_table import LogTables
import deltalake, polars

compaction.BATCH_BYTES = 20_000
print("ready", flush=True)
root = Path(sys.argv[1])
while True:
    compaction.Compactor(root / "log", LogTables(root / "tables")).run()
"""


def rows(round_: int, segment: int, frame: int) -> list[LogEntry]:
    """A frame of all three kinds over two days and two models."""
    found: list[LogEntry] = []
    for number in range(ROWS):
        name, model = f"{round_}-{segment}-{frame}-{number}", f"m{number % 2}"
        at_s = 1.5e9 + 86_400.0 * (number % 3)
        found.append(
            Prediction(
                id=name,
                model=model,
                unit="u",
                asked_s=at_s,
                answered_s=at_s,
                arm="champion",
                version="v",
                served_by="v",
                value=0.5,
                latency_ms=1.0,
                inputs=(1, "x"),
            )
        )
        found.append(Shadow(id=name, model=model, version="w", rollout=None, asked_s=at_s, value=0.25, latency_ms=1.0))
        found.append(Outcome(id=name, model=model, value=1.0, at_s=at_s, received_s=at_s))
    return found


def write(directory: Path, round_: int) -> list[LogEntry]:
    """Two writers, some sealed segments each."""
    told: list[LogEntry] = []
    for half in range(2):
        writer = SegmentWriter(directory, seal_bytes=8_000)
        for segment in range(half, SEGMENTS, 2):
            for frame in range(FRAMES):
                entries = rows(round_, segment, frame)
                writer.append(entries)
                told += entries
        writer.close()
    return told


def keys(entries: list[LogEntry]) -> Counter[tuple[str, str]]:
    return Counter((type(entry).__name__, entry.id) for entry in entries)


def test_a_compactor_killed_twenty_times_loses_and_doubles_no_row(tmp_path: Path) -> None:
    chance = random.Random(53)
    log = UnionLog(SegmentLog(tmp_path / "log"), LogTables(tmp_path / "tables"))
    told: list[LogEntry] = []
    seen: list[LogEntry] = []
    cursor = None
    cut_short = 0
    for round_ in range(KILLS):
        told += write(tmp_path / "log", round_)
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        cut_short += any((tmp_path / "log").glob("*.seg"))
        part, cursor = log.read(cursor)
        seen += part
        assert keys(seen) == keys(told)
        assert keys(log.read()[0]) == keys(told)
    assert cut_short > KILLS // 4, "the kills came too late to say anything"
    Compactor(tmp_path / "log", LogTables(tmp_path / "tables")).run()
    assert not list((tmp_path / "log").glob("*.seg"))
    for kind in OF_CALLS:
        held = pl.read_delta(str(LogTables(tmp_path / "tables").path(kind)))
        assert Counter(held["id"].to_list()) == Counter(e.id for e in told if isinstance(e, KINDS[kind]))
    assert max(keys(log.read()[0]).values()) == 1


def test_a_reader_beside_a_writer_and_a_compactor_sees_each_entry_once(tmp_path: Path) -> None:
    """Readings never stop for the compactor, which moves files away under them."""
    log = UnionLog(SegmentLog(tmp_path / "log"), LogTables(tmp_path / "tables"))
    compactor = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], stdout=subprocess.PIPE)
    assert compactor.stdout is not None
    compactor.stdout.readline()
    seen: list[LogEntry] = []
    told: list[LogEntry] = []
    cursor = None
    try:
        for round_ in range(12):
            told += write(tmp_path / "log", round_)
            for _ in range(4):
                part, cursor = log.read(cursor, limit=700)
                seen += part
            assert keys(log.read()[0]) == keys(told)
        while part:
            part, cursor = log.read(cursor, limit=700)
            seen += part
    finally:
        compactor.kill()
        compactor.wait()
        compactor.stdout.close()
    assert keys(seen) == keys(told)
    assert max(keys(seen).values()) == 1
