"""What the loop holds of a call whose day has not been closed: bytes each, and the time to take it in.

    python benchmarks/loop_memory.py

No rival: the limit is the machine's memory. A call has seven numbers and three texts, and comes as the log gives it, decoded
from msgpack.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

from lockgate.features import many_calls
from lockgate.monitor.fold import Fold
from lockgate.records import Prediction
from lockgate.records.prediction import entry_encoder, lines_decoder

CALLS, AT_ONCE = 200_000, 2_000
VERSION = "a" * 64


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def logged(number: int) -> Prediction:
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
        inputs=(*(number + place / 7 for place in range(7)), "AA", "JFK", "LAX"),
    )


def main() -> None:
    fold = Fold("late", horizon_s=14 * 86_400.0)
    gc.collect()
    before, spent = resident(), 0.0
    for first in range(0, CALLS, AT_ONCE):
        frame = entry_encoder.encode([logged(first + place) for place in range(AT_ONCE)])
        began = time.process_time()
        fold.feed(many_calls.entries(lines_decoder.decode(frame)), now_s=2e9)
        spent += time.process_time() - began
    gc.collect()
    held = (resident() - before) / CALLS
    print(f"an open call: {held:,.0f} bytes, {1e6 * spent / CALLS:.1f} us to take in; a million: {held:,.0f} MB")


if __name__ == "__main__":
    main()
