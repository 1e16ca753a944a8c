"""A rollout that stands still on void evidence says so, and where to look."""

from __future__ import annotations

import numpy as np

import lockgate as lg
from lockgate.decide import ladder
from lockgate.decide.harm import judged
from lockgate.monitor.verdicts import verdict
from lockgate.records import Rollout, RolloutSpec, RolloutState, Routing
from lockgate.report.now import rows
from lockgate.store.memory import MemoryRecords

PLAN = RolloutSpec(ladder=("shadow", 0.25, 1.0))
ROUTING = Routing(
    model="m", revision=2, champion="old", baseline=None, constant=0.2, challenger="new", rollout="r1", share=0.25
)
RUNNING = Rollout(
    id="r1",
    model="m",
    champion="old",
    challenger="new",
    spec=PLAN,
    steps=ladder.steps(PLAN),
    at=1,
    state=RolloutState.RUNNING,
    started_s=0,
    stepped_s=0,
    deadline_s=1e9,
    not_worse_by=0.002,
)


def test_a_rollout_held_by_void_evidence_says_so_and_names_the_verdict() -> None:
    records = MemoryRecords()
    records.write(ROUTING, RUNNING)
    assert rows(records)[0].state == "rollout r1: 25%"
    arm = (np.random.default_rng(1).random(20_000) < 0.1).astype(int)
    found = lg.Judge(lg.Policy(kind="rate")).observe_batch(arm, np.zeros(20_000), 0.25)
    assert found is not None
    void = verdict(judged("failures", found, ()), model="m", subject=("new", "old"), rollout="r1", at_s=1.0, now_s=2.0)
    records.write(void)
    (row,) = rows(records)
    assert row.state == "rollout r1: 25%, held: its evidence is void"
    assert row.next == f"lockgate why {void.id}"
