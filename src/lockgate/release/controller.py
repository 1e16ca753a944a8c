"""The controller: decide first, then record, then publish. A tick can be repeated and die at any point.

The move, the rollout and the routing are one transaction in the records, which are the truth; the routing board is
brought up to them at every tick, so a crash between the two loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from lockgate.decide.rollout import Decision, final_state, next_move
from lockgate.errors import Conflict, NotFound, SpecError
from lockgate.records import Move, Rollout, RolloutState, Routing, Verdict
from lockgate.records.rollout import MoveKind
from lockgate.store.ports import Records, RoutingBoard


class Controller:
    """Moves one model's traffic. `now_s` is wall time, `event_s` event time; both are passed in."""

    def __init__(self, model: str, records: Records, board: RoutingBoard) -> None:
        self._model, self._records, self._board = model, records, board

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
        return next((rollout for rollout in self.rollouts if rollout.is_running), None)

    def tick(self, *, event_s: float, now_s: float) -> Move | None:
        """Make the move that is due, if any, and bring the board up to the records."""
        move = None
        rollout = self.running
        if rollout is not None:
            decision = next_move(rollout, self._standing(rollout), event_s)
            if decision is not None:
                move = self._make(rollout, decision, event_s=event_s, now_s=now_s)
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
            "lockgate",
            event_s,
            now_s,
        )
        self._records.write(move, routing)
        self.publish()
        return move

    def start(self, rollout: Rollout, *, event_s: float, now_s: float, by: str) -> Move:
        """Put the challenger into the routing, at its first step's share."""
        routing = self._routed(rollout, self.routing)
        reason = f"Asked for by {by}; the ladder is {', '.join(step.name for step in rollout.steps)}."
        move = self._move("start", rollout.challenger, routing, (), reason, rollout.id, by, event_s, now_s)
        self._records.write(move, rollout, routing)
        self.publish()
        return move

    def mark_replayed(self, rollout: Rollout) -> None:
        self._records.write(msgspec.structs.replace(rollout, replayed=True))

    def abort(self, *, by: str, reason: str, event_s: float, now_s: float) -> Move:
        """A person ends the rollout; the champion keeps the traffic."""
        rollout = self.running
        if rollout is None:
            raise NotFound(f"No rollout of {self._model} is under way.")
        decision = Decision(kind="abort", to_step=rollout.at, verdicts=(), reason=reason)
        return self._make(rollout, decision, event_s=event_s, now_s=now_s, by=by)

    def roll_back(self, to: str | None, *, by: str, reason: str, event_s: float, now_s: float) -> Move:
        """All traffic to the champion of a running rollout, else to the champion before this one, or to `to`."""
        rollout = self.running
        if rollout is not None and to in (None, rollout.champion):
            decision = Decision(kind="roll_back", to_step=rollout.at, verdicts=(), reason=reason)
            return self._make(rollout, decision, event_s=event_s, now_s=now_s, by=by)
        if rollout is not None:
            raise Conflict(f"The rollout {rollout.id} is under way.", cure="Roll back without --to first.")
        before = self.routing
        target = to or before.previous
        if target is None or target == before.champion:
            raise SpecError(f"{self._model} has no earlier champion to go back to.", cure="Name one with --to VERSION.")
        routing = msgspec.structs.replace(
            before, champion=target, previous=before.champion, revision=before.revision + 1
        )
        move = self._move("roll_back", target, routing, (), reason, None, by, event_s, now_s)
        self._records.write(move, routing)
        self.publish()
        return move

    def _standing(self, rollout: Rollout) -> list[Verdict]:
        """The latest verdict of each gate of this rollout; later ones replace undecided ones."""
        found = [v for v in self._records.all(Verdict, self._model) if v.rollout == rollout.id]
        return list({v.gate.name: v for v in found}.values())

    def _make(
        self, rollout: Rollout, decision: Decision, *, event_s: float, now_s: float, by: str = "lockgate"
    ) -> Move:
        state = final_state(decision.kind)
        moved = msgspec.structs.replace(
            rollout,
            at=decision.to_step,
            stepped_s=event_s,
            state=RolloutState(state) if state else rollout.state,
            ended_s=event_s if state else None,
        )
        routing = self._routed(moved, self.routing)
        to = rollout.challenger if decision.kind in ("advance", "promote") else rollout.champion
        move = self._move(
            decision.kind, to, routing, decision.verdicts, decision.reason, rollout.id, by, event_s, now_s
        )
        self._records.write(move, moved, routing)
        self.publish()
        return move

    def _routed(self, rollout: Rollout, before: Routing) -> Routing:
        """The routing that a rollout's state asks for. The salt is the rollout's own, so that shares only grow in it."""
        revision = before.revision + 1
        if rollout.state is RolloutState.PROMOTED:
            return msgspec.structs.replace(
                _without_challenger(before), revision=revision, champion=rollout.challenger, previous=rollout.champion
            )
        if not rollout.is_running:
            return msgspec.structs.replace(_without_challenger(before), revision=revision)
        return msgspec.structs.replace(
            before,
            revision=revision,
            challenger=rollout.challenger,
            rollout=rollout.id,
            salt=rollout.id,
            share=rollout.step.share,
            shadow=rollout.step.kind != "replay",
        )

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
        named = f"{self._model}\x1f{routing.revision}\x1f{kind}"
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


def _without_challenger(routing: Routing) -> Routing:
    return msgspec.structs.replace(routing, challenger=None, rollout=None, salt="", share=0.0, shadow=False)
