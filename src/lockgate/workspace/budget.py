"""What gates and rollouts draw from a model's alpha budget, before their first look."""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.decide.ab_result import spec_of
from lockgate.records import GateSpec, Rollout, Spend, Version
from lockgate.records.spend import spend_id


def of_gates(
    version: Version, spec: GateSpec, others: Mapping[str, str], *, event_s: float, now_s: float
) -> list[Spend]:
    """One draw per version that it is held against, and one for its slices. others: "baseline", "champion" -> their ids."""
    kinds = ("gate against", "gate of slices against") if spec.slices else ("gate against",)
    return [
        Spend(
            id=spend_id(version.model, (version.id, other), f"{kind} {name}"),
            model=version.model,
            gate=f"{kind} {name}",
            alpha=spec.alpha,
            at_s=event_s,
            written_s=now_s,
        )
        for name, other in others.items()
        for kind in kinds
    ]


def of_rollout(rollout: Rollout, *, event_s: float, now_s: float, by: str) -> list[Spend]:
    """Guardrails and steps share one alpha each; worth draws for both of its ways to be wrong."""
    spec = rollout.spec
    gates = {"guardrails": spec.alpha, "safe steps": spec.alpha, "worth": 2 * spec.worth_alpha}
    return _drawn(rollout, gates, event_s=event_s, now_s=now_s, by=by)


def of_ab(rollout: Rollout, *, event_s: float, now_s: float, by: str) -> list[Spend]:
    """The metric's alpha for all challengers together, another for all guardrails."""
    spec = spec_of(rollout)
    gates = {f"A/B by {spec.metric}": spec.alpha} | ({"A/B guardrails": spec.alpha} if spec.guardrails else {})
    return _drawn(rollout, gates, event_s=event_s, now_s=now_s, by=by)


def _drawn(rollout: Rollout, gates: Mapping[str, float], *, event_s: float, now_s: float, by: str) -> list[Spend]:
    return [
        Spend(
            id=spend_id(rollout.model, (rollout.id,), gate),
            model=rollout.model,
            gate=gate,
            alpha=alpha,
            at_s=event_s,
            written_s=now_s,
            by=by,
            rollout=rollout.id,
        )
        for gate, alpha in gates.items()
    ]
