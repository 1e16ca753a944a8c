"""What a logged row costs: CPU against SQLite in groups of 1,000, of one served call, and at a steady pace.

    python benchmarks/log_cost.py [FOLDER]

FOLDER lies on the disk to be measured, the current one where left out. CPU is that of the whole process, threads too.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from lockgate.records import Prediction
from lockgate.records.prediction import entry_encoder
from lockgate.serve.logbook import Logbook
from lockgate.store.segment_writer import SegmentWriter

ROWS, GROUP, ROUNDS = 200_000, 1_000, 5


def calls(count: int) -> list[Prediction]:
    """Twelve inputs each, a third of them text."""
    return [
        Prediction(
            id=f"r{n:07d}-0",
            model="delays",
            unit=f"N{n % 4000}",
            asked_s=1.7e9 + n,
            answered_s=1.7e9 + n + 0.002,
            arm="champion",
            version="3f6c1a0b9d2e4f58",
            served_by="3f6c1a0b9d2e4f58",
            value=(n % 997) / 997,
            latency_ms=0.4,
            inputs=(n % 12, n % 31, "UA", "EWR", "IAH", n % 2400, 1400.5, 227.0, None, "N14228", n % 24, n % 60 / 7),
        )
        for n in range(count)
    ]


def segments(folder: Path, rows: list[Prediction]) -> None:
    writer = SegmentWriter(folder / "log")
    for at in range(0, len(rows), GROUP):
        writer.append(rows[at : at + GROUP])
    writer.close()


def sqlite(folder: Path, rows: list[Prediction]) -> None:
    """A column per field, WAL, one commit a group; synchronous = NORMAL syncs at checkpoints alone."""
    fields = Prediction.__struct_fields__
    database = sqlite3.connect(folder / "log.db")
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute(f"create table predictions ({', '.join(fields)})")
    insert = f"insert into predictions values ({', '.join('?' * len(fields))})"
    encode = msgspec.json.Encoder().encode
    for at in range(0, len(rows), GROUP):
        group = (msgspec.structs.astuple(row) for row in rows[at : at + GROUP])
        database.executemany(insert, [(*row[:-2], encode(row[-2]), encode(row[-1])) for row in group])
        database.commit()
    database.close()


def cpu_us(write: Callable[[Path, list[Prediction]], None], place: Path, rows: list[Prediction]) -> float:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        before = time.process_time()
        write(Path(folder), rows)
        return (time.process_time() - before) / len(rows) * 1e6


def append_us(place: Path) -> list[float]:
    """CPU of one served call's `Logbook.append`, the syncer's share with it: a time for each 20,000 calls."""
    rows = [[row] for row in calls(20_000)]
    found: list[float] = []
    with tempfile.TemporaryDirectory(dir=place) as folder:
        book = Logbook(SegmentWriter(Path(folder) / "log"))
        for _ in range(2 * ROUNDS):
            before = time.process_time()
            for row in rows:
                book.append(row)
            found.append((time.process_time() - before) / len(rows) * 1e6)
        book.close()
    return found


def write_us(place: Path) -> float:
    """CPU of the write() alone, of as many bytes."""
    row = entry_encoder.encode(calls(1))
    with tempfile.TemporaryFile(dir=place) as file:
        before = time.process_time()
        for number in range(20_000):
            os.pwrite(file.fileno(), row, number * len(row))
        return (time.process_time() - before) / 20_000 * 1e6


def paced_ms(place: Path, a_second: int = 20_000, for_s: float = 10.0) -> tuple[float, list[float]]:
    """Rows a second kept, and the append's own time, when rows come in tens at a steady pace."""
    found: list[float] = []
    rows = calls(10_000)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        writer = SegmentWriter(Path(folder) / "log")
        began, told = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < for_s:
            if told >= now * a_second:
                time.sleep(0.0005)
                continue
            at = told % len(rows)
            sent = time.perf_counter()
            writer.append(rows[at : at + 10])
            found.append((time.perf_counter() - sent) * 1e3)
            told += 10
        writer.close()
    return told / for_s, found


def main(place: Path) -> None:
    rows = calls(ROWS)
    ours, theirs = (np.median([cpu_us(write, place, rows) for _ in range(ROUNDS)]) for write in (segments, sqlite))
    print(
        f"CPU a row in groups of {GROUP:,}: segments {ours:.2f} us, SQLite {theirs:.2f} us, {ours / theirs:.2f} of it"
    )
    own = append_us(place)
    print(
        f"CPU of one call's append: median {np.median(own):.2f} us, least {min(own):.2f} us; of which write() "
        f"{np.median([write_us(place) for _ in range(ROUNDS)]):.2f} us"
    )
    pace, waited = paced_ms(place)
    p50, p99 = np.median(waited), np.quantile(waited, 0.99)
    print(f"paced, buffered: {pace:,.0f} rows/s; append of ten p50 {p50:.3f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
