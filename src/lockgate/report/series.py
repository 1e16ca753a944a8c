"""What the records say in numbers, for a monitoring system: evidence, alpha, outcomes, traffic, alarms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import msgspec

from lockgate.decide.budget import remaining
from lockgate.records import Health, Rollout, Routing, Spend, Verdict, WorkspaceSpec, decode
from lockgate.records.harm_state import HarmState
from lockgate.records.policy import Look
from lockgate.report.now import open_alarms
from lockgate.store.ports import Records

Sample = tuple[str, tuple[str, ...], float]


class _Looks(msgspec.Struct):
    """Of a judge's state, which may hold millions of units, its looks alone."""

    looks: tuple[Look, ...]


def routed(records: Records) -> frozenset[str]:
    """Every version that may get calls."""
    return frozenset(version for routing in records.all(Routing) for version in routing.versions)


def measured(records: Records, spec: WorkspaceSpec) -> list[Sample]:
    """Series, labels in their order, and value, for every model that has a routing."""
    return [sample for routing in records.all(Routing) for sample in _of(records, spec, routing)]


def _of(records: Records, spec: WorkspaceSpec, routing: Routing) -> Iterator[Sample]:
    model, health = routing.model, records.get(Health, routing.model)
    yield "lockgate_traffic_share", (model, routing.champion, "champion"), 1 - routing.share
    for arm in routing.arms:
        yield "lockgate_traffic_share", (model, arm.version, "challenger"), arm.share
    if routing.challenger is not None and not routing.arms:
        yield "lockgate_traffic_share", (model, routing.challenger, "challenger"), routing.share
    verdicts = records.all(Verdict, model)
    for gate, log_e in _evidence(records, routing, verdicts).items():
        yield "lockgate_evidence_log_e", (model, gate), log_e
    alarms = Counter(alarm.severity for alarm in open_alarms(records, routing, verdicts))
    for severity in ("page", "ticket"):
        yield "lockgate_alarms_open", (model, severity), float(alarms[severity])
    if health is not None:
        yield "lockgate_outcomes_waiting", (model,), float(health.waiting)
        yield "lockgate_outcomes_unknown", (model,), float(health.unknown_outcomes)
        yield "lockgate_outcomes_late", (model,), float(health.late_outcomes)
        if health.outcome_lag_s is not None:
            yield "lockgate_outcome_lag_seconds", (model,), health.outcome_lag_s
    if model in spec.model:
        yield "lockgate_alpha_spent_ratio", (model,), _spent(records, spec, model, health)


def _evidence(records: Records, routing: Routing, verdicts: list[Verdict]) -> dict[str, float]:
    """By gate, natural log of the last e-value: of the running rollout's gates and guardrails, and of what watches over the
    standing champion.
    """
    running = next((r for r in records.all(Rollout, routing.model) if r.is_running), None)
    found: dict[str, float] = {}
    held = None if running is None else records.get(HarmState, running.id)
    for name, state in (held.judges if held is not None else {}).items():
        looks = decode(_Looks, state).looks
        if looks:
            found[f"guardrail {name}"] = looks[-1].log_e
    for verdict in verdicts:
        is_of_rollout = running is not None and verdict.rollout == running.id
        is_of_champion = verdict.rollout is None and verdict.subject[:1] == (routing.champion,)
        if verdict.evidence.log_e is not None and (is_of_rollout or is_of_champion):
            found[verdict.gate.name] = verdict.evidence.log_e
    return {gate: log_e for gate, log_e in found.items() if not math.isnan(log_e)}


def _spent(records: Records, spec: WorkspaceSpec, model: str, health: Health | None) -> float:
    """At the model's event time; before its first call, at its last draw."""
    budget, spends = spec.model[model].budget, records.all(Spend, model)
    at_s = health.clock_s if health is not None else max((spend.at_s for spend in spends), default=0.0)
    return 1 - remaining(budget, spends, at_s) / budget.alpha
