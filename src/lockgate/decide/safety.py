"""Safe: what unlocks the next step. The canary's own rate of bad calls is shown to be under the step's tolerance."""

from __future__ import annotations

import math

from lockgate.decide.judgement import Judgement
from lockgate.records import Cell, Evidence, Gate, RolloutSpec, Ruling, Step
from lockgate.stats import rate_bet

TOLERANCES = ((0.01, 0.02), (0.05, 0.01), (1.0, 0.005))


def tolerance(share: float) -> float:
    """The canary's own failure rate that a step of this share puts up with (METHODS 8)."""
    return next(rate for largest, rate in TOLERANCES if share <= largest)


def safety(spec: RolloutSpec, step: Step, cell: Cell, *, steps: int) -> Judgement:
    """Whether the calls seen at `step` show its rate of bad calls under the tolerance.

    In shadow a bad call failed or broke the contract; on a share it failed. One alpha for all steps, by union.
    """
    calls, bad = (cell.pairs, cell.bad) if step.kind != "share" else (cell.calls[1], cell.failures[1])
    alpha = spec.alpha / steps
    log_e = rate_bet.log_e_under(calls, bad, tolerance=step.tolerance)
    is_safe = log_e >= math.log(1 / alpha)
    gate = Gate(
        name=f"safe at {step.name}",
        question="harm",
        claim="safe",
        measure="failures",
        method="rate bet",
        margin=step.tolerance,
        alpha=alpha,
        guarantee="exact",
    )
    state = f"under {step.tolerance:.1%}" if is_safe else f"not yet shown under {step.tolerance:.1%}"
    sentence = f"At {step.name} {bad:,} of {calls:,} of its calls were bad: {state}."
    return Judgement(
        ruling=Ruling.PASS if is_safe else Ruling.UNDECIDED,
        gate=gate,
        evidence=Evidence(log_e=log_e, n=(calls,), events=(bad,), detail={"line": math.log(1 / alpha)}),
        sentence=sentence,
    )
