"""The rollout's state machine: (rollout, verdicts, now) -> the next move, or none. Nothing is read, nothing is written.

What persons decided of it stands in the rollout: whether it is held, and which steps were approved (`decide.overrides`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockgate.decide import ab
from lockgate.decide.ladder import PROMOTION, gated
from lockgate.records import Record, Rollout, Ruling, Step, Verdict
from lockgate.records.rollout import MoveKind


class Decision(Record, frozen=True, kw_only=True):
    """A move that is due: its kind, the step it leads to, the verdicts and overrides it rests on, and the reason in words.
    version: the challenger of an A/B that it is about.
    """

    kind: MoveKind
    to_step: int
    verdicts: tuple[str, ...]
    reason: str
    overrides: tuple[str, ...] = ()
    version: str | None = None


def next_move(rollout: Rollout, verdicts: Sequence[Verdict], now_s: float) -> Decision | None:
    """What is due, gravest first: harm, then worse, then the deadline, then a promotion, then the next step.

    verdicts: the standing one of each gate of this rollout. Safety unlocks shares; only worth promotes. No evidence is
    no move, and unsound evidence holds the step until a person ends it or the deadline does. So does a person who holds it;
    a step that wants approval is entered once it has it.
    """
    if not rollout.is_running:
        return None
    if rollout.kind == "ab":
        return _of_ab(rollout, verdicts, now_s)
    harm = next((v for v in verdicts if v.ruling is Ruling.FAIL), None)
    if harm is not None:
        return Decision(kind="roll_back", to_step=rollout.at, verdicts=(harm.id,), reason=harm.sentence)
    worth = next((v for v in verdicts if v.gate.name == "worth"), None)
    if now_s >= rollout.deadline_s:
        known = worth.sentence if worth else "No evidence came."
        reason = f"The deadline has passed and the champion keeps the traffic. {known}"
        return Decision(kind="undecided", to_step=rollout.at, verdicts=(worth.id,) if worth else (), reason=reason)
    if rollout.held is not None or any(v.ruling is Ruling.VOID for v in verdicts):
        return None
    return _approved(rollout, _climb(rollout, verdicts, worth))


def awaited(rollout: Rollout, verdicts: Sequence[Verdict], now_s: float) -> Step | None:
    """The step that nothing but an approval keeps the rollout from; None where there is none."""
    if rollout.held is not None or next_move(rollout, verdicts, now_s) is not None:
        return None
    steps = (PROMOTION,) if rollout.kind == "ab" else rollout.steps
    all_approved = msgspec.structs.replace(rollout, approved={step.name: "" for step in steps})
    due = next_move(all_approved, verdicts, now_s)
    if due is None:
        return None
    return PROMOTION if rollout.kind == "ab" else rollout.steps[due.to_step]


def _approved(rollout: Rollout, due: Decision | None) -> Decision | None:
    """The move up, where it needs no approval or has it."""
    if due is None:
        return None
    name = rollout.steps[due.to_step].name
    if name not in gated(rollout.spec, rollout.steps):
        return due
    if name not in rollout.approved:
        return None
    return msgspec.structs.replace(due, overrides=(rollout.approved[name],))


def _of_ab(rollout: Rollout, verdicts: Sequence[Verdict], now_s: float) -> Decision | None:
    found = ab.due(rollout, verdicts, now_s)
    if found is None:
        return None
    kind, version, verdict = found
    reason = verdict.sentence if verdict else "No evidence came."
    if kind == "undecided":
        reason = f"The deadline has passed and the champion keeps the traffic. {reason}"
    named = (verdict.id,) if verdict else ()
    move = Decision(kind=kind, to_step=rollout.at, verdicts=named, reason=reason, version=version)
    if kind != "promote" or not ab.wants_approval(rollout):
        return move
    approval = rollout.approved.get(PROMOTION.name)
    return None if approval is None else msgspec.structs.replace(move, overrides=(approval,))


def _climb(rollout: Rollout, verdicts: Sequence[Verdict], worth: Verdict | None) -> Decision | None:
    if rollout.step.kind == "replay":
        if not rollout.replayed:
            return None
        reason = "The replay over logged calls is done; the shadow goes on where it ended."
        return Decision(kind="advance", to_step=rollout.at + 1, verdicts=(), reason=reason)
    safe = next(
        (v for v in verdicts if v.gate.name == f"safe at {rollout.step.name}" and v.ruling is Ruling.PASS), None
    )
    if safe is None:
        return None
    above = rollout.steps[rollout.at + 1]
    if above.share < 1.0:
        return Decision(kind="advance", to_step=rollout.at + 1, verdicts=(safe.id,), reason=safe.sentence)
    if worth is None or worth.ruling is not Ruling.PASS:
        return None
    return Decision(
        kind="promote", to_step=rollout.at + 1, verdicts=(worth.id, safe.id), reason=f"{worth.sentence} {safe.sentence}"
    )


def final_state(kind: MoveKind) -> str | None:
    """The state a move leaves the rollout in, None where it goes on."""
    return {"promote": "promoted", "roll_back": "rolled back", "undecided": "undecided", "abort": "aborted"}.get(kind)
