"""The rollout of a retrained version: asked for when it is made, and, where its plan is refused, again as days come.

A plan is refused for want of days, and days come by themselves: replay scores those that have passed since the version's
training ended. Until then nothing waits for it: the model may be retrained on more of them, and the first version whose
plan is in time is the one that starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lockgate.errors import Conflict, SpecError
from lockgate.records import Retraining, RetrainingState, Rollout, Routing, Ruling, Verdict, Version
from lockgate.records.duration import UNITS_S
from lockgate.records.plan import Plan
from lockgate.workspace import retrainings
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace

DAY_S = UNITS_S["d"]


class Start(NamedTuple):
    """What came of asking. said: a sentence, "" where a person may start it and nothing else is to be said; following: the
    command that a person is needed for, "" where none is; again_s: when it is asked for again, None where it is not.
    """

    said: str
    following: str
    again_s: float | None = None


def ask(workspace: Workspace, version: Version, recipe: Verdict | None, *, event_s: float) -> Start:
    """Start the rollout where `retrain.rollout` is "auto"; else say whether a person may. recipe: its replay's verdict."""
    following = f"lockgate rollout start {version.short}"
    is_auto = workspace.model(version.model).retrain.rollout == "auto"
    try:
        plan = workspace.plan(version)
        if plan.refusals:
            return _refused(workspace, version, plan, event_s)
        if not is_auto:
            return Start("", following)
        if recipe is not None and recipe.ruling is Ruling.FAIL:
            return Start(f"It was not started by itself: {recipe.sentence}", following)
        move = workspace.rollout(version, by="lockgate")
    except (Conflict, SpecError) as error:
        return Start(f"It was not started by itself: {error}" if is_auto else "", following)
    return Start(f"Its rollout {move.rollout} has started by itself.", "")


def again(workspace: Workspace, model: str) -> list[Retraining]:
    """Those whose rollout has started now, or may be: asked for once a day by event time, the newest version first."""
    wiring, event_s = workspace.wiring, workspace.event_s(model)
    found: list[Retraining] = []
    for one in refused(wiring, model):
        version = wiring.records.get(Version, str(one.version))
        if version is None or one.again_s is None or event_s < one.again_s:
            continue
        start = ask(workspace, version, recipe_of(wiring, one), event_s=event_s)
        if start.again_s is not None:
            wiring.records.write(msgspec.structs.replace(one, again_s=start.again_s))
            continue
        said = start.said or "Its plan is in time now, and it may start its rollout."
        sentence = f"{version.short}, retrained by {one.id}: {said}"
        found.append(retrainings.told_again(wiring, one, sentence, event_s=event_s, following=start.following))
        break
    return found


def refused(wiring: Wiring, model: str) -> list[Retraining]:
    """Retrainings whose version waits for a plan that is in time, the newest first: made of the standing champion's decay,
    and passed over by no rollout since.
    """
    records = wiring.records
    routing = records.get(Routing, model)
    champion = None if routing is None else records.get(Version, routing.champion)
    if champion is None:
        return []
    tried_s = max((rollout.started_s for rollout in records.all(Rollout, model)), default=float("-inf"))
    waiting = [one for one in records.all(Retraining, model) if _waits(one) and (one.ended_s or 0.0) > tried_s]
    made = {one.id: records.get(Version, str(one.version)) for one in waiting}
    standing = [one for one in waiting if (version := made[one.id]) is not None and version.made_s > champion.made_s]
    return sorted(standing, key=lambda one: one.ended_s or 0.0, reverse=True)


def recipe_of(wiring: Wiring, one: Retraining) -> Verdict | None:
    """The verdict of the recipe's replay, where it was replayed."""
    found: Sequence[Verdict | None] = [wiring.records.get(Verdict, name) for name in one.verdicts]
    return next((item for item in found if item is not None and item.gate.name == "recipe"), None)


def _waits(one: Retraining) -> bool:
    return one.state is RetrainingState.MADE and one.again_s is not None


def _in_time_s(workspace: Workspace, version: Version, plan: Plan, event_s: float) -> float | None:
    """From when on the plan would be in time if all stays as it is; None where days alone do not mend it, for a step needs
    its calls however long one waits.
    """
    if "replay" not in workspace.model(version.model).rollout.ladder or plan.days is None:
        return None
    steps = math.fsum(math.inf if step.days is None else step.days for step in plan.steps)
    return None if steps > plan.deadline_days else event_s + (plan.days - plan.deadline_days) * DAY_S


def _refused(workspace: Workspace, version: Version, plan: Plan, event_s: float) -> Start:
    from_s = _in_time_s(workspace, version, plan, event_s)
    when = "its plan is asked again every day"
    if from_s is not None and from_s > event_s:
        when += f", and is in time from some {datetime.fromtimestamp(from_s, UTC):%Y-%m-%d} on, for replay scores what passes"
    said = f"Its rollout is not started yet: {' '.join(plan.refusals)} Until then it holds nothing up; {when}."
    return Start(said, f"lockgate plan {version.short}", event_s + DAY_S)
