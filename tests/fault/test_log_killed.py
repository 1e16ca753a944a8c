"""A logging process killed in the middle of anything: what it had acknowledged is there, and nothing torn is taken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockgate.records import Outcome
from lockgate.store.frames import frames, is_sealed
from lockgate.store.segments import SegmentLog

# Acknowledged numbers go through a pipe, which the kernel keeps when the process dies.
CODE = """
import os, sys, threading
from pathlib import Path
from lockgate.records import Outcome
from lockgate.store.segment_writer import SegmentWriter

writer = SegmentWriter(Path(sys.argv[1]), seal_bytes=40_000)
durable = sys.argv[2] == "durable"

def write(thread):
    number = 0
    while True:
        ids = [f"{sys.argv[3]}-{thread}-{number + n}" for n in range(7)]
        writer.append([Outcome(id=i, model="m", value=1.0, at_s=1.0, received_s=1.0) for i in ids], durable=durable)
        os.write(1, (" ".join(ids) + "\\n").encode())
        number += 7

for thread in range(4):
    threading.Thread(target=write, args=(thread,), daemon=True).start()
os.write(1, b"ready\\n")
threading.Event().wait()
"""


def kill_one(place: Path, mode: str, name: str, after_s: float) -> list[str]:
    """The ids that one logging process had acknowledged when it was killed."""
    process = subprocess.Popen([sys.executable, "-c", CODE, str(place), mode, name], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    with process.stdout as out:
        first = out.readline()
        os.set_blocking(out.fileno(), True)
        told = bytearray(first)
        until = time.monotonic() + after_s
        while time.monotonic() < until:
            told += os.read(out.fileno(), 1 << 16)
        os.kill(process.pid, signal.SIGKILL)
        told += out.read()
    process.wait()
    return [name for line in told.decode().splitlines() if line != "ready" for name in line.split()]


def killed(place: Path, mode: str, times: int) -> None:
    chance = random.Random(97)
    acknowledged: list[str] = []
    for number in range(times):
        acknowledged += kill_one(place, mode, f"{mode}{number}", chance.uniform(0.0, 0.08))
    found = [entry.id for entry in SegmentLog(place).read()[0]]
    assert len(acknowledged) > times
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    # Whole calls, none that was cut: a frame holds seven.
    assert len(found) % 7 == 0
    assert all(is_sealed(path) for path in place.glob("*.seg"))


@pytest.mark.parametrize("mode", ["buffered", "durable"])
def test_six_kills_lose_nothing_acknowledged(tmp_path: Path, mode: str) -> None:
    killed(tmp_path / "log", mode, 6)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["buffered", "durable"])
def test_fifty_kills_in_each_mode_lose_nothing_acknowledged(tmp_path: Path, mode: str) -> None:
    killed(tmp_path / "log", mode, 50)


def mutate(whole: bytes, start: int, chance: random.Random) -> bytes:
    """The last frame torn, flipped, overwritten, zeroed, repeated, swapped in length, or followed by noise."""
    tail = bytearray(whole[start:])
    kind, at = chance.randrange(7), chance.randrange(len(tail))
    if kind == 0:
        del tail[at:]
    elif kind == 1:
        tail[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        tail[at:] = chance.randbytes(len(tail) - at)
    elif kind == 3:
        tail[at:] = bytes(len(tail) - at)
    elif kind == 4:
        tail = tail * 2
    elif kind == 5:
        tail[4:8] = chance.randbytes(4)
    else:
        tail += chance.randbytes(chance.randrange(1, 60))
    return whole[:start] + bytes(tail)


def mutated_tails(place: Path, times: int) -> None:
    log = SegmentLog(place)
    writer = log.writer()
    told = [Outcome(id=f"p{n}", model="m", value=n / 3, at_s=float(n), received_s=float(n)) for n in range(4)]
    for entry in told:
        writer.append([entry])
    writer.close()
    (path,) = place.glob("*.seg")
    whole, starts = path.read_bytes(), [frame.end for frame in frames(path)]
    chance = random.Random(31)
    seen = {3: 0, 4: 0}
    for _ in range(times):
        path.write_bytes(mutate(whole, starts[2], chance))
        found, _ = log.read()
        assert found in (told[:3], told)
        seen[len(found)] += 1
    assert min(seen.values()) > times // 20


def test_a_thousand_mutated_tails_give_only_what_was_written(tmp_path: Path) -> None:
    mutated_tails(tmp_path, 1_000)


@pytest.mark.slow
def test_thirty_thousand_mutated_tails_give_only_what_was_written(tmp_path: Path) -> None:
    mutated_tails(tmp_path, 30_000)
