"""Harm: is the challenger worse on the traffic it has seen so far? Guardrails may stop a rollout, never promote it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.errors import SpecError, unknown
from lockgate.records import Cell, Evidence, Gate, RolloutSpec, Ruling
from lockgate.stats import glst, label_bet, rate_bet

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class HarmInput:
    """champion_loss, challenger_loss: shape (n,), mean loss per block over the same calls, oldest first."""

    cells: Sequence[Cell]
    champion_loss: Floats
    challenger_loss: Floats
    history: Floats


def harm(name: str, spec: RolloutSpec, seen: HarmInput) -> Judgement:
    """What the guardrail of that name says. The rollout's alpha is shared equally among its guardrails."""
    judge = GUARDRAILS.get(name)
    if judge is None:
        raise SpecError(unknown("guardrail", name, GUARDRAILS))
    return judge(spec, seen, spec.alpha / len(spec.guardrails))


def _failures(_spec: RolloutSpec, seen: HarmInput, alpha: float) -> Judgement:
    """In shadow both versions see each call, so failures are paired; on a share the arm was drawn by lot."""
    counts = [
        (label_bet.PAIRED, *cell.failed_only) if cell.share == 0 else (cell.share, *cell.failures)
        for cell in seen.cells
    ]
    champion, challenger = sum(c[1] for c in counts), sum(c[2] for c in counts)
    calls = _calls(seen.cells)
    log_e = label_bet.log_e(counts)
    sentence = (
        f"So far the challenger failed on {challenger:,} of {calls[1]:,} calls, the champion on {champion:,} of "
        f"{calls[0]:,}; {_strength(log_e, alpha)}."
    )
    evidence = Evidence(log_e=log_e, n=calls, events=(champion, challenger), detail={"line": math.log(1 / alpha)})
    return _judged("failures", "label bet", 1.0, evidence, alpha, sentence)


def _contract_breaks(spec: RolloutSpec, seen: HarmInput, alpha: float) -> Judgement:
    """What the challenger alone broke: a row that breaks both versions' contracts says nothing about either."""
    pairs = sum(cell.pairs for cell in seen.cells)
    champion, challenger = (sum(cell.broke_only[arm] for cell in seen.cells) for arm in (0, 1))
    log_e = rate_bet.log_e_over(pairs, challenger, tolerance=spec.breaks_at)
    sentence = (
        f"So far the challenger alone broke its contract on {challenger:,} of {pairs:,} calls, and {spec.breaks_at:.0%} is "
        f"what is put up with; {_strength(log_e, alpha)}."
    )
    evidence = Evidence(
        log_e=log_e, n=(pairs, pairs), events=(champion, challenger), detail={"line": math.log(1 / alpha)}
    )
    return _judged("contract_breaks", "rate bet", spec.breaks_at, evidence, alpha, sentence)


def _judged(measure: str, method: str, margin: float, evidence: Evidence, alpha: float, sentence: str) -> Judgement:
    gate = Gate(
        name=f"guardrail {measure}",
        question="harm",
        claim="harmful",
        measure=measure,
        method=method,
        margin=margin,
        alpha=alpha,
        guarantee="exact",
    )
    is_harmful = (evidence.log_e or 0.0) >= math.log(1 / alpha)
    ruling = Ruling.FAIL if is_harmful else Ruling.UNDECIDED
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence)


def _strength(log_e: float, alpha: float) -> str:
    return f"evidence {math.exp(min(log_e, 700)):,.3g} of the {1 / alpha:,.0f} that stop it"


def _quality(spec: RolloutSpec, seen: HarmInput, alpha: float) -> Judgement:
    """At least `worse_by` worse, by block: a bad week alone must not stop a good model."""
    excess = seen.challenger_loss - (1 + spec.worse_by) * seen.champion_loss
    memory = glst.effective_memory(spec.memory, seen.history.size)
    past = None if memory in ("new", "independent") else seen.history[-glst.HISTORY_MAX :]
    path = glst.log_e(excess, memory=memory, history=past)
    log_e = float(path[-1]) if path.size else 0.0
    is_harmful = bool(path.size) and float(path.max()) >= math.log(1 / alpha)
    gate = Gate(
        name="guardrail quality",
        question="harm",
        claim="harmful",
        measure="quality",
        method=f"GLS-t by {spec.block}, memory {memory}",
        margin=spec.worse_by,
        alpha=None,
        guarantee="not measured",
    )
    ratio = float(seen.challenger_loss.mean() / seen.champion_loss.mean() - 1) if path.size else 0.0
    evidence = Evidence(
        estimate=ratio,
        log_e=log_e,
        blocks=int(excess.size),
        block=spec.block,
        path=tuple(float(v) for v in path),
        values=tuple(float(v) for v in excess),
        history=tuple(float(v) for v in seen.history),
        detail={"line": math.log(1 / alpha)},
    )
    sentence = (
        f"So far its loss is {ratio:+.1%} against the champion's over {excess.size} blocks; evidence that it is at least "
        f"{spec.worse_by:.0%} worse: {math.exp(min(log_e, 700)):,.3g} of {1 / alpha:,.0f}."
    )
    return Judgement(
        ruling=Ruling.FAIL if is_harmful else Ruling.UNDECIDED, gate=gate, evidence=evidence, sentence=sentence
    )


def _calls(cells: Sequence[Cell]) -> tuple[int, int]:
    """Calls each arm answered or, in shadow, would have answered."""
    champion = sum(cell.calls[0] for cell in cells)
    return champion, sum(cell.pairs if cell.share == 0 else cell.calls[1] for cell in cells)


GUARDRAILS: dict[str, Callable[[RolloutSpec, HarmInput, float], Judgement]] = {
    "failures": _failures,
    "contract_breaks": _contract_breaks,
    "quality": _quality,
}
