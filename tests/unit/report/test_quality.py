"""Skill, loss and drift of the standing champion as series: of its own closed days, read again when one more is closed."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

import lockgate as lg
from lockgate.errors import StoreError
from lockgate.records import Block, ModelSpec, Profile, Routing, WorkspaceSpec
from lockgate.records.drift import CountedDay, DriftStanding
from lockgate.report.quality import Quality
from lockgate.store.memory import MemoryRecords
from lockgate.telemetry.families import FAMILIES

SPEC = WorkspaceSpec(model={"m": ModelSpec(target="y")})
DAY_S = 86400.0


def profile(mean: float, against: Profile | None = None) -> Profile:
    rng = np.random.default_rng(1)
    made = {"delay": mean + rng.standard_normal(2_000), "seats": rng.choice([1.0, 2.0], 2_000)}
    return lg.profile(made, against=against)


REFERENCE = profile(0.0)


def block(day: int, *, scored: int = 100, champion: str = "c1") -> Block:
    return Block(
        model="m",
        start_s=day * DAY_S,
        end_s=(day + 1) * DAY_S,
        champion=champion,
        calls=120,
        labelled=scored,
        scored=scored,
        loss=0.4 * scored,
        base_loss=0.5 * scored,
        outcome_sum=1.0,
        failures=0,
    )


def counted(found: MemoryRecords, *days: int, mean: float = 0.0, champion: str = "c1") -> MemoryRecords:
    for day in days:
        whole = profile(mean, REFERENCE)
        found.write(
            CountedDay(model="m", version=champion, start_s=day * DAY_S, profile=whole),
            DriftStanding(model="m", version=champion, began_s=None, until_s=(day + 1) * DAY_S),
        )
    return found


def records(*blocks: Block) -> MemoryRecords:
    found = MemoryRecords()
    found.write(Routing(model="m", revision=1, champion="c1", baseline=None, constant=0.2), *blocks)
    return found


def told(quality: Quality) -> dict[tuple[Any, ...], float]:
    for name, labels, _ in quality.measured():
        assert len(labels) == len(FAMILIES[name].labels)
    return {(name, *labels): value for name, labels, value in quality.measured()}


def test_the_newest_day_with_enough_outcomes_is_told_and_a_thin_one_is_not():
    found = told(Quality(records(block(0), block(1, scored=5)), SPEC, lambda _: REFERENCE))
    assert found["lockgate_loss_mean", "m"] == pytest.approx(0.4)
    assert found["lockgate_skill_ratio", "m"] == pytest.approx(0.2)


def test_each_column_has_its_distance_and_the_one_that_moved_the_largest():
    found = told(Quality(counted(records(), 0, mean=1.0), SPEC, lambda _: REFERENCE))
    assert found["lockgate_drift_distance_ratio", "m", "delay"] > 0.3
    assert found["lockgate_drift_distance_ratio", "m", "seats"] == pytest.approx(0.0)


def test_days_that_were_counted_on_are_seen_and_only_those_in_the_window():
    held = counted(records(), *range(8), mean=1.0)
    quality = Quality(held, SPEC, lambda _: REFERENCE)
    before = told(quality)["lockgate_drift_distance_ratio", "m", "delay"]
    counted(held, *range(8, 15))
    assert before > 0.3
    assert told(quality)["lockgate_drift_distance_ratio", "m", "delay"] == pytest.approx(0.0)


def test_another_champions_days_say_nothing_of_this_one():
    held = counted(records(block(0, champion="c0")), 0, champion="c0")
    assert told(Quality(held, SPEC, lambda _: REFERENCE)) == {}


def test_a_day_more_is_seen_and_the_reference_is_not_read_meanwhile():
    held, asked = counted(records(block(0)), 0), list[str]()

    def reference(version: str) -> Profile:
        asked.append(version)
        return REFERENCE

    quality = Quality(held, SPEC, reference)
    first = told(quality)
    assert told(quality) == first
    assert asked == ["c1"]
    held.write(msgspec.structs.replace(block(1), loss=45.0))
    assert told(quality)["lockgate_loss_mean", "m"] == pytest.approx(0.45)
    assert asked == ["c1", "c1"]


def test_a_reference_that_cannot_be_read_leaves_the_rest():
    def reference(_: str) -> Profile:
        raise StoreError("Another engine counted it.")

    found = told(Quality(counted(records(block(0)), 0), SPEC, reference))
    assert set(found) == {("lockgate_loss_mean", "m"), ("lockgate_skill_ratio", "m")}
