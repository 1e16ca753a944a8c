"""The plan of an A/B: what its arms can tell apart by when, and the alpha it takes."""

from __future__ import annotations

import math

import numpy as np

from lockgate.decide.ab_result import alpha_of, spec_of
from lockgate.errors import InvariantBroken
from lockgate.records import ArmShare, Record, Rollout
from lockgate.records.duration import UNITS_S, seconds
from lockgate.stats import arm_means

POWER_Z = 0.8416212335729143
"""The standard normal's quantile at .8: an effect of the size that is told is found in four of five A/Bs."""
LOOKED_AT_DAYS = (3.0, 7.0, 14.0, 28.0)


class Reach(Record, frozen=True, kw_only=True):
    """After `days`: matured units of the champion and of the smallest challenger, and the smallest difference of means that
    four of five A/Bs have told by then, in standard deviations of one unit's value; None where none is told by then.
    """

    days: float
    units: tuple[int, int]
    difference: float | None


class AbPlan(Record, frozen=True, kw_only=True):
    """rollout: as it would begin. units_per_day: that are new to it. alpha: all of it spends."""

    rollout: Rollout
    units_per_day: float
    reaches: tuple[Reach, ...]
    alpha: float


def plan(rollout: Rollout, units_per_day: float, alpha: float) -> AbPlan:
    """What the A/B reaches at some days before its deadline and at it."""
    spec = spec_of(rollout)
    if spec.metric is None:
        raise InvariantBroken(f"The A/B {rollout.id} has no metric.")
    deadline = seconds(spec.deadline) / UNITS_S["d"]
    arm, matured = min(rollout.arms, key=_share), spec.matured_s / UNITS_S["d"]
    days = [*(day for day in LOOKED_AT_DAYS if matured < day < deadline), deadline]
    champion = 1.0 - sum(map(_share, rollout.arms))
    reaches = [
        _reach(day, tuple(max(0.0, day - matured) * units_per_day * s for s in (champion, arm.share)), rollout)
        for day in days
    ]
    return AbPlan(rollout=rollout, units_per_day=units_per_day, reaches=tuple(reaches), alpha=alpha)


def _share(arm: ArmShare) -> float:
    return arm.share


def _reach(days: float, units: tuple[float, ...], rollout: Rollout) -> Reach:
    n0, n1 = (math.floor(n) for n in units)
    difference = None
    if min(n0, n1) >= 2:
        size = 1 / (1 / n0 + 1 / n1)
        values = (0.0, 1 / size, size, min(n0, n1) - 1.0)
        seen = arm_means.Contrast(*(np.array(value) for value in values))
        half = float(arm_means.half_width(seen, alpha=alpha_of(rollout, spec_of(rollout).metric or "")))
        difference = half + POWER_Z / math.sqrt(size) if math.isfinite(half) else None
    return Reach(days=days, units=(n0, n1), difference=difference)
