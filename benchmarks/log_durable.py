"""How long a durable answer waits, beside what the disk itself takes, in turns under one load.

    python benchmarks/log_durable.py [FOLDER] [ROUNDS]

FOLDER lies on the disk to be measured, the current one where left out. All the while another process logs 20,000
predictions a second into a segment of its own on the same disk, buffered, as a busy worker does. In turns of half a second:
the disk's own (append as many bytes as one frame of ours has, fdatasync), and 1, 8 and 32 callers that each append one
prediction durably, again and again. Last, 20,000 durable predictions a second, paced, in requests of 25 rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lockgate.store.segment_writer import SegmentWriter, fdatasync
from log_cost import calls

TURN_S, ROUNDS = 0.5, 12
CALLERS = (1, 8, 32)
A_SECOND, REQUEST, ASKERS = 20_000, 25, 16
LOAD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from log_cost import calls
from lockgate.store.segment_writer import SegmentWriter

writer, rows = SegmentWriter(Path(sys.argv[1])), calls(10_000)
print("ready", flush=True)
began, told = time.perf_counter(), 0
while True:
    due = int((time.perf_counter() - began) * int(sys.argv[3]))
    while told < due:
        writer.append(rows[told % 10_000 : told % 10_000 + 10])
        told += 10
    time.sleep(0.0005)
"""


def disk(folder: Path, size: int) -> list[float]:
    """The disk's own for one turn, in ms."""
    found: list[float] = []
    file = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    until = time.perf_counter() + TURN_S
    while (began := time.perf_counter()) < until:
        os.write(file, b"x" * size)
        fdatasync(file)
        found.append((time.perf_counter() - began) * 1e3)
    os.close(file)
    return found


def ours(writer: SegmentWriter, callers: int) -> list[float]:
    """One turn of callers that wait for each of their predictions, in ms."""
    found: list[float] = []
    rows = calls(100)
    until = time.perf_counter() + TURN_S

    def ask(caller: int) -> None:
        while (began := time.perf_counter()) < until:
            writer.append([rows[caller]], durable=True)
            found.append((time.perf_counter() - began) * 1e3)

    _at_once(ask, callers)
    return found


def paced(writer: SegmentWriter, for_s: float) -> tuple[float, list[float]]:
    """Rows a second kept, and what each request waited from when it was due, in ms."""
    found: list[float] = []
    rows = calls(REQUEST)
    started, count, lock = time.perf_counter(), iter(range(10**9)), threading.Lock()

    def ask(_asker: int) -> None:
        while True:
            with lock:
                due = started + next(count) * REQUEST / A_SECOND
            if due > started + for_s:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            writer.append(rows, durable=True)
            found.append((time.perf_counter() - due) * 1e3)

    _at_once(ask, ASKERS)
    return len(found) * REQUEST / (time.perf_counter() - started), found


def _at_once(ask: Callable[[int], None], many: int) -> None:
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Timed:
    """The real sync, and how long each took, in ms: what is left of an answer's wait is queueing and threads."""

    def __init__(self) -> None:
        self.took: list[float] = []

    def __call__(self, file: int) -> None:
        began = time.perf_counter()
        fdatasync(file)
        self.took.append((time.perf_counter() - began) * 1e3)


def told(name: str, waited: list[float], own: list[float], synced: Timed) -> str:
    p50, p99 = np.quantile(waited, [0.5, 0.99])
    own50, own99 = np.quantile(own, [0.5, 0.99])
    ours50, ours99 = np.quantile(synced.took, [0.5, 0.99])
    synced.took.clear()
    return (
        f"{name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(waited):,}, its syncs {ours50:.2f} and {ours99:.2f} ms; "
        f"the disk's own {own50:.2f} and {own99:.2f} ms ({own99 / own50:.1f} medians); "
        f"our p99 is {p99 / own50:.1f} disk medians, {p99 / own99:.2f} disk p99s"
    )


def main(place: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir=place) as root:
        folder = Path(root)
        load = subprocess.Popen(
            [sys.executable, "-c", LOAD, str(folder / "load"), str(Path(__file__).parent), str(A_SECOND)],
            stdout=subprocess.PIPE,
        )
        try:
            assert load.stdout is not None
            load.stdout.readline()
            synced = Timed()
            writer = SegmentWriter(folder / "log", sync=synced)
            size = 190
            for callers in CALLERS:
                own: list[float] = []
                waited: list[float] = []
                for _ in range(rounds):
                    own += disk(folder, size * callers)
                    waited += ours(writer, callers)
                print(told(f"durable, {callers} callers", waited, own, synced), flush=True)
            own, waited, kept = [], [], []
            for _ in range(rounds):
                own += disk(folder, size * REQUEST * 4)
                pace, found = paced(writer, TURN_S)
                waited += found
                kept.append(pace)
            print(told(f"durable, paced at {np.median(kept):,.0f} rows/s", waited, own, synced))
            writer.close()
        finally:
            load.kill()
            load.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
