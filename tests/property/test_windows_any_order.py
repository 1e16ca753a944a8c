"""Calls are counted by any number of workers, cut and shipped in any order: the judge comes to the same state, to the bit."""

from __future__ import annotations

import random

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features.columns import from_tuples
from lockgate.features.profiles.columns import reference
from lockgate.features.profiles.rows import LiveWindow
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_watch import DriftWatch, Reign
from lockgate.monitor.hours import GRACE_S, HOUR_S
from lockgate.records import Alarm, Column, MonitorSpec
from lockgate.records.drift import DriftStanding
from lockgate.records.prediction import Scalar, Window
from lockgate.records.record import encode
from lockgate.store.memory import MemoryRecords

COLUMNS = (Column(name="wait", type="float"), Column(name="carrier", type="text"))
ORDER = ("wait", "carrier")
START, HOURS, PER_HOUR = 1_700_049_600.0, 5, 120
SPEC = MonitorSpec(window="1h", drift_at=0.1)
Row = tuple[Scalar, ...]


def rows(seed: int, count: int, mean: float = 0.0) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        (float(x), "AA" if y < 0.5 else "UA")
        for x, y in zip(rng.normal(mean, 1, count), rng.random(count), strict=True)
    ]


REFERENCE = msgspec.structs.replace(
    reference(from_tuples(COLUMNS, rows(0, 5_000)), COLUMNS), importance={"wait": 0.9, "carrier": 0.1}
)
TRAFFIC = [(START + hour * HOUR_S, row) for hour in range(HOURS) for row in rows(hour + 1, PER_HOUR, 0.3 * hour)]


def shipped(workers: int, seed: int) -> list[Window]:
    """Every call to some worker, every worker's counts written after some calls."""
    draw = random.Random(seed)
    live: dict[tuple[int, float], LiveWindow] = {}
    found: list[Window] = []
    numbers = [0] * workers

    def write(worker: int, hour_s: float) -> None:
        profile = live.pop((worker, hour_s)).take()
        found.append(
            Window(
                model="m",
                version="v1",
                who=f"w{worker}",
                number=numbers[worker],
                since_s=hour_s,
                until_s=hour_s + HOUR_S,
                profile=encode(profile).decode(),
            )
        )
        numbers[worker] += 1

    for hour_s, row in draw.sample(TRAFFIC, len(TRAFFIC)):
        key = (draw.randrange(workers), hour_s)
        live.setdefault(key, LiveWindow(REFERENCE, ORDER)).add(row, 0.5, hour_s + 1)
        if draw.random() < 0.02:
            write(*key)
    for key in list(live):
        write(*key)
    draw.shuffle(found)
    return found


def judged(windows: list[Window]) -> tuple[DriftStanding, list[str]]:
    records = MemoryRecords()
    watch = DriftWatch("m", SPEC, records)
    watch.feed(Batch(windows))
    at_s = START + HOURS * HOUR_S + GRACE_S
    watch.look(Reign("v1", START), REFERENCE, event_s=at_s, now_s=at_s)
    (found,) = records.all(DriftStanding)
    return msgspec.structs.replace(found, read=()), [alarm.sentence for alarm in records.all(Alarm)]


ONE_WORKER = judged(shipped(1, 0))


@settings(max_examples=12, deadline=None)
@given(workers=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_however_calls_are_split_over_workers_and_shipped_the_judge_is_the_same(workers: int, seed: int) -> None:
    found = judged(shipped(workers, seed))
    assert found == ONE_WORKER
    assert found[0].counted == HOURS * PER_HOUR
    assert len(found[1]) == 1, "and it is one that has something to say"
