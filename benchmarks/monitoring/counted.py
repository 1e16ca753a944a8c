"""What a served call pays to be counted: on its caller's path, and in the thread that counts.

    OMP_NUM_THREADS=1 python benchmarks/monitoring/counted.py [--calls 50000] [--rounds 5]

Twenty numbers a call, eight calls a request, medians of the rounds in microseconds of CPU a call. `LiveWindow` alone is the
counting without grouping by version and hour.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np

from lockgate.features.profiles.columns import reference
from lockgate.features.profiles.rows import LiveWindow
from lockgate.records import Column, Prediction
from lockgate.records.prediction import Window
from lockgate.serve.counted import Asked, Counted

COLUMNS, AT_ONCE = 20, 8


def calls(rows: np.ndarray) -> list[list[Prediction]]:
    made = [
        Prediction(
            id=f"c{place}",
            model="m",
            unit=f"c{place}",
            asked_s=1_700_049_600.0 + place / 50,
            answered_s=1.0,
            arm="champion",
            version="v",
            served_by="v",
            value=0.5,
            latency_ms=1.0,
            inputs=tuple(row),
        )
        for place, row in enumerate(rows.tolist())
    ]
    return [made[start : start + AT_ONCE] for start in range(0, len(made), AT_ONCE)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    names = [f"x{place:02d}" for place in range(COLUMNS)]
    order = tuple(names)
    known = reference(
        {name: rng.standard_normal(30_000) for name in names}, [Column(name=name, type="float") for name in names]
    )
    requests = calls(rng.standard_normal((asked.calls, COLUMNS)))
    kept: list[Window] = []

    def keep(windows: Sequence[Window]) -> None:
        kept.extend(windows)

    noted, looked, alone = list[float](), list[float](), list[float]()
    for _ in range(asked.rounds):
        counted = Counted(lambda _version: known, keep)
        began = time.process_time()
        for entries in requests:
            counted.note(entries)
        middle = time.process_time()
        counted.look({"m": Asked(order, "v")}, is_last=True)
        looked.append(time.process_time() - middle)
        noted.append(middle - began)
        live, began = LiveWindow(known, order), time.process_time()
        for entries in requests:
            for call in entries:
                live.add(call.inputs, call.value, call.asked_s)
        live.take()
        alone.append(time.process_time() - began)
    for what, took in (("on the caller's path", noted), ("counting, and writing", looked), ("LiveWindow alone", alone)):
        print(f"{what:<24}{statistics.median(took) / asked.calls * 1e6:8.3f} us a call")


if __name__ == "__main__":
    main()
