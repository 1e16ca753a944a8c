"""A million labels and ten million events: the last value before each label, ours beside Polars' own as-of join.

    python benchmarks/as_of_join.py [labels] [events]

Both sort what they must, and give the rows back in the order in which they were asked: an as-of join under `by` trusts that
its sides are sorted, and cannot check it. Each measurement is a process of its own, so that its largest memory is its own;
they take turns. What is compared is processor time, which neighbours on the machine disturb least; the clock's is printed
beside it. Limits: at most 1.2 times as long as Polars, under 2 GB, as many rows out as in, and the same values.
The lines below have no counterpart in Polars: two clocks (an event counts from when it was known), a count, and a sum that is
exact whatever its order.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
import polars as pl

from lockgate.features import as_of
from lockgate.features.aggregate import define
from lockgate.records import AggregateSpec, SourceSpec

KEYS, ROUNDS = 100_000, 3
MOST_RATIO, MOST_GB = 1.2, 2.0
ONE = SourceSpec(key="id", time="at", columns={"id": "int", "at": "time", "unit": "int", "x": "float"})
TWO = SourceSpec(
    key="id", time="at", known="told", columns={"id": "int", "at": "time", "told": "time", "unit": "int", "x": "float"}
)
ASKED: dict[str, tuple[SourceSpec, dict[str, Any]]] = {
    "last": (ONE, {"last": "x"}),
    "last, two clocks": (TWO, {"last": "x"}),
    "count, 30 d": (ONE, {"count": True, "window": "30d"}),
    "sum, 30 d": (ONE, {"sum": "x", "window": "30d"}),
}


def tables(labels: int, events: int, *, has_known: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A year; some units have no event before their label, and some of the labels no event at all."""
    rng = np.random.default_rng(7)
    year = 365 * 86_400_000_000
    at = rng.integers(0, year, events)
    told = {"told": at + rng.integers(0, 7_200_000_000, events)} if has_known else {}
    past = pl.DataFrame(
        {"id": np.arange(events), "at": at, **told, "unit": rng.integers(0, KEYS, events), "x": rng.normal(size=events)}
    )
    asked = pl.DataFrame({"t": rng.integers(0, year, labels), "unit": rng.integers(0, KEYS + 1000, labels)})
    stamp = pl.Datetime("us", "UTC")
    return asked.with_columns(pl.col("t").cast(stamp)), past.with_columns(pl.col("at", *told).cast(stamp))


def rival(asked: pl.DataFrame, past: pl.DataFrame) -> pl.Series:
    joined = (
        asked.with_row_index("place")
        .sort("t")
        .join_asof(
            past.sort("at"),
            left_on="t",
            right_on="at",
            by="unit",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    )
    return joined.sort("place")["x"]


def measure(who: str, labels: int, events: int) -> None:
    source, kind = ASKED.get(who, ASKED["last"])
    asked, past = tables(labels, events, has_known=source is TWO)
    began, worked = time.perf_counter(), time.process_time()
    if who == "polars":
        found = rival(asked, past)
    else:
        own = define("x", AggregateSpec(source="s", by=("unit",), **kind), {"s": source})
        found = as_of.computed(asked, "t", {"x": own}, {"s": past}, stale_after_us={"s": None}).columns["x"]
    took, worked = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    digest = int(found.hash(seed=1).sum() % 2**61)
    print(
        json.dumps(
            {
                "s": worked,
                "clock_s": took,
                "gb": peak,
                "rows": found.len(),
                "null": found.null_count(),
                "digest": digest,
            }
        )
    )


def child(who: str, labels: int, events: int) -> dict[str, Any]:
    argv = [sys.executable, __file__, "--as", who, str(labels), str(events)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def main(labels: int, events: int) -> int:
    print(f"{labels:,} labels, {events:,} events, {KEYS:,} units")
    runs: dict[str, list[dict[str, Any]]] = {"polars": [], "last": []}
    for _ in range(ROUNDS):
        for who, found in runs.items():
            found.append(child(who, labels, events))
    for who in list(ASKED)[1:]:
        runs[who] = [child(who, labels, events)]
    for who, found in runs.items():
        took, clock = (statistics.median(run[kind] for run in found) for kind in ("s", "clock_s"))
        print(
            f"{who:>17}: {took:6.2f} s ({clock:.2f} by the clock)  peak {max(run['gb'] for run in found):.2f} GB  "
            f"{found[0]['rows']:,} rows out, "
            f"{found[0]['null']:,} without history"
        )
    pairs = zip(runs["last"], runs["polars"], strict=True)
    ratio = statistics.median(own["s"] / other["s"] for own, other in pairs)
    peak = max(run["gb"] for found in runs.values() for run in found)
    same = len({run["digest"] for who in ("polars", "last") for run in runs[who]}) == 1
    rows = all(run["rows"] == labels for found in runs.values() for run in found)
    print(
        f"time: {ratio:.2f} of Polars' own (at most {MOST_RATIO}); peak {peak:.2f} GB (under {MOST_GB}); "
        f"values {'the same' if same else 'NOT the same'}; rows {'kept' if rows else 'NOT kept'}"
    )
    return 0 if ratio <= MOST_RATIO and peak < MOST_GB and same and rows else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sizes = [int(size) for size in sys.argv[1:]] or [1_000_000, 10_000_000]
        sys.exit(main(*sizes))
