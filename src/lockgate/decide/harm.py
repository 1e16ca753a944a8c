"""Harm: is the challenger worse on the traffic it has seen so far? Guardrails may stop a rollout, never promote it."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.decide.worth import method
from lockgate.records import Evidence, Gate, RolloutSpec, Ruling, Verdict
from lockgate.records.policy import Policy, PolicyKind
from lockgate.stats import glst, rate_bet

Floats = NDArray[np.float64]

GUARDRAILS = ("failures", "contract_breaks", "quality", "latency_ms")
# Those that a judge folds call by call, and what it is told to watch.
JUDGED: dict[str, PolicyKind] = {"failures": "rate", "latency_ms": "latency"}


def share_of_alpha(spec: RolloutSpec) -> float:
    """The rollout's alpha is shared equally among its guardrails: any one of them may stop it."""
    return spec.alpha / len(spec.guardrails)


def policy(name: str, spec: RolloutSpec) -> Policy:
    return Policy(kind=JUDGED[name], alpha=share_of_alpha(spec))


def judged(name: str, found: Verdict, late: tuple[str, ...]) -> Judgement:
    """A judge's ruling as the guardrail's own."""
    gate = msgspec.structs.replace(found.gate, name=f"guardrail {name}")
    evidence = msgspec.structs.replace(found.evidence, late=late, until_s=found.at_s)
    return Judgement(ruling=found.ruling, gate=gate, evidence=evidence, sentence=found.sentence)


def contract_breaks(
    spec: RolloutSpec,
    *,
    pairs: int,
    broke: tuple[int, int],
    until_s: float | None = None,
    late: tuple[str, ...] = (),
) -> Judgement:
    """What the challenger alone broke: a row that breaks both versions' contracts says nothing about either.

    broke: pairs in which one version alone broke its contract, champion first.
    """
    alpha = share_of_alpha(spec)
    log_e = float(rate_bet.log_e_over(pairs, broke[1], tolerance=spec.breaks_at))
    is_harmful = log_e >= math.log(1 / alpha)
    sentence = (
        f"So far the challenger alone broke its contract on {broke[1]:,} of {pairs:,} calls, and {spec.breaks_at:.0%} is "
        f"what is put up with; evidence {math.exp(min(log_e, 700)):,.3g} of the {1 / alpha:,.0f} that stop it."
    )
    gate = Gate(
        name="guardrail contract_breaks",
        question="harm",
        claim="harmful",
        measure="contract_breaks",
        method="rate bet",
        margin=spec.breaks_at,
        alpha=alpha,
        guarantee="exact",
    )
    evidence = Evidence(
        estimate=broke[1] / pairs if pairs else None,
        log_e=log_e,
        n=(pairs, pairs),
        events=broke,
        until_s=until_s,
        late=late,
        detail={"line": math.log(1 / alpha)},
    )
    ruling = Ruling.FAIL if is_harmful else Ruling.UNDECIDED
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence)


def quality(spec: RolloutSpec, *, champion_loss: Floats, challenger_loss: Floats, history: Floats) -> Judgement:
    """At least `worse_by` worse, by block: a bad week alone must not stop a good model.

    champion_loss, challenger_loss: shape (n,), mean loss per block over the same calls, oldest first. Blocks after the
    first look that crosses are no evidence.
    """
    alpha = share_of_alpha(spec)
    excess = challenger_loss - (1 + spec.worse_by) * champion_loss
    memory = glst.effective_memory(spec.memory, history.size)
    past = None if memory in ("new", "independent") else history[-glst.HISTORY_MAX :]
    line = math.log(1 / alpha)
    path = glst.log_e(excess, memory=memory, history=past)
    crossed = np.flatnonzero(path >= line)
    seen = int(crossed[0]) + 1 if crossed.size else int(path.size)
    log_e = float(path[seen - 1]) if seen else 0.0
    gate = Gate(
        name="guardrail quality",
        question="harm",
        claim="harmful",
        measure="quality",
        method=method(spec.block, memory),
        margin=spec.worse_by,
        alpha=alpha,
        guarantee="calibrated",
    )
    ratio = float(challenger_loss[:seen].mean() / champion_loss[:seen].mean() - 1) if seen else 0.0
    evidence = Evidence(
        estimate=ratio,
        log_e=log_e,
        blocks=seen,
        block=spec.block,
        path=tuple(path[:seen].tolist()),
        values=tuple(excess[:seen].tolist()),
        history=tuple(history.tolist()),
        detail={"line": line},
    )
    sentence = (
        f"So far its loss is {ratio:+.1%} against the champion's over {seen} blocks; evidence that it is at least "
        f"{spec.worse_by:.0%} worse: {math.exp(min(log_e, 700)):,.3g} of {1 / alpha:,.0f}."
    )
    ruling = Ruling.FAIL if crossed.size else Ruling.UNDECIDED
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence)
