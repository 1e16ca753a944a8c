"""The steps of a rollout, from what the config says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lockgate.decide.harm import GUARDRAILS
from lockgate.decide.safety import tolerance
from lockgate.errors import SpecError, unknown
from lockgate.records import RolloutSpec, Step


def steps(spec: RolloutSpec) -> tuple[Step, ...]:
    """The rungs in order. Raises SpecError for an unknown rung or guardrail, shares that do not grow, no end at 1.0,
    nothing before it that sees calls, or an approval of what is no later rung.
    """
    for name in spec.guardrails:
        if name not in GUARDRAILS:
            raise SpecError(unknown("guardrail", name, GUARDRAILS))
    rungs = tuple(step(rung) for rung in spec.ladder)
    shares = [rung.share for rung in rungs if rung.kind == "share"]
    if not shares or shares[-1] != 1.0 or any(a >= b for a, b in pairwise(shares)):
        raise SpecError(
            f"The ladder {list(spec.ladder)} does not climb.", cure="Let its shares grow, and end it with 1.0."
        )
    kinds = [rung.kind for rung in rungs]
    is_repeated = kinds.count("replay") > 1 or kinds.count("shadow") > 1
    if kinds != sorted(kinds, key=("replay", "shadow", "share").index) or is_repeated:
        raise SpecError(
            f"The ladder {list(spec.ladder)} is out of order.", cure='Write "replay", "shadow", then the shares.'
        )
    # The last rung is reached by proof alone, and proof is asked for on a rung that sees calls.
    if "shadow" not in kinds and len(shares) == 1:
        raise SpecError(
            f"The ladder {list(spec.ladder)} gives the challenger all traffic unseen.",
            cure='Put "shadow" or a share under 1.0 before the last step.',
        )
    gated(spec, rungs)
    return rungs


def gated(spec: RolloutSpec, rungs: Sequence[Step]) -> frozenset[str]:
    """The names of the steps that a person must approve first. Raises SpecError for one that is no rung, or the first."""
    names = frozenset(step(rung).name for rung in spec.require_approval)
    later = [rung.name for rung in rungs[1:]]
    for name in sorted(names):
        if name == rungs[0].name:
            raise SpecError(
                f"{name} is entered when the rollout starts: nobody could approve it later.",
                cure="Leave it out of require_approval.",
            )
        if name not in later:
            raise SpecError(unknown("step to approve", name, later))
    return names


def step(rung: str | float) -> Step:
    """One rung by itself. Raises SpecError for an unknown word, or what is no share."""
    if isinstance(rung, str):
        if rung == "replay":
            return Step(name=rung, kind="replay", share=0.0)
        if rung == "shadow":
            return Step(name=rung, kind="shadow", share=0.0, tolerance=tolerance(0.0))
        raise SpecError(unknown("step", rung, ("replay", "shadow")))
    if not 0 < rung <= 1:
        raise SpecError(f"A step of {rung} is no share of traffic.", cure="Give a share above 0 and at most 1.")
    # Ten digits: a name is what its safety verdict goes by, so two shares may never share one.
    return Step(name=f"{100 * rung:.10g}%", kind="share", share=float(rung), tolerance=tolerance(float(rung)))


PROMOTION = step(1.0)
"""All traffic: the last rung of every ladder, and where an A/B's winner goes."""
