"""Worth: will the challenger go on being better, or no worse by a margin? Judged by blocks of time, GLS-t."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, RolloutSpec, Ruling
from lockgate.stats import glst
from lockgate.stats.block_t import lag1

Floats = NDArray[np.float64]


def worth(spec: RolloutSpec, *, metric: str, not_worse_by: float, differences: Floats, history: Floats) -> Judgement:
    """Whether the challenger is worth the traffic.

    differences: shape (n,), per block, challenger's mean loss minus the champion's on the same calls, oldest first;
    history: the same from before the test. Pass promotes; fail (worse, beyond the margin) rolls back; both at
    `worth_alpha`, one-sided.
    """
    margin = not_worse_by if spec.prove == "not worse" else 0.0
    memory = glst.effective_memory(spec.memory, history.size)
    past = None if memory in ("new", "independent") else history[-glst.HISTORY_MAX :]
    gains = glst.log_e(margin - differences, memory=memory, history=None if past is None else -past)
    harms = glst.log_e(differences - margin, memory=memory, history=past)
    line = math.log(1 / spec.worth_alpha)
    ruling = first_crossing(gains, harms, line)
    gate = Gate(
        name="worth",
        question="worth",
        claim="better" if spec.prove == "better" else "not worse",
        measure=metric,
        method=f"GLS-t by {spec.block}, memory {memory}",
        margin=margin,
        alpha=spec.worth_alpha,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=float(differences.mean()) if differences.size else None,
        log_e=float(gains[-1]) if gains.size else 0.0,
        blocks=int(differences.size),
        block=spec.block,
        lag1=lag1(differences) if differences.size > 2 else None,
        path=tuple(float(v) for v in gains),
        values=tuple(float(v) for v in differences),
        history=tuple(float(v) for v in history),
        detail={"line": line, "log_e_worse": float(harms[-1]) if harms.size else 0.0},
    )
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=_sentence(gate, evidence, ruling))


def first_crossing(gains: Floats, harms: Floats, line: float) -> Ruling:
    """The side whose evidence reaches the line first; a verdict is not taken back by what comes later."""
    up = np.flatnonzero(gains >= line)
    down = np.flatnonzero(harms >= line)
    if not up.size and not down.size:
        return Ruling.UNDECIDED
    if not down.size:
        return Ruling.PASS
    return Ruling.PASS if up.size and up[0] <= down[0] else Ruling.FAIL


def _sentence(gate: Gate, evidence: Evidence, ruling: Ruling) -> str:
    if evidence.estimate is None or evidence.log_e is None:
        return f"No day has matured yet, so nothing is known of its {gate.measure}."
    odds = f"evidence {math.exp(min(evidence.log_e, 700)):,.2f} of the {1 / (gate.alpha or 1):.0f} that decide"
    days = f"{evidence.blocks} block{'s' if evidence.blocks != 1 else ''} of {evidence.block}"
    claim = "better" if gate.claim == "better" else f"not worse by {gate.margin:g}"
    figure = f"{gate.measure} {evidence.estimate:+.4f} against the champion's over {days}"
    if ruling is Ruling.PASS:
        return f"Proved {claim}: {figure}; {odds}."
    if ruling is Ruling.FAIL:
        worse = math.exp(min(evidence.detail["log_e_worse"], 700))
        return f"Worse than the champion: {figure}; evidence of harm {worse:,.0f} of {1 / (gate.alpha or 1):.0f}."
    return f"Not yet shown {claim}: {figure}; {odds}."
