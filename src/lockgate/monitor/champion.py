"""The champion, watched: has its skill decayed, do its calls fail, and who should know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lockgate.decide.alarm_budget import run_length
from lockgate.decide.decay import decay
from lockgate.monitor import alarms
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, Block, ModelSpec, Ruling, Verdict
from lockgate.records.alarm import Severity

FEWEST_SCORED = 30
DAYS_PER_YEAR = 365.0
_Told = tuple[Literal["degradation", "fallback"], Severity, str]
_CAUSES: dict[str, _Told] = {
    "degradation": ("degradation", "page", "lockgate retrain {model}"),
    "fallbacks": ("fallback", "page", "lockgate rollback {model}"),
}


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
        # Half of the share each: see docs/estimates.md#degradation.
        champions=2 * run_length(spec.monitor, "degradation", champions_per_year),
        days=2 * run_length(spec.monitor, "degradation", DAYS_PER_YEAR),
        starts_s=[block.start_s for block in judged],
        metric=spec.judged_by,
    )
    if item.ruling is not Ruling.FAIL:
        return None
    model, champion = blocks[-1].model, blocks[-1].champion
    return verdict(item, model=model, subject=(champion,), rollout=None, at_s=at_s, now_s=now_s)


def alarm(item: Verdict) -> Alarm:
    """What a person should see of a verdict about the champion: a page for decay and for a storm of fallbacks, a note for
    what is over.
    """
    cause, loud, following = _CAUSES[item.gate.name]
    return alarms.of_verdict(
        item,
        cause,
        loud if item.ruling is Ruling.FAIL else "note",
        following=following.format(model=item.model),
        is_over=item.ruling is Ruling.PASS,
    )
