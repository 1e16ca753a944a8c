"""What the records say in numbers: evidence of what runs and of who stands, alpha, traffic, outcomes, alarms."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

import lockgate as lg
from lockgate.decide import ladder
from lockgate.monitor.alarms import tell
from lockgate.records import (
    Alarm,
    BudgetSpec,
    Evidence,
    Gate,
    Health,
    ModelSpec,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Ruling,
    Spend,
    Verdict,
    WorkspaceSpec,
)
from lockgate.records.harm_state import HarmState
from lockgate.report.series import measured, routed
from lockgate.store.memory import MemoryRecords
from lockgate.telemetry.families import FAMILIES

PLAN = RolloutSpec(ladder=("shadow", 0.25, 1.0))
BUDGET = BudgetSpec(alpha=0.5, window="10d")
SPEC = WorkspaceSpec(model={"m": ModelSpec(target="y", budget=BUDGET)})
ROUTING = Routing(
    model="m", revision=2, champion="old", baseline="base", constant=0.2, challenger="new", rollout="r1", share=0.25
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
GATE = Gate(
    name="worth",
    question="worth",
    claim="not worse",
    measure="log_loss",
    method="glst",
    margin=0.0,
    alpha=0.05,
    guarantee="exact",
)


def verdict(number: int, gate: str, log_e: float | None, **more: Any) -> Verdict:
    usual: dict[str, Any] = {"ruling": Ruling.UNDECIDED, "subject": ("new", "old"), "rollout": "r1", "at_s": 1.0}
    return Verdict(
        id=f"v{number}",
        model="m",
        gate=msgspec.structs.replace(GATE, name=gate),
        evidence=Evidence(log_e=log_e),
        sentence="",
        written_s=1.0,
        **(usual | more),
    )


def told(records: MemoryRecords, name: str) -> dict[tuple[str, ...], float]:
    found = measured(records, SPEC)
    assert all(len(labels) == len(FAMILIES[series].labels) for series, labels, _ in found)
    return {labels[1:]: value for series, labels, value in found if series == f"lockgate_{name}"}


@pytest.fixture
def records() -> MemoryRecords:
    made = MemoryRecords()
    made.write(ROUTING, RUNNING)
    return made


def test_traffic_is_as_the_routing_has_it(records):
    assert told(records, "traffic_share") == {("old", "champion"): 0.75, ("new", "challenger"): 0.25}
    assert routed(records) == {"old", "new", "base"}


def test_evidence_is_the_last_look_of_each_gate_of_what_runs_and_of_who_stands(records):
    judge = lg.Judge(lg.Policy(kind="rate"))
    rng = np.random.default_rng(1)
    arm = (rng.random(2_000) < 0.25).astype(int)
    judge.observe_batch(arm, (rng.random(2_000) < 0.05).astype(float), 0.25)
    state = HarmState(
        rollout="r1",
        model="m",
        judges={"failures": judge.state()},
        ratio="",
        pairs=0,
        broke=(0, 0),
        step="",
        at_step=(0, 0),
        after_s=None,
        after_id="",
    )
    records.write(
        state,
        verdict(1, "worth", 0.5),
        verdict(2, "worth", 1.5),
        verdict(3, "worth", 9.0, rollout="r0"),
        verdict(4, "decay", 2.0, rollout=None, subject=("old",)),
        verdict(5, "decay", 7.0, rollout=None, subject=("older",)),
        verdict(6, "safe steps", None),
    )
    found = told(records, "evidence_log_e")
    assert {gate for (gate,) in found} == {"worth", "decay", "guardrail failures"}
    assert (found[("worth",)], found[("decay",)]) == (1.5, 2.0)
    assert np.isfinite(found[("guardrail failures",)])


def test_alpha_spent_is_a_share_of_the_budget_within_its_window(records):
    day = 86_400.0
    for number, at_day in enumerate((1, 20, 21)):
        draw = Spend(id=f"s{number}", model="m", gate="worth", alpha=0.05, at_s=at_day * day, written_s=1.0)
        records.spend(BUDGET, draw)
    assert told(records, "alpha_spent_ratio") == {(): pytest.approx(0.2)}


def test_outcomes_and_alarms_are_told_where_there_are_any(records):
    assert told(records, "outcome_lag_seconds") == {}
    assert told(records, "alarms_open") == {("page",): 0, ("ticket",): 0}
    health = Health(
        model="m",
        until_s=10.0,
        seen_s=10.0,
        calls={"old": 3},
        fallback_rate=0.0,
        p99_ms=1.0,
        outcome_lag_s=600.0,
        waiting=7,
        unknown_outcomes=2,
        late_outcomes=3,
    )
    alarm = Alarm(
        id="a1",
        model="m",
        cause="drift",
        severity="ticket",
        sentence="",
        next="",
        verdict="v4",
        at_s=1.0,
        written_s=1.0,
    )
    tell(records, health, verdict(4, "drift x", 2.0, rollout=None, subject=("old",)), alarms=[alarm])
    assert told(records, "outcome_lag_seconds") == {(): 600}
    assert told(records, "outcomes_waiting") == {(): 7}
    assert told(records, "outcomes_unknown") == {(): 2}
    assert told(records, "outcomes_late") == {(): 3}
    assert told(records, "alarms_open") == {("page",): 0, ("ticket",): 1}
