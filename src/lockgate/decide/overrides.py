"""What a person may decide of a running rollout beside its verdicts: (rollout, verdicts, override) -> what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lockgate.decide import ab_overrides
from lockgate.decide.ladder import gated
from lockgate.decide.rollout import Decision
from lockgate.errors import Conflict, SpecError, unknown
from lockgate.records import Override, OverrideKind, Rollout, Ruling, Step, Verdict


class Overridden(NamedTuple):
    """The rollout as it is afterwards, and the move that follows at once, if any."""

    rollout: Rollout
    move: Decision | None = None


def about(rollout: Rollout, kind: OverrideKind, asked: Step | None = None) -> Step:
    """The step that an override is about: the next for an approval or a skip, the last for a promotion, else where it is.

    asked: a later step to be approved. Raises SpecError for one that is none.
    """
    if rollout.kind == "ab":
        return ab_overrides.about(rollout, kind, asked)
    if asked is not None:
        later = [step.name for step in rollout.steps[rollout.at + 1 :]]
        if asked.name not in later:
            raise SpecError(unknown("later step", asked.name, later))
        return asked
    if kind == "promote":
        return rollout.steps[-1]
    return rollout.steps[rollout.at + 1] if kind in ("approve", "skip") else rollout.step


def overridden(
    rollout: Rollout, verdicts: Sequence[Verdict], override: Override, *, version: str | None = None
) -> Overridden:
    """What the override makes of a running rollout. version: which of an A/B's challengers is promoted, where it has several.

    verdicts: the standing one of each gate, as in `next_move`; override.at_s is now. Raises SpecError or Conflict, naming
    the rollout, for what may not be: nobody overrides harm, a deadline that has passed, another's hold, a missing approval,
    or an alpha under which evidence was looked at.
    """
    if override.at_s >= rollout.deadline_s:
        raise SpecError(
            f"The deadline of {rollout.id} has passed: the next turn of the loop gives the traffic to the champion.",
            cure="Start another rollout, with a longer deadline.",
        )
    after = msgspec.structs.replace(rollout, overrides=(*rollout.overrides, override.id))
    if override.kind in ("promote", "skip"):
        if rollout.kind == "ab":
            return Overridden(after, ab_overrides.promoted(after, verdicts, override, version))
        _refuse_other(rollout, version)
        return _moved(after, verdicts, override)
    if override.kind == "widen":
        return Overridden(_widened(after, verdicts, override))
    if override.kind == "approve":
        return Overridden(_approved(after, override))
    return Overridden(_held(after, override))


def _refuse_other(rollout: Rollout, version: str | None) -> None:
    if version not in (None, rollout.challenger):
        raise SpecError(
            f"{version[:6] if version else ''} is not the challenger of {rollout.id}.",
            cure="Leave the version out: a ladder has one.",
        )


def _held(rollout: Rollout, override: Override) -> Rollout:
    is_hold = override.kind == "hold"
    if is_hold == (rollout.held is not None):
        state = f"is held already ({rollout.held})" if is_hold else "is not held"
        raise Conflict(f"{rollout.id} {state}.", cure=f"See: lockgate why {rollout.held or rollout.id}")
    return msgspec.structs.replace(rollout, held=override.id if is_hold else None)


def _approved(rollout: Rollout, override: Override) -> Rollout:
    if rollout.kind == "ladder" and override.step not in gated(rollout.spec, rollout.steps):
        raise SpecError(
            f"{override.step} of {rollout.id} needs no approval.",
            cure="Its verdicts lead there; to go on without them: lockgate rollout skip",
        )
    if override.step in rollout.approved:
        raise Conflict(
            f"{override.step} of {rollout.id} is approved already.",
            cure=f"See: lockgate why {rollout.approved[override.step]}",
        )
    return msgspec.structs.replace(rollout, approved=rollout.approved | {override.step: override.id})


def _moved(rollout: Rollout, verdicts: Sequence[Verdict], override: Override) -> Overridden:
    """Up without proof: what stands against it all the same is harm, a hold, and an approval that is missing."""
    harm = next((v for v in verdicts if v.ruling is Ruling.FAIL), None)
    if harm is not None:
        raise SpecError(f"{rollout.id} is being rolled back: {harm.sentence}", cure=f"See: lockgate why {harm.id}")
    if rollout.held is not None:
        raise Conflict(
            f"{rollout.id} is held ({rollout.held}).",
            cure=f"See why: lockgate why {rollout.held}; then: lockgate rollout resume {rollout.model}",
        )
    is_promotion = override.kind == "promote"
    to = len(rollout.steps) - 1 if is_promotion else rollout.at + 1
    step = rollout.steps[to]
    if not is_promotion and step.share == 1.0:
        raise SpecError(
            f"The step after {rollout.step.name} is the promotion, which is not skipped to.",
            cure=f"To promote without proof: lockgate rollout promote {rollout.model}",
        )
    if step.name in gated(rollout.spec, rollout.steps) and step.name not in rollout.approved:
        raise SpecError(
            f"{step.name} of {rollout.id} is entered only once it is approved.",
            cure=f"Somebody approves it: lockgate rollout approve {rollout.model} --step {step.share:g} --reason ...",
        )
    what = f"On to {step.name} without a verdict that {rollout.step.name} is safe"
    move = Decision(
        kind="promote" if is_promotion else "advance",
        to_step=to,
        verdicts=(),
        reason=f"{'Promoted without proof that it is worth it' if is_promotion else what}: {override.reason}",
        overrides=(override.id, *([rollout.approved[step.name]] if step.name in rollout.approved else [])),
    )
    return Overridden(rollout, move)


def _widened(rollout: Rollout, verdicts: Sequence[Verdict], override: Override) -> Rollout:
    """Before the first look alone: an alpha that is chosen once evidence is seen bounds nothing."""
    before, after = rollout.spec.alpha, override.alpha or 0.0
    if rollout.looked or verdicts:
        raise SpecError(
            f"The alpha of {rollout.id} stands at {before:g}: its evidence was looked at already, and an error rate that is "
            "chosen afterwards bounds nothing.",
            cure=f"End it, and start another with a wider alpha: lockgate rollout abort {rollout.model}",
        )
    if not before < after < 1:
        raise SpecError(
            f"An alpha of {after:g} does not widen the {before:g} of {rollout.id}.",
            cure=f"Give one between {before:g} and 1.",
        )
    return msgspec.structs.replace(rollout, spec=msgspec.structs.replace(rollout.spec, alpha=after))
