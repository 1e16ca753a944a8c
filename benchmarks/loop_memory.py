"""What the loop holds of a call whose day has not been closed: bytes each, and the time to take it in.

    python benchmarks/loop_memory.py [--calls 500000]

No rival: the limit is the machine's memory. The bar: 200 bytes for a call of seven numbers and three texts, as the log gives
it, decoded from msgpack. Beside it, without a bar: what a rollout and time add, another version's answer and the outcome, a
stretch later. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from pathlib import Path

from lockgate.features import many_calls
from lockgate.monitor.fold import Fold
from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry, entry_encoder, lines_decoder

CALLS, AT_ONCE = 500_000, 2_000
VERSION, OTHER = "a" * 64, "b" * 64
KINDS = ("by itself", "with its shadow and outcome")


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def logged(number: int, rollout: str | None) -> Prediction:
    return Prediction(
        id=f"{number:032x}-0",
        model="late",
        unit=f"N{number % 5_000}",
        asked_s=1.7e9 + number / 100,
        answered_s=1.7e9 + number / 100,
        arm="champion",
        version=VERSION,
        served_by=VERSION,
        value=0.5,
        latency_ms=1.0,
        rollout=rollout,
        inputs=(*(number + place / 7 for place in range(7)), "AA", "JFK", "LAX"),
    )


def later(call: Prediction) -> list[LogEntry]:
    known = {"id": call.id, "model": call.model}
    return [
        Shadow(**known, version=OTHER, rollout="r1", asked_s=call.asked_s, value=0.4, latency_ms=1.0),  # type: ignore[arg-type]
        Outcome(**known, value=1.0, at_s=call.asked_s + 3600, received_s=call.asked_s + 4000),  # type: ignore[arg-type]
    ]


def measure(calls: int, kind: str) -> None:
    taken_in(10 * AT_ONCE, kind)  # what a process takes once, and what a stretch takes while it is read
    gc.collect()
    before = resident()
    fold, each_us = taken_in(calls, kind)
    gc.collect()
    held = (resident() - before) / calls
    print(f"an open call {kind}: {held:,.0f} bytes, {each_us:.1f} us an entry; a million: {held:,.0f} MB")
    assert fold.model == "late"


def taken_in(calls: int, kind: str) -> tuple[Fold, float]:
    """A fold that has taken in so many calls, and microseconds of CPU for each entry, decoding counted."""
    is_joined = kind == KINDS[1]
    fold = Fold("late", horizon_s=14 * 86_400.0)
    spent, entries = 0.0, 0
    waiting: list[LogEntry] = []
    for first in range(0, calls, AT_ONCE):
        own: list[LogEntry] = [logged(first + place, "r1" if is_joined else None) for place in range(AT_ONCE)]
        frame, entries = entry_encoder.encode(waiting + own), entries + len(waiting) + len(own)
        waiting = [fact for call in own if isinstance(call, Prediction) for fact in later(call)] if is_joined else []
        began = time.process_time()
        fold.feed(many_calls.entries(lines_decoder.decode(frame)), now_s=2e9)
        if is_joined:
            fold.ripe("r1")
        spent += time.process_time() - began
    return fold, 1e6 * spent / entries


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--calls", type=int, default=CALLS)
    asked.add_argument("--kind", choices=KINDS, help="one, in this process")
    args = asked.parse_args()
    if args.kind:
        measure(args.calls, args.kind)
        return
    for kind in KINDS:
        subprocess.run([sys.executable, __file__, "--calls", str(args.calls), "--kind", kind], check=True)


if __name__ == "__main__":
    main()
