"""Overrides, made: recorded with a name and a reason over the very state they were decided on, and the move that follows."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lockgate.decide.overrides import Overridden, about, overridden
from lockgate.errors import InvariantBroken, SpecError
from lockgate.records import (
    BudgetSpec,
    Move,
    Override,
    OverrideKind,
    Rollout,
    Spend,
    Step,
    override_id,
    spend_id,
)
from lockgate.records.harm_state import HarmState
from lockgate.release.controller import Controller, Stand
from lockgate.store.ports import Records


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks for, and when: event_s by event time, now_s by wall time. step: a later one, to be approved by
    name; alpha: what to widen to; version: which challenger of an A/B is promoted.
    """

    kind: OverrideKind
    by: str
    reason: str
    event_s: float
    now_s: float
    step: Step | None = None
    alpha: float | None = None
    version: str | None = None


class Overriding:
    """One model's. budget: what a wider alpha is drawn from."""

    def __init__(self, controller: Controller, records: Records, budget: BudgetSpec) -> None:
        self._controller, self._records, self._budget = controller, records, budget

    def lasting(self, asked: Asked) -> Override:
        """To hold, resume, approve or widen: recorded, and no traffic moves by itself.

        Raises as `decide.overrides.overridden` does; NotFound where no rollout is under way; SpecError where the budget does
        not hold a wider alpha.
        """
        return self._controller.tried(lambda: self._kept(asked))

    def moved(self, asked: Asked) -> Move:
        """To promote or skip: the move, which names the override. Raises as `lasting` does, and SpecError for a version
        whose folder was changed.
        """
        return self._controller.tried(lambda: self._moved(asked))

    def _kept(self, asked: Asked) -> Override:
        stand, made, found = self._found(asked)
        if found.move is not None:
            raise InvariantBroken(f"To {asked.kind} {made.model} moves its traffic.")
        draws = [] if asked.kind != "widen" else _draws(stand.rollout, found.rollout, made)
        self._records.spend(self._budget, *draws, then=(made, found.rollout), over=stand)
        return made

    def _moved(self, asked: Asked) -> Move:
        stand, made, found = self._found(asked)
        if found.move is None:
            raise InvariantBroken(f"To {asked.kind} {made.model} moves no traffic.")
        damage = self._controller.damage(found.move.version or stand.rollout.challenger)
        if damage is not None:
            raise SpecError(
                f"{stand.rollout.id} gives no more traffic to a version that is not what was judged: {damage}",
                cure=f"End it: lockgate rollout abort {stand.rollout.model} --reason ...",
            )
        return self._controller.make(
            stand, found.move, event_s=asked.event_s, now_s=asked.now_s, by=asked.by, override=made
        )

    def _found(self, asked: Asked) -> tuple[Stand, Override, Overridden]:
        stand = self._controller.needed()
        made = _recorded(asked, stand.rollout)
        standing = self._controller.standing(stand.rollout)
        return stand, made, overridden(self._seen(stand.rollout), standing, made, version=asked.version)

    def _seen(self, rollout: Rollout) -> Rollout:
        """A rollout that an earlier Lockgate began says nothing of looks; its guardrails' state does."""
        has_state = self._records.get(HarmState, rollout.id) is not None
        return msgspec.structs.replace(rollout, looked=True) if has_state else rollout


def _recorded(asked: Asked, rollout: Rollout) -> Override:
    return Override(
        id=override_id(rollout.model, rollout.id, len(rollout.overrides) + 1),
        model=rollout.model,
        rollout=rollout.id,
        kind=asked.kind,
        by=asked.by,
        reason=asked.reason,
        step=about(rollout, asked.kind, asked.step).name,
        at_s=asked.event_s,
        written_s=asked.now_s,
        alpha=asked.alpha,
    )


def _draws(before: Rollout, after: Rollout, override: Override) -> list[Spend]:
    """What the guardrails and the safe steps may be wrong by more than before: both share the rollout's alpha."""
    more = after.spec.alpha - before.spec.alpha
    return [
        Spend(
            id=spend_id(after.model, (after.id, override.id), gate),
            model=after.model,
            gate=gate,
            alpha=more,
            at_s=override.at_s,
            written_s=override.written_s,
            by=override.by,
            rollout=after.id,
        )
        for gate in ("guardrails", "safe steps")
    ]
