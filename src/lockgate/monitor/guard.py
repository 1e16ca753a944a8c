"""A running rollout, judged: its guardrails at every look, its worth at every matured day."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.decide.harm import harm
from lockgate.decide.judgement import Judgement
from lockgate.decide.safety import safety
from lockgate.decide.worth import worth
from lockgate.monitor.evidence import RolloutEvidence
from lockgate.monitor.verdicts import verdict
from lockgate.records import ModelSpec, Ruling, Verdict


def judge(
    spec: ModelSpec, evidence: RolloutEvidence, standing: Sequence[Verdict], *, at_s: float, now_s: float
) -> list[Verdict]:
    """The verdicts that are new. standing: those of this rollout so far.

    A guardrail speaks once, when it is crossed; safety once per step; worth at each day that has matured. A gate that has
    spoken for good is not asked again: its error rate was for one crossing.
    """
    rollout = evidence.rollout
    settled = {v.gate.name for v in standing if v.ruling is not Ruling.UNDECIDED}
    found = [*_guardrails(evidence, settled), *_safety(evidence, settled), *_worth(spec, evidence, standing, settled)]
    subject = (rollout.challenger, rollout.champion)
    return [
        verdict(item, model=rollout.model, subject=subject, rollout=rollout.id, at_s=at_s, now_s=now_s)
        for item in found
    ]


def _guardrails(evidence: RolloutEvidence, settled: set[str]) -> list[Judgement]:
    spec = evidence.rollout.spec
    names = [name for name in spec.guardrails if f"guardrail {name}" not in settled]
    judged = [harm(name, spec, evidence.harm_input()) for name in names]
    return [item for item in judged if item.ruling is Ruling.FAIL]


def _safety(evidence: RolloutEvidence, settled: set[str]) -> list[Judgement]:
    rollout = evidence.rollout
    step = rollout.step
    if step.kind == "replay" or f"safe at {step.name}" in settled:
        return []
    guarded = sum(rung.kind != "replay" and rung.share < 1.0 for rung in rollout.steps)
    item = safety(rollout.spec, step, evidence.cell(step.share), steps=guarded)
    return [item] if item.ruling is Ruling.PASS else []


def _worth(
    spec: ModelSpec, evidence: RolloutEvidence, standing: Sequence[Verdict], settled: set[str]
) -> list[Judgement]:
    seen = max((v.evidence.blocks for v in standing if v.gate.name == "worth"), default=0)
    if "worth" in settled or len(evidence.judged) <= seen:
        return []
    rollout = evidence.rollout
    return [
        worth(
            rollout.spec,
            metric=spec.metric,
            not_worse_by=rollout.not_worse_by,
            differences=evidence.differences,
            history=evidence.history,
        )
    ]
