"""The champion, watched: has its skill decayed, have its inputs drifted, and who should know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lockgate.decide.alarm_budget import run_length
from lockgate.decide.decay import decay
from lockgate.decide.drift import Shift, drift, shifts
from lockgate.monitor import alarms
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, Block, ModelSpec, Profile, Ruling, Verdict
from lockgate.records.alarm import Severity
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.profile import merged

FEWEST_SCORED = 30
NOTABLE_DISTANCE = 0.25
LOOK_EVERY_S = UNITS_S["w"]
_Told = tuple[Literal["degradation", "fallback", "drift"], Severity, str]
_CAUSES: dict[str, _Told] = {
    "degradation": ("degradation", "page", "lockgate retrain {model}"),
    "fallbacks": ("fallback", "page", "lockgate rollback {model}"),
}
_DRIFT: _Told = ("drift", "ticket", "lockgate why {id}")


def degradation(
    spec: ModelSpec,
    blocks: Sequence[Block],
    reference_skill: float,
    *,
    at_s: float,
    now_s: float,
    champions_per_year: float = 1.0,
) -> Verdict | None:
    """A verdict once skill is shown to have fallen. blocks: the champion's own, since it became champion."""
    judged = [block for block in blocks if block.scored >= FEWEST_SCORED]
    if len(judged) < 3:
        return None
    item = decay(
        reference_skill=reference_skill,
        tolerance=spec.monitor.tolerance,
        loss=np.array([block.loss / block.scored for block in judged]),
        base_loss=np.array([block.base_loss / block.scored for block in judged]),
        # The block test has the whole share: what follows an alarm of the e-detector's, weeks earlier, is not tried yet.
        champions=run_length(spec.monitor, "degradation", champions_per_year),
        days=math.inf,
        starts_s=[block.start_s for block in judged],
        metric=spec.judged_by,
    )
    if item.ruling is not Ruling.FAIL:
        return None
    model, champion = blocks[-1].model, blocks[-1].champion
    return verdict(item, model=model, subject=(champion,), rollout=None, at_s=at_s, now_s=now_s)


def drifts(spec: ModelSpec, blocks: Sequence[Block], reference: Profile, *, at_s: float, now_s: float) -> list[Verdict]:
    """A verdict per column that stands apart: those the champion leans on fail, the others are undecided and only noted.

    blocks: the champion's own of the window that ends now.
    """
    window = merged([counted for block in blocks if isinstance(counted := block.profile, Profile)])
    if window is None:
        return []
    found = [shift for shift in shifts(reference, window) if _is_notable(shift, spec.monitor.drift_at)]
    model, champion = blocks[-1].model, blocks[-1].champion
    return [
        verdict(
            drift(shift, bar=spec.monitor.drift_at),
            model=model,
            subject=(champion, shift.column),
            rollout=None,
            at_s=at_s,
            now_s=now_s,
        )
        for shift in found
    ]


def alarm(item: Verdict) -> Alarm:
    """What a person should see of a verdict about the champion: a page for decay and for a storm of fallbacks, a ticket for
    drift that matters, a note for drift that does not and for what is over.
    """
    cause, loud, following = _CAUSES.get(item.gate.name, _DRIFT)
    return alarms.of_verdict(
        item,
        cause,
        loud if item.ruling is Ruling.FAIL else "note",
        following=following.format(model=item.model, id=item.id),
        about=item.gate.measure if cause == "drift" else "",
        is_over=item.ruling is Ruling.PASS,
    )


def window_blocks(spec: ModelSpec, blocks: Sequence[Block], at_s: float) -> list[Block]:
    since_s = at_s - seconds(spec.monitor.window)
    return [block for block in blocks if block.start_s >= since_s]


def _is_notable(shift: Shift, bar: float) -> bool:
    return shift.weight >= bar or shift.distance >= NOTABLE_DISTANCE
