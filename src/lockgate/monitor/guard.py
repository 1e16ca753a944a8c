"""A running rollout, judged: its guardrails at every call, its worth at every matured day."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockgate.decide.harm import quality
from lockgate.decide.judgement import Judgement
from lockgate.decide.worth import worth
from lockgate.monitor.evidence import RolloutEvidence
from lockgate.monitor.verdicts import verdict
from lockgate.records import ModelSpec, Ruling, Verdict
from lockgate.records.duration import seconds


def judge(
    spec: ModelSpec,
    evidence: RolloutEvidence,
    by_call: Sequence[Judgement],
    standing: Sequence[Verdict],
    *,
    at_s: float,
    now_s: float,
) -> list[Verdict]:
    """The verdicts that are new. by_call: what the guardrails say of the calls; standing: this rollout's so far.

    A guardrail speaks once, when it is crossed; safety once per step; worth at each day that has matured. A gate that has
    spoken for good is not asked again: its error rate was for one crossing. One whose evidence is void may still stop.
    """
    rollout = evidence.rollout
    settled = {v.gate.name for v in standing if v.ruling is not Ruling.UNDECIDED}
    over = {v.gate.name for v in standing if v.ruling in (Ruling.PASS, Ruling.FAIL)}
    found = [item for item in by_call if item.gate.name not in (over if item.ruling is Ruling.FAIL else settled)]
    found += [*_quality(evidence, standing, settled), *_worth(spec, evidence, standing, settled)]
    subject = (rollout.challenger, rollout.champion)
    return [
        verdict(
            item,
            model=rollout.model,
            subject=subject,
            rollout=rollout.id,
            at_s=item.evidence.until_s or at_s,
            now_s=now_s,
        )
        for item in found
    ]


def judged_worth(spec: ModelSpec, evidence: RolloutEvidence, blocks: int | None = None) -> Judgement:
    """Worth on a rollout's blocks, the first `blocks` of them where a number is given."""
    rollout, plan = evidence.rollout, evidence.rollout.plan
    item = worth(
        rollout.spec,
        metric=spec.judged_by,
        not_worse_by=rollout.not_worse_by,
        differences=evidence.differences[:blocks],
        history=evidence.history,
    )
    seen = msgspec.structs.replace(
        item.evidence,
        coverage=evidence.coverage(item.evidence.blocks),
        horizon_s=seconds(spec.outcomes.horizon),
        forecast=None if plan is None else plan.blocks,
    )
    return msgspec.structs.replace(item, evidence=seen)


def judged_quality(evidence: RolloutEvidence, blocks: int | None = None) -> Judgement:
    """Quality as a guardrail, likewise."""
    return quality(
        evidence.rollout.spec,
        champion_loss=evidence.champion_loss[:blocks],
        challenger_loss=evidence.challenger_loss[:blocks],
        history=evidence.history,
    )


def _quality(evidence: RolloutEvidence, standing: Sequence[Verdict], settled: set[str]) -> list[Judgement]:
    rollout = evidence.rollout
    if "quality" not in rollout.spec.guardrails or "guardrail quality" in settled or not _is_new(evidence, standing):
        return []
    item = judged_quality(evidence)
    return [item] if item.ruling is Ruling.FAIL else []


def _worth(
    spec: ModelSpec, evidence: RolloutEvidence, standing: Sequence[Verdict], settled: set[str]
) -> list[Judgement]:
    if "worth" in settled or not _is_new(evidence, standing):
        return []
    return [judged_worth(spec, evidence)]


def _is_new(evidence: RolloutEvidence, standing: Sequence[Verdict]) -> bool:
    """Whether a day has matured since worth was last judged."""
    return len(evidence.judged) > max((v.evidence.blocks for v in standing if v.gate.name == "worth"), default=0)
