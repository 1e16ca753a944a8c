"""A point-in-time join for training: the last value before each label, ours beside Feast's on the same two files.

    python benchmarks/feast_join.py PYTHON_OF_AN_ENVIRONMENT_WITH_FEAST [labels] [events]

Feast lives in an environment of its own (`python -m venv rival && rival/bin/pip install feast`), with a file as its offline
store, and is asked by `get_historical_features`. Both read the same Parquet files, each in a process of its own, and what
they give is compared label by label. One label in twenty is of a key without any event, and of some keys all events come
later than a label. Feast counts an event of the very moment of the label, ours only those before it: no two moments are the
same here.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

KEYS, ROUNDS = 5_000, 3
STAMP = pl.Datetime("us", "UTC")
FIRST_US = 1_672_531_200_000_000  # 2023
YEAR_US = 365 * 86_400_000_000
FEAST = """
import json, resource, sys, time
from datetime import timedelta
from pathlib import Path
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType

room = Path(sys.argv[1])
store = FeatureStore(config=RepoConfig(project="bench", registry=str(room / "registry.db"), provider="local",
    entity_key_serialization_version=3))
unit = Entity(name="unit", join_keys=["unit"], value_type=ValueType.INT64)
view = FeatureView(name="v", entities=[unit], ttl=timedelta(0), schema=[Field(name="x", dtype=Float64)],
    source=FileSource(path=str(room / "events.parquet"), timestamp_field="at"))
store.apply([unit, view])
labels = pd.read_parquet(room / "labels.parquet").rename(columns={"t": "event_timestamp"})
began, worked = time.perf_counter(), time.process_time()
joined = store.get_historical_features(entity_df=labels, features=["v:x"]).to_df()
took, worked = time.perf_counter() - began, time.process_time() - worked
joined[["place", "x"]].to_parquet(room / "feast.parquet")
print(json.dumps({"s": worked, "clock_s": took, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def lay_out(room: Path, labels: int, events: int) -> None:
    rng = np.random.default_rng(11)
    moments = rng.permutation(YEAR_US // 1_000_000)[: labels + events] * 1_000_000 + FIRST_US
    past = pl.DataFrame({"at": moments[:events], "unit": rng.integers(0, KEYS, events), "x": rng.normal(size=events)})
    asked = pl.DataFrame({"place": np.arange(labels), "t": moments[events:]})
    unit = np.where(rng.random(labels) < 0.05, KEYS + 7, rng.integers(0, KEYS, labels))
    past.with_columns(pl.col("at").cast(STAMP)).write_parquet(room / "events.parquet")
    asked.with_columns(pl.col("t").cast(STAMP), unit=unit).write_parquet(room / "labels.parquet")


def ours(room: Path) -> None:
    from lockgate.features import as_of
    from lockgate.features.aggregate import define
    from lockgate.records import AggregateSpec, SourceSpec

    source = SourceSpec(key="id", time="at", columns={"id": "int", "at": "time", "unit": "int", "x": "float"})
    own = define("x", AggregateSpec(source="s", by=("unit",), last="x"), {"s": source})
    asked = pl.read_parquet(room / "labels.parquet")
    began, worked = time.perf_counter(), time.process_time()
    past = pl.read_parquet(room / "events.parquet").with_row_index("id").with_columns(pl.col("id").cast(pl.Int64))
    found = as_of.computed(asked, "t", {"x": own}, {"s": past}, stale_after_us={"s": None}).columns["x"]
    took, worked = time.perf_counter() - began, time.process_time() - worked
    asked.select("place", x=found).write_parquet(room / "ours.parquet")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"s": worked, "clock_s": took, "gb": peak}))


def ran(argv: list[str]) -> dict[str, Any]:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(python: str, labels: int, events: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        lay_out(room, labels, events)
        ways = {
            "ours": [sys.executable, __file__, "--as", folder],
            "Feast": [python, "-W", "ignore", "-c", FEAST, folder],
        }
        runs = {who: [ran(argv) for _ in range(ROUNDS)] for who, argv in ways.items()}
        own, other = (pl.read_parquet(room / f"{name}.parquet").sort("place") for name in ("ours", "feast"))
    print(f"{labels:,} labels, {events:,} events, {KEYS:,} keys")
    for who, found in runs.items():
        best = min(found, key=lambda run: run["s"])
        print(f"{who:>6}: {best['s']:.2f} s of processor, {best['clock_s']:.2f} by the clock, peak {best['gb']:.2f} GB")
    theirs = other.with_columns(pl.col("x").fill_nan(None))
    both = own.join(theirs, on="place", suffix="_theirs")
    same = both.height == theirs.height and both["x"].equals(both["x_theirs"].alias("x"))
    lost = own.join(theirs, on="place", how="anti")
    print(
        f"rows out: ours {own.height:,}, Feast {theirs.height:,}; values of these {'the same' if same else 'NOT the same'}; "
        f"{min(run['s'] for run in runs['Feast']) / min(run['s'] for run in runs['ours']):.0f} times less processor time"
    )
    print(
        f"labels without history: ours keeps {own['x'].null_count():,}, with nulls; Feast keeps "
        f"{theirs['x'].null_count():,} and drops {lost.height:,}, of keys whose events all came later"
    )
    return 0 if same and own.height == labels and lost["x"].null_count() == lost.height else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(print("left out: name the Python of an environment with Feast"))
    if sys.argv[1] == "--as":
        ours(Path(sys.argv[2]))
    else:
        sizes = [int(size) for size in sys.argv[2:]] or [100_000, 1_000_000]
        sys.exit(main(sys.argv[1], *sizes))
