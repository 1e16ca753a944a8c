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
FEWEST_TO_COMPARE = 10
NOTABLE_LAG1 = 0.3


def worth(spec: RolloutSpec, *, metric: str, not_worse_by: float, differences: Floats, history: Floats) -> Judgement:
    """Whether the challenger is worth the traffic.

    differences: shape (n,), per block, challenger's mean loss minus the champion's on the same calls, oldest first;
    history: the same from before the test. Pass promotes; fail (worse, beyond the margin) rolls back; both at
    `worth_alpha`, one-sided.
    """
    margin = not_worse_by if spec.prove == "not worse" else 0.0
    memory = glst.effective_memory(spec.memory, history.size)
    past = None if memory in ("new", "independent") else history[-glst.HISTORY_MAX :]
    sides = np.stack([margin - differences, differences - margin])
    gains, harms = glst.log_e(sides, memory=memory, history=None if past is None else np.stack([-past, past]))
    line = math.log(1 / spec.worth_alpha)
    ruling, seen = first_crossing(gains, harms, line)
    # Blocks behind the one that decides are no evidence of this verdict, however many came at once.
    gains, harms, differences = gains[:seen], harms[:seen], differences[:seen]
    gate = Gate(
        name="worth",
        question="worth",
        claim="better" if spec.prove == "better" else "not worse",
        measure=metric,
        method=method(spec.block, memory),
        margin=margin,
        alpha=spec.worth_alpha,
        guarantee="calibrated",
    )
    evidence = Evidence(
        estimate=float(differences.mean()) if differences.size else None,
        log_e=float(gains[-1]) if gains.size else 0.0,
        log_e_other=float(harms[-1]) if harms.size else 0.0,
        blocks=int(differences.size),
        block=spec.block,
        lag1=lag1(differences) if differences.size > 2 else None,
        path=tuple(float(v) for v in gains),
        values=tuple(float(v) for v in differences),
        history=tuple(float(v) for v in history),
        detail={"line": line} | _memory_seen(differences, past),
    )
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=_sentence(gate, evidence, ruling))


def method(block: str, memory: str) -> str:
    """What a block test goes by in a verdict."""
    return f"{'E+' if memory == 'independent' else 'GLS-t'} by {block}, memory {memory}"


def first_crossing(gains: Floats, harms: Floats, line: float) -> tuple[Ruling, int]:
    """The side whose evidence reaches the line first, and after how many blocks; all of them where neither does.

    A verdict is not taken back by what comes later.
    """
    crossed = np.flatnonzero((gains >= line) | (harms >= line))
    if not crossed.size:
        return Ruling.UNDECIDED, int(gains.size)
    first = int(crossed[0])
    return (Ruling.PASS if gains[first] >= line else Ruling.FAIL), first + 1


def _memory_seen(differences: Floats, history: Floats | None) -> dict[str, float]:
    """The correlation of neighbouring blocks in the history, to be held against that of the test."""
    return {} if history is None or differences.size < 3 else {"lag1_history": lag1(history)}


def _warning(evidence: Evidence) -> str:
    """Said where the test's blocks remember longer than the history that the test was tuned by."""
    before, now = evidence.detail.get("lag1_history"), evidence.lag1
    if before is None or now is None or evidence.blocks < FEWEST_TO_COMPARE or now - before < NOTABLE_LAG1:
        return ""
    return f" Its days go together more than the history's did ({now:+.2f} against {before:+.2f}): trust it less."


def _sentence(gate: Gate, evidence: Evidence, ruling: Ruling) -> str:
    if evidence.estimate is None or evidence.log_e is None:
        return f"No day has matured yet, so nothing is known of its {gate.measure}."
    odds = f"evidence {math.exp(min(evidence.log_e, 700)):,.2f} of the {1 / (gate.alpha or 1):.0f} that decide"
    days = f"{evidence.blocks} block{'s' if evidence.blocks != 1 else ''} of {evidence.block}"
    claim = "better" if gate.claim == "better" else f"not worse by {gate.margin:g}"
    figure = f"{gate.measure} {evidence.estimate:+.4f} against the champion's over {days}"
    if ruling is Ruling.PASS:
        return f"Proved {claim}: {figure}; {odds}.{_warning(evidence)}"
    if ruling is Ruling.FAIL:
        worse = math.exp(min(evidence.log_e_other or 0.0, 700))
        odds = f"evidence of harm {worse:,.0f} of {1 / (gate.alpha or 1):.0f}"
        return f"Worse than the champion: {figure}; {odds}.{_warning(evidence)}"
    return f"Not yet shown {claim}: {figure}; {odds}."
