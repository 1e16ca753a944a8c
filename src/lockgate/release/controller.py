"""The controller: decide first, then record, then publish. A tick can be repeated and die at any point.

The move, the rollout and the routing are one transaction in the records, which are the truth; the routing board is
brought up to them at every tick, so a crash between the two loses nothing. A move is written over the very routing and
rollout that it was decided on: of two controllers, or a controller and a person, one moves, and the other looks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from lockgate.decide.rollout import Decision, final_state, next_move
from lockgate.errors import Conflict, NotFound, SpecError
from lockgate.records import (
    BudgetSpec,
    Move,
    Override,
    Rollout,
    RolloutState,
    Routing,
    Spend,
    Verdict,
)
from lockgate.records.duration import lasted
from lockgate.records.rollout import MoveKind
from lockgate.release.routings import earlier, routed
from lockgate.store.ports import Records, RoutingBoard

TRIES = 5
LOOP = "lockgate"
ENDS: tuple[MoveKind, ...] = ("roll_back", "undecided", "abort")
JUST_S = 600.0  # wall time in which a person who rolls back means what the loop has just ended
_T = TypeVar("_T")


def _whole(_version: str) -> str | None:
    return None


class Stand(NamedTuple):
    """What a move is decided on, the routing read first: whoever moved after that is noticed when the move is written."""

    routing: Routing
    rollout: Rollout


class Controller:
    """Moves one model's traffic. `now_s` is wall time, `event_s` event time; both are passed in.

    damage: what is wrong with a version's folder, in a sentence, None where it is whole; asked before more traffic goes
    to a challenger.
    """

    def __init__(
        self, model: str, records: Records, board: RoutingBoard, *, damage: Callable[[str], str | None] = _whole
    ) -> None:
        self._model, self._records, self._board, self._damage = model, records, board, damage

    @property
    def routing(self) -> Routing:
        found = self._records.get(Routing, self._model)
        if found is None:
            raise NotFound(f"{self._model} has no champion yet.", cure="Train a version, gate it, and roll it out.")
        return found

    @property
    def rollouts(self) -> list[Rollout]:
        return self._records.all(Rollout, self._model)

    @property
    def running(self) -> Rollout | None:
        stand = self._stand()
        return None if stand is None else stand.rollout

    def running_in(self, routing: Routing) -> Rollout | None:
        """The rollout that a routing serves, as it stands now; a routing names one for as long as it runs."""
        rollout = None if routing.rollout is None else self._records.get(Rollout, routing.rollout)
        return rollout if rollout is not None and rollout.is_running else None

    def tick(self, *, event_s: float, now_s: float) -> Move | None:
        """Make the move that is due, if any, and bring the board up to the records. None too where somebody moved first."""
        move = None
        stand = self._stand()
        if stand is not None:
            decision = next_move(stand.rollout, self.standing(stand.rollout), event_s)
            if decision is not None:
                try:
                    move = self.make(stand, self._sound(stand.rollout, decision), event_s=event_s, now_s=now_s)
                except Conflict:
                    if self._stand() == stand:
                        raise
        self.publish()
        return move

    def publish(self) -> None:
        routing = self._records.get(Routing, self._model)
        if routing is not None and self._board.read(self._model) != routing:
            self._board.publish(routing)

    def install(self, routing: Routing, verdicts: Sequence[Verdict], *, event_s: float, now_s: float) -> Move:
        """The first champion of a model takes all traffic."""
        if self._records.get(Routing, self._model) is not None:
            raise Conflict(f"{self._model} has a champion already.", cure="Start a rollout instead.")
        reason = verdicts[-1].sentence if verdicts else "The first champion."
        move = self._move(
            "install",
            routing.champion,
            routing,
            tuple(v.id for v in verdicts),
            reason,
            None,
            LOOP,
            event_s,
            now_s,
        )
        try:
            self._records.write(move, routing)
        except Conflict as error:
            raise Conflict(
                f"{self._model} was given another champion at the same moment.", cure="See: lockgate status"
            ) from error
        self.publish()
        return move

    def start(
        self,
        rollout: Rollout,
        *,
        event_s: float,
        now_s: float,
        by: str,
        before: Routing | None = None,
        spends: Sequence[Spend] = (),
        budget: BudgetSpec | None = None,
    ) -> Move:
        """Put the challenger into the routing, at its first step's share, and draw what its gates spend, or neither.

        before: the routing that the rollout was begun over, read before anything else it rests on; left out, the one that
        holds now. Raises Conflict where another move was made since.
        """
        before = self.routing if before is None else before
        routing = routed(rollout, before)
        reason = f"Asked for by {by}; {_way(rollout)}."
        move = self._move("start", rollout.challenger, routing, (), reason, rollout.id, by, event_s, now_s)
        try:
            self._records.spend(budget or BudgetSpec(), *spends, then=(move, rollout, routing), over=(before,))
        except Conflict as error:
            running = self.running
            under_way = f" (the rollout {running.id} is under way)" if running is not None else ""
            raise Conflict(
                f"Somebody moved the traffic of {self._model} at the same moment{under_way}; {rollout.id} was not started, "
                "and nothing was spent.",
                cure="See: lockgate status",
            ) from error
        self.publish()
        return move

    def mark_replayed(self, rollout: Rollout) -> None:
        """Raises Conflict where the rollout has changed since."""
        self._records.write(msgspec.structs.replace(rollout, replayed=True), over=(rollout,))

    def mark_looked(self, rollout: Rollout) -> Rollout:
        """Before the first look at its evidence: from now on its alpha stands. Raises Conflict as `mark_replayed` does."""
        marked = msgspec.structs.replace(rollout, looked=True)
        self._records.write(marked, over=(rollout,))
        return marked

    def abort(self, *, by: str, reason: str, event_s: float, now_s: float) -> Move:
        """A person ends the rollout; the champion keeps the traffic."""

        def end() -> Move:
            stand = self.needed()
            decision = Decision(kind="abort", to_step=stand.rollout.at, verdicts=(), reason=reason)
            return self.make(stand, decision, event_s=event_s, now_s=now_s, by=by)

        return self.tried(end)

    def roll_back(self, to: str | None, *, by: str, reason: str, event_s: float, now_s: float) -> Move:
        """All traffic to the champion of a running rollout, else to the champion before this one, or to `to`."""
        meant = self._stand()

        def back() -> Move:
            stand = self._stand()
            if meant is not None and stand is None and self.routing.champion == meant.rollout.champion:
                # What they wanted happened meanwhile; once more would take the champion itself off.
                raise Conflict(
                    f"{meant.rollout.id} ended at the same moment, and its champion has the traffic.",
                    cure=f"See: lockgate why {meant.rollout.id}",
                )
            if stand is None:
                if to is None:
                    self._refuse_what_was_done(now_s)
                return self._to_earlier(to, by=by, reason=reason, event_s=event_s, now_s=now_s)
            if to not in (None, stand.rollout.champion):
                raise Conflict(f"The rollout {stand.rollout.id} is under way.", cure="Roll back without --to first.")
            decision = Decision(kind="roll_back", to_step=stand.rollout.at, verdicts=(), reason=reason)
            return self.make(stand, decision, event_s=event_s, now_s=now_s, by=by)

        return self.tried(back)

    def _refuse_what_was_done(self, now_s: float) -> None:
        """The loop was quicker than the person, who means the challenger and not its champion."""
        last = self._records.all(Move, self._model)[-1]
        age_s = now_s - last.written_s
        if last.kind not in ENDS or last.by != LOOP or not 0 <= age_s < JUST_S:
            return
        raise Conflict(
            f"{last.rollout} was ended by Lockgate {lasted(age_s)} ago, and its champion has all the traffic.",
            cure=f"If the champion is to go as well, say where to: lockgate rollback {self._model} --to VERSION",
        )

    def _to_earlier(self, to: str | None, *, by: str, reason: str, event_s: float, now_s: float) -> Move:
        before = self.routing
        target = to or before.previous
        if target is None or target == before.champion:
            raise SpecError(f"{self._model} has no earlier champion to go back to.", cure="Name one with --to VERSION.")
        routing = earlier(before, target)
        move = self._move("roll_back", target, routing, (), reason, None, by, event_s, now_s)
        self._records.write(move, routing, over=(before,))
        self.publish()
        return move

    def _stand(self) -> Stand | None:
        """None where no rollout is under way."""
        routing = self._records.get(Routing, self._model)
        rollout = None if routing is None else self.running_in(routing)
        return None if routing is None or rollout is None else Stand(routing, rollout)

    def needed(self) -> Stand:
        """What a move of the running rollout is decided on. Raises NotFound where none is under way."""
        stand = self._stand()
        if stand is None:
            raise NotFound(f"No rollout of {self._model} is under way.", cure="See: lockgate status")
        return stand

    def tried(self, act: Callable[[], _T]) -> _T:
        """A person's move, decided anew where somebody else moved between the look and the writing."""
        for _ in range(TRIES):
            before = self._records.get(Routing, self._model), self._stand()
            try:
                return act()
            except Conflict:
                if (self._records.get(Routing, self._model), self._stand()) == before:
                    raise
        raise Conflict(f"The traffic of {self._model} moves all the time.", cure="Try again in a moment.")

    def _sound(self, rollout: Rollout, decision: Decision) -> Decision:
        """The decision; where it would give more traffic to a version whose folder is not as it was sealed, the end of it."""
        gains = decision.version or rollout.challenger
        damage = self._damage(gains) if decision.kind in ("advance", "promote") else None
        if damage is None:
            return decision
        reason = f"The challenger is not what was judged: {damage} The champion keeps the traffic."
        return Decision(kind="abort", to_step=rollout.at, verdicts=(), reason=reason)

    def standing(self, rollout: Rollout) -> list[Verdict]:
        """The latest verdict of each gate of this rollout; later ones replace undecided ones."""
        found = [v for v in self._records.all(Verdict, self._model) if v.rollout == rollout.id]
        return list({v.gate.name: v for v in found}.values())

    def damage(self, version: str) -> str | None:
        """What is wrong with a version's folder, in a sentence; None where it is as it was sealed."""
        return self._damage(version)

    def make(
        self,
        stand: Stand,
        decision: Decision,
        *,
        event_s: float,
        now_s: float,
        by: str = LOOP,
        override: Override | None = None,
    ) -> Move:
        """Record the move with the rollout and the routing it leads to, then publish. Raises Conflict where others moved."""
        state, rollout = final_state(decision.kind), stand.rollout
        moved = msgspec.structs.replace(
            rollout,
            overrides=rollout.overrides if override is None else (*rollout.overrides, override.id),
            at=decision.to_step,
            stepped_s=event_s,
            state=RolloutState(state) if state else rollout.state,
            ended_s=event_s if state else None,
        )
        if decision.version is not None:
            moved = _of_arm(moved, decision)
        routing = routed(moved, stand.routing)
        to = moved.challenger if decision.kind in ("advance", "promote") else rollout.champion
        move = self._move(
            decision.kind, to, routing, decision.verdicts, decision.reason, rollout.id, by, event_s, now_s
        )
        move = msgspec.structs.replace(move, overrides=decision.overrides)
        self._records.write(*([] if override is None else [override]), move, moved, routing, over=stand)
        self.publish()
        return move

    def _move(
        self,
        kind: MoveKind,
        to: str,
        routing: Routing,
        verdicts: tuple[str, ...],
        reason: str,
        rollout: str | None,
        by: str,
        event_s: float,
        now_s: float,
    ) -> Move:
        named = f"{self._model}\x1f{routing.revision}"  # one move leads to a revision, whatever its kind
        return Move(
            id=f"m{hashlib.blake2b(named.encode(), digest_size=4).hexdigest()}",
            model=self._model,
            kind=kind,
            to=to,
            share=routing.share if routing.challenger else 1.0,
            revision=routing.revision,
            verdicts=verdicts,
            reason=reason,
            at_s=event_s,
            written_s=now_s,
            by=by,
            rollout=rollout,
        )


def _way(rollout: Rollout) -> str:
    if rollout.kind == "ab":
        each = ", ".join(f"{arm.version[:6]} {arm.share:.3g}" for arm in rollout.arms)
        return f"an A/B by {rollout.ab.metric if rollout.ab else '?'}, shares {each}, the rest the champion's"
    return f"the ladder is {', '.join(step.name for step in rollout.steps)}"


def _of_arm(rollout: Rollout, decision: Decision) -> Rollout:
    """An arm that was stopped takes part no longer; the one that wins is the challenger."""
    if decision.version is None or decision.kind not in ("end_arm", "promote"):
        return rollout
    if decision.kind == "promote":
        return msgspec.structs.replace(rollout, challenger=decision.version)
    return msgspec.structs.replace(rollout, ended=(*rollout.ended, decision.version))
