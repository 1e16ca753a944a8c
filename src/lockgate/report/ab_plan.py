"""The plan of an A/B as people read it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.decide.ab_plan import AbPlan, Reach
from lockgate.decide.ab_result import spec_of


def lines(found: AbPlan, names: Mapping[str, str], *, left: float) -> list[str]:
    """names: versions' short names by id. left: of the alpha budget, before it."""
    spec, arms = spec_of(found.rollout), found.rollout.arms
    champion = names.get(found.rollout.champion, "?")
    told = ", ".join(f"{names.get(arm.version, '?')} {arm.share:.1%}" for arm in arms)
    guardrails = ", ".join(f"{g.metric} ({g.direction} is good)" for g in spec.guarded) or "none"
    head = f"A/B of {found.rollout.model} by {spec.metric} ({spec.direction} is good): champion {champion} "
    window = f"A unit counts what it did in {spec.horizon}, once {spec.reported_within} more have passed; "
    return [
        f"{head}{1 - sum(arm.share for arm in arms):.1%}, {told}; guardrails: {guardrails}.",
        f"{window}{found.units_per_day:,.0f} new units a day.",
        *(f"  {_reach(reach)}" for reach in found.reaches),
        f"alpha spent {found.alpha:.2g}, of {left:.4g} that is left",
    ]


def _reach(reach: Reach) -> str:
    units = f"{reach.units[0]:,} units of the champion and {reach.units[1]:,} of the smallest arm"
    if reach.difference is None:
        return f"after {reach.days:g} days {units}: no difference is told yet"
    return (
        f"after {reach.days:g} days {units}: a difference of {reach.difference:.3f} standard deviations of one unit's value "
        "is told in four of five"
    )
