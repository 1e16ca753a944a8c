"""A stored feature read: ten values of one key, ours beside Feast's online store on SQLite.

    python benchmarks/stored_read.py PYTHON_OF_AN_ENVIRONMENT_WITH_FEAST

Feast lives in an environment of its own (`python -m venv rival && rival/bin/pip install feast`); the same 1,000 keys with ten
numbers each stand in both. Ours are ten aggregates over an event store on disk, followed as a worker follows it: each read
looks whether another process has added anything, at most every 5 ms. Feast's is `get_online_features` of one entity, and, to
leave out what it spends on its own answer's form, `online_read` of its SQLite store alone. They take turns, in processes of
their own. Limit: at least 20 times as fast as `get_online_features`.
Then what training makes of a label whose key has no history: ours keeps its row, with nulls.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lockgate.features.aggregate import define
from lockgate.records import AggregateSpec, Column, Contract, Event, SourceSpec
from lockgate.serve.completing import Completing
from lockgate.serve.online import Online
from lockgate.store.event_store import EventStore

KEYS, READS, ROUNDS, LEAST = 1_000, 2_000, 5, 20.0
NAMES = [f"f{number}" for number in range(10)]
SOURCE = SourceSpec(
    key="id", time="at", columns={"id": "int", "at": "time", "unit": "int", **dict.fromkeys(NAMES, "float")}
)
FEAST = """
import json, statistics, sys, time
from datetime import datetime, timedelta, timezone
from pathlib import Path
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

room, keys, reads, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
names = [f"f{n}" for n in range(10)]
now = datetime.now(timezone.utc) - timedelta(hours=1)
table = pd.DataFrame({"unit": range(keys), "at": [now] * keys, **{n: [float(i) for i in range(keys)] for n in names}})
table.to_parquet(room / "rows.parquet")
config = RepoConfig(project="bench", registry=str(room / "registry.db"), provider="local",
    online_store=SqliteOnlineStoreConfig(path=str(room / "online.db")), entity_key_serialization_version=3)
store = FeatureStore(config=config)
unit = Entity(name="unit", join_keys=["unit"], value_type=ValueType.INT64)
source = FileSource(path=str(room / "rows.parquet"), timestamp_field="at")
view = FeatureView(name="v", entities=[unit], ttl=timedelta(days=1), schema=[Field(name=n, dtype=Float64) for n in names],
    source=source)
store.apply([unit, view])
store.materialize(now - timedelta(days=1), now + timedelta(minutes=1))
asked = [f"v:{n}" for n in names]
def api(key):
    return store.get_online_features(features=asked, entity_rows=[{"unit": key}]).to_dict()
found = api(7)
assert found["f3"] == [7.0], found
view = store.get_feature_view("v")
online = store._get_provider().online_store
def bare(key):
    return online.online_read(config, view, [EntityKey(join_keys=["unit"], entity_values=[Value(int64_val=key)])], names)
assert bare(7)[0][1] is not None
took = {}
for name, read in (("api", api), ("bare", bare)):
    best = []
    for _ in range(rounds):
        began = time.perf_counter()
        for number in range(reads):
            read(number % keys)
        best.append((time.perf_counter() - began) / reads * 1e6)
    took[name] = min(best)
labels = pd.DataFrame({"unit": [7, keys + 1], "event_timestamp": [now + timedelta(minutes=5)] * 2})
joined = store.get_historical_features(entity_df=labels, features=asked).to_df()
took["labels"] = [len(labels), len(joined)]
print(json.dumps(took))
"""


def ours(room: Path) -> Completing:
    """Ten aggregates of one key; the store was filled by another connection, as by another process."""
    columns = [Column(name="unit", type="int"), Column(name="asked", type="time", is_nullable=True)]
    for name in NAMES:
        spec = AggregateSpec(source="s", by=("unit",), last=name, window="1d")
        columns.append(Column(name=name, type="float", is_nullable=True, aggregate=define(name, spec, {"s": SOURCE})))
    order = SOURCE.stream.names
    at = time.time_ns() // 1000 - 3_600_000_000
    rows = ({"id": key, "at": at, "unit": key} | dict.fromkeys(NAMES, float(key)) for key in range(KEYS))
    EventStore(room / "events.db").add(
        "s", [Event(at, at, row["id"], tuple(row[name] for name in order)) for row in rows]
    )
    contract = Contract(model="m", columns=tuple(columns), target="y", time="asked")
    return Completing(contract, {"s": SOURCE}, Online(EventStore(room / "events.db")))


def timed(of: Completing) -> float:
    """Microseconds a read: ten values of one row, as a call gets them."""
    began = time.perf_counter()
    for number in range(READS):
        of.row({"unit": number % KEYS}, time.time_ns() // 1000)
    return (time.perf_counter() - began) / READS * 1e6


def rival(python: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as room:
        argv = [python, "-W", "ignore", "-c", FEAST, room, str(KEYS), str(READS), str(ROUNDS)]
        ran = subprocess.run(argv, check=False, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(ran.stderr[-3000:])
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return found


def main(python: str) -> int:
    with tempfile.TemporaryDirectory() as room:
        of = ours(Path(room))
        assert of.row({"unit": 7}, time.time_ns() // 1000) == dict.fromkeys(NAMES, 7.0)
        before = [timed(of) for _ in range(ROUNDS)]
        found = rival(python)
        own = min(*before, *[timed(of) for _ in range(ROUNDS)])
    print(f"ours: {own:.1f} us for ten values (median of rounds {statistics.median(before):.1f})")
    print(f"Feast on SQLite: {found['api']:.0f} us by get_online_features, {found['bare']:.0f} us by its store alone")
    print(f"ratio: {found['api'] / own:.0f} (at least {LEAST:.0f}); of its store alone {found['bare'] / own:.0f}")
    asked, out = found["labels"]
    print(
        f"training: of {asked} labels, one of a key without history, Feast gives {out} rows back; ours as many as asked"
    )
    return 0 if found["api"] / own >= LEAST else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(print("left out: name the Python of an environment with Feast"))
    sys.exit(main(sys.argv[1]))
