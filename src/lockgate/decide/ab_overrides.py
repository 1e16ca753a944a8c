"""What a person may decide of a running A/B: it has no rungs, so some of what a ladder knows means nothing here."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.decide.ab import wants_approval
from lockgate.decide.ladder import PROMOTION
from lockgate.decide.rollout import Decision
from lockgate.errors import Conflict, SpecError, unknown
from lockgate.records import Override, OverrideKind, Rollout, Ruling, Step, Verdict


def about(rollout: Rollout, kind: OverrideKind, asked: Step | None) -> Step:
    """The step that an override is about: the promotion, or where the A/B is. asked: the step that was named.

    Raises SpecError for what an A/B has not: rungs to skip, to approve one by one, and an alpha to widen.
    """
    if kind == "skip":
        raise SpecError(
            f"{rollout.id} is an A/B: its shares stand, and there is no step to skip.",
            cure=f"To promote without proof: lockgate rollout promote {rollout.model} --reason ...",
        )
    if kind == "widen":
        raise SpecError(
            f"{rollout.id} is an A/B: its alpha is shared by its arms and stands from the start.",
            cure=f"End it, and start another with --alpha: lockgate rollout abort {rollout.model} --reason ...",
        )
    if asked is not None and asked.name != PROMOTION.name:
        raise SpecError(unknown("later step", asked.name, [PROMOTION.name]))
    if kind == "approve" and not wants_approval(rollout):
        raise SpecError(
            f"{rollout.id} is an A/B whose winner needs no approval.",
            cure="Its verdict promotes it; require_approval = [1.0] under [model.NAME.rollout] would keep it waiting.",
        )
    return PROMOTION if kind in ("approve", "promote") else rollout.step


def promoted(rollout: Rollout, verdicts: Sequence[Verdict], override: Override, version: str | None) -> Decision:
    """One of the live challengers without proof; what stands against it is harm, a hold, and an approval that is missing.
    version: which, where there are several. Raises SpecError and Conflict.
    """
    chosen = _chosen(rollout, version)
    harm = next((v for v in verdicts if v.ruling is Ruling.FAIL and v.subject[0] == chosen), None)
    if harm is not None:
        raise SpecError(f"{chosen[:6]} is being stopped: {harm.sentence}", cure=f"See: lockgate why {harm.id}")
    if rollout.held is not None:
        raise Conflict(
            f"{rollout.id} is held ({rollout.held}).",
            cure=f"See why: lockgate why {rollout.held}; then: lockgate rollout resume {rollout.model}",
        )
    approval = rollout.approved.get(PROMOTION.name)
    if approval is None and wants_approval(rollout):
        raise SpecError(
            f"A winner of {rollout.id} is promoted only once that is approved.",
            cure=f"Somebody approves it: lockgate rollout approve {rollout.model} --reason ...",
        )
    return Decision(
        kind="promote",
        to_step=rollout.at,
        verdicts=(),
        reason=f"Promoted without proof that it is worth it: {override.reason}",
        overrides=(override.id, *([] if approval is None else [approval])),
        version=chosen,
    )


def _chosen(rollout: Rollout, version: str | None) -> str:
    live = [arm.version for arm in rollout.live]
    if version is None and len(live) > 1:
        raise SpecError(
            f"{rollout.id} has {len(live)} challengers: {', '.join(name[:6] for name in live)}.",
            cure=f"Say which: lockgate rollout promote {rollout.model} --version VERSION --reason ...",
        )
    chosen = live[0] if version is None else version
    if chosen not in live:
        raise SpecError(unknown("live challenger", chosen[:6], [name[:6] for name in live]))
    return chosen
