"""The budget of false alarms: one for a model and a year, shared by every detector that can be wrong and wake somebody.

Each gets a share, and is to be wrong at most so often: its average run length to a false alarm, counted in its own looks, is
what its looks of a year leave of it. For a detector that begins anew after each alarm and whose e-value grows by at most 1 a
look when nothing is wrong, the expected number of false alarms in any n looks is at most n / A, exactly (Shin, Ramdas,
Rinaldo 2022), so that the sum over the detectors is at most what was promised. What is a fact has no share: a log that loses
entries, a source that stopped, a call that was answered otherwise than a table, a contract that breaks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lockgate.errors import SpecError, unknown
from lockgate.records import MonitorSpec

SHARES: Mapping[str, float] = {"drift": 0.45, "degradation": 0.45, "fallback": 0.05, "fault": 0.05}
"""Of the budget, where `monitor.shares` says nothing. A look at drift is a window; at degradation, a champion, whose whole
life is one test; at fallbacks, a call; at faults, one test of one column in one look.
"""


def shares(spec: MonitorSpec) -> dict[str, float]:
    """By detector its share, as `monitor.shares` has it, else the constants scaled to what it leaves. Raises SpecError."""
    for name, share in spec.shares.items():
        if name not in SHARES:
            raise SpecError(unknown("detector", name, SHARES))
        if not 0 < share <= 1:
            raise SpecError(
                f"A monitor.shares.{name} of {share:g} is no share.",
                cure="Give one above 0 and up to 1; what can be wrong must have some.",
            )
    left = 1 - math.fsum(spec.shares.values())
    others = {name: share for name, share in SHARES.items() if name not in spec.shares}
    if left < -1e-9 or (others and left <= 1e-9):
        raise SpecError(
            f"monitor.shares leaves {left:g} of the budget for {', '.join(others) or 'nobody'}.",
            cure="Let the shares add up to 1 at most, and leave some for those that are not named.",
        )
    return dict(spec.shares) | {name: left * share / math.fsum(others.values()) for name, share in others.items()}


def run_length(spec: MonitorSpec, detector: str, looks_per_year: float) -> float:
    """How many of its looks a detector is to last on average until it is wrong, 1 at least.

    looks_per_year: at most so many. Raises SpecError for an unknown detector and for shares that cannot be.
    """
    found = shares(spec)
    if detector not in found:
        raise SpecError(unknown("detector", detector, found))
    return max(1.0, looks_per_year / (found[detector] * spec.false_alarms_per_year))
