"""Safe: what unlocks the next step. Either the canary's own rate of bad calls is shown to be under the step's tolerance, or
its failures are shown to be fewer than so many times the champion's. Both start anew at each step: calls in shadow do not
unlock a share that nobody has been served under. METHODS 8, *Ladder*.
"""

from __future__ import annotations

import math

import msgspec

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, RolloutSpec, Ruling, Step, Verdict
from lockgate.records.policy import Policy
from lockgate.stats import rate_bet

TOLERANCES = ((0.01, 0.02), (0.05, 0.01), (1.0, 0.005))
MARGINS = ((0.01, 10.0), (0.05, 4.0), (0.25, 2.0), (1.0, 1.5))


def tolerance(share: float) -> float:
    """The canary's own failure rate that a step of this share puts up with."""
    return next(rate for largest, rate in TOLERANCES if share <= largest)


def margin(share: float) -> float:
    """How many times the champion's failures a step of this share puts up with."""
    return next(ratio for largest, ratio in MARGINS if share <= largest)


def share_of_alpha(spec: RolloutSpec, steps: int) -> float:
    """Each of a step's two ways has an equal part of one alpha for all steps."""
    return spec.alpha / (2 * steps)


def policy(spec: RolloutSpec, step: Step, steps: int) -> Policy:
    """What the judge of the ratio works under; its "promote" is this step shown safe."""
    return Policy(kind="rate", alpha=share_of_alpha(spec, steps), margin_ratio=margin(step.share), promote=True)


def by_rate(
    spec: RolloutSpec,
    step: Step,
    *,
    calls: int,
    bad: int,
    steps: int,
    until_s: float | None = None,
    late: tuple[str, ...] = (),
) -> Judgement:
    """Whether the canary's own calls at `step` show its rate of bad ones under the tolerance.

    In shadow a bad call failed or broke the contract; on a share it failed. steps: how many are guarded.
    """
    line = math.log(1 / share_of_alpha(spec, steps))
    log_e = float(rate_bet.log_e_under(calls, bad, tolerance=step.tolerance))
    is_safe = log_e >= line
    state = f"under {step.tolerance:.1%}" if is_safe else f"not yet shown under {step.tolerance:.1%}"
    gate = _gate(step, "rate bet", step.tolerance, share_of_alpha(spec, steps))
    evidence = Evidence(
        estimate=bad / calls if calls else None,
        log_e=log_e,
        n=(calls,),
        events=(bad,),
        until_s=until_s,
        late=late,
        detail={"line": line},
    )
    ruling = Ruling.PASS if is_safe else Ruling.UNDECIDED
    sentence = f"At {step.name} {bad:,} of {calls:,} of its calls were bad: {state}."
    return Judgement(ruling=ruling, gate=gate, evidence=evidence, sentence=sentence)


def by_ratio(step: Step, found: Verdict, late: tuple[str, ...]) -> Judgement:
    """The ruling of the ratio's judge as this step's own."""
    gate = _gate(step, "label bet", found.gate.margin, found.gate.alpha or 0.0)
    evidence = msgspec.structs.replace(found.evidence, until_s=found.at_s, late=late)
    return Judgement(ruling=found.ruling, gate=gate, evidence=evidence, sentence=f"At {step.name}: {found.sentence}")


def _gate(step: Step, method: str, margin: float, alpha: float) -> Gate:
    return Gate(
        name=f"safe at {step.name}",
        question="harm",
        claim="safe",
        measure="failures",
        method=method,
        margin=margin,
        alpha=alpha,
        guarantee="exact",
    )
