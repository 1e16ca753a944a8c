"""A whole rollout in moments: simulated traffic, and the real guardrails, worth test and controller, over records in memory.

The clock is the calls' own time and nothing else is, so that the same world and seed give the same ledger, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lockgate.decide import ladder
from lockgate.decide import plan as planning
from lockgate.decide.guardrails import Guardrails, Seen
from lockgate.monitor import guard
from lockgate.monitor.evidence import RolloutEvidence
from lockgate.monitor.fold import PATIENCE_S, SLACK_S
from lockgate.records import (
    Cell,
    GateSpec,
    ModelSpec,
    Move,
    OutcomesSpec,
    PairBlock,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Verdict,
)
from lockgate.records.duration import seconds
from lockgate.records.plan import Plan
from lockgate.release.controller import Controller
from lockgate.sim.rollouts import DAY_S, Stretch, World, days, stretch
from lockgate.stats import forecast
from lockgate.store.memory import MemoryBoard, MemoryRecords

MODEL, CHAMPION, CHALLENGER = "simulated", "champion", "challenger"
ROLLOUT = "r1"


class Ran(NamedTuple):
    """How a rollout ended. days: until then; canary_calls: served under the challenger's arm; fell_back: of those the ones
    that it failed; said: the gate of the last verdict that moved it.
    """

    state: RolloutState
    days: float
    canary_calls: int
    fell_back: int
    said: str
    plan: Plan


class Watching(Protocol):
    """What turns a stretch of calls into verdicts, in the records when it returns."""

    def look(self, rollout: Rollout, fresh: Stretch, *, now_s: float) -> None: ...


def model_spec(spec: RolloutSpec, world: World) -> ModelSpec:
    """The model that such a world would be the traffic of."""
    return ModelSpec(
        target="y",
        task="regression",
        metric="absolute_error",
        deadline_ms=max(1000 * world.deadline_s, 50.0),
        outcomes=OutcomesSpec(horizon="12h"),
        gate=GateSpec(),
        rollout=spec,
    )


def foretold(spec: ModelSpec, world: World, history: NDArray[np.float64]) -> Plan:
    """The plan as a workspace makes it: rates as they are, the days' spread and memory as the history shows them."""
    ahead = forecast.ahead(history)
    traffic = planning.Traffic(
        calls_per_day=world.calls_per_day,
        failure_rate=world.rate,
        gain=-world.worse_by,
        block_sd=None if ahead is None else ahead.sd,
        lag1=0.0 if ahead is None else ahead.lag1,
        history=history.size,
        horizon_days=seconds(spec.outcomes.horizon) / DAY_S,
    )
    return planning.plan(spec.rollout, traffic, not_worse_by=spec.gate.not_worse_by)


class Simulation:
    """One rollout of one world. looks: how many a day; the real loop looks every second, and nothing hangs on it but how
    soon a move is made.
    """

    def __init__(self, world: World, seed: Sequence[int], spec: RolloutSpec | None = None, *, looks: int = 2) -> None:
        self.world, self._every_s = world, DAY_S / looks
        self.spec = model_spec(RolloutSpec() if spec is None else spec, world)
        self._rng = np.random.default_rng(seed)
        self.deadline_s = seconds(self.spec.rollout.deadline)
        self.path = days(self._rng, world, int(self.deadline_s // DAY_S) + 2)
        self.records = MemoryRecords()
        self._controller = Controller(MODEL, self.records, MemoryBoard())
        self.plan = foretold(self.spec, world, self.path.history)

    def run(self, watching: Watching | None = None) -> Ran:
        """To its end: there is a deadline. watching: the real guardrails on the calls as arrays, where left out."""
        watching = watching or Direct(self)
        self._begin()
        now_s, first, canary, fell_back = 0.0, 0, 0, 0
        while (rollout := self._moved(now_s)) is not None:
            fresh = stretch(
                self._rng,
                self.world,
                self.path,
                first=first,
                since_s=now_s,
                until_s=now_s + self._every_s,
                share=rollout.step.share,
            )
            now_s, first = now_s + self._every_s, first + fresh.arm.size
            own = fresh.arm == 1
            canary, fell_back = canary + int(own.sum()), fell_back + int((own & fresh.failed[:, 1]).sum())
            watching.look(rollout, fresh, now_s=now_s)
        return self._ended(canary, fell_back)

    @cached_property
    def rollout(self) -> Rollout:
        """As it begins."""
        return Rollout(
            id=ROLLOUT,
            model=MODEL,
            champion=CHAMPION,
            challenger=CHALLENGER,
            spec=self.spec.rollout,
            steps=ladder.steps(self.spec.rollout),
            at=0,
            state=RolloutState.RUNNING,
            started_s=0.0,
            stepped_s=0.0,
            deadline_s=self.deadline_s,
            not_worse_by=self.spec.gate.not_worse_by,
            history=tuple(self.path.history.tolist()),
            replayed=True,
            plan=self.plan,
        )

    @property
    def routing(self) -> Routing:
        return self._controller.routing

    def _begin(self) -> None:
        routing = Routing(model=MODEL, revision=1, champion=CHAMPION, baseline=None, constant=0.5)
        self._controller.install(routing, (), event_s=0.0, now_s=0.0)
        self._controller.start(self.rollout, event_s=0.0, now_s=0.0, by="the simulation")

    def _moved(self, now_s: float) -> Rollout | None:
        """The rollout once every move that is due has been made; None where it has ended."""
        while self._controller.tick(event_s=now_s, now_s=now_s) is not None:
            pass
        return self._controller.running

    def _ended(self, canary: int, fell_back: int) -> Ran:
        rollout = self._controller.rollouts[0]
        move = self.records.all(Move)[-1]
        gates = {v.id: v.gate.name for v in self.records.all(Verdict)}
        return Ran(
            state=rollout.state,
            days=(rollout.ended_s or 0.0) / DAY_S,
            canary_calls=canary,
            fell_back=fell_back,
            said=gates[move.verdicts[0]] if move.verdicts else move.kind,
            plan=self.plan,
        )


class Direct:
    """The guardrails and the worth test on arrays of calls. What reads a log, joins and closes days is left out, and its
    rules are kept: a call is judged behind the slack, one reported behind it is left out, a day closes with its horizon.
    slack_s: another one, to see what becomes of failures that are reported later than it.
    """

    def __init__(self, of: Simulation, *, slack_s: float | None = None) -> None:
        self._spec, self._world, self._path, self._records = of.spec, of.world, of.path, of.records
        self._guardrails = Guardrails(of.rollout)
        self._slack_s = SLACK_S + of.spec.deadline_ms / 1000 if slack_s is None else slack_s
        self._waiting: Stretch | None = None
        self._watermark_s = self._judged_s = -np.inf
        self._scored: Counter[int] = Counter()
        self._pairs: Counter[tuple[int, float]] = Counter()
        self._closed = 0

    def look(self, rollout: Rollout, fresh: Stretch, *, now_s: float) -> None:
        self._count(fresh)
        by_call = self._guardrails.take(rollout, seen(self._ripe(fresh, now_s)))
        self._close(rollout)
        blocks = self._records.all(PairBlock)
        standing = self._records.all(Verdict)
        evidence = RolloutEvidence(rollout, blocks)
        self._records.write(*guard.judge(self._spec, evidence, by_call, standing, at_s=self._watermark_s, now_s=now_s))

    def _ripe(self, fresh: Stretch, now_s: float) -> Stretch:
        """Those to be judged now, in order."""
        held = fresh if self._waiting is None else joined(self._waiting, fresh)
        is_known = held.known_s <= now_s
        self._watermark_s = float(max(self._watermark_s, held.asked_s[is_known].max(initial=-np.inf)))
        until_s = self._watermark_s - self._slack_s
        is_behind = held.asked_s <= until_s
        found = part(held, is_known & is_behind & (held.asked_s > self._judged_s))
        self._judged_s = max(self._judged_s, float(found.asked_s.max(initial=-np.inf)))
        self._waiting = part(held, ~(is_known & is_behind))
        return found

    def _count(self, fresh: Stretch) -> None:
        for day in np.unique(fresh.day).tolist():
            own = fresh.day == day
            self._scored[day] += int((own & ~fresh.failed.any(axis=1)).sum())
            self._pairs[day, float(fresh.share[0])] += int(own.sum())

    def _close(self, rollout: Rollout) -> None:
        """Days that have matured."""
        horizon_s = max(seconds(self._spec.outcomes.horizon), PATIENCE_S, self._slack_s)
        while (self._closed + 1) * DAY_S + horizon_s <= self._watermark_s:
            self._records.write(self._block(rollout, self._closed))
            self._closed += 1

    def _block(self, rollout: Rollout, day: int) -> PairBlock:
        scored, loss = self._scored[day], self._world.loss
        cells = [Cell(share=share, pairs=pairs) for (of, share), pairs in sorted(self._pairs.items()) if of == day]
        return PairBlock(
            model=MODEL,
            rollout=rollout.id,
            start_s=day * DAY_S,
            end_s=(day + 1) * DAY_S,
            champion=CHAMPION,
            challenger=CHALLENGER,
            scored=scored,
            champion_loss=scored * loss,
            challenger_loss=scored * (loss + float(self._path.difference[day])),
            cells=tuple(cells),
        )


def part(calls: Stretch, which: NDArray[np.bool_]) -> Stretch:
    """Some of the calls."""
    return Stretch(
        number=calls.number[which],
        asked_s=calls.asked_s[which],
        known_s=calls.known_s[which],
        arm=calls.arm[which],
        share=calls.share[which],
        failed=calls.failed[which],
        day=calls.day[which],
    )


def joined(before: Stretch, after: Stretch) -> Stretch:
    return Stretch(
        number=np.concatenate([before.number, after.number]),
        asked_s=np.concatenate([before.asked_s, after.asked_s]),
        known_s=np.concatenate([before.known_s, after.known_s]),
        arm=np.concatenate([before.arm, after.arm]),
        share=np.concatenate([before.share, after.share]),
        failed=np.concatenate([before.failed, after.failed]),
        day=np.concatenate([before.day, after.day]),
    )


def seen(calls: Stretch) -> Seen:
    """As the guardrails take them: both versions scored each, each is a unit of its own."""
    n = calls.arm.size
    ids = [f"p{number:09d}" for number in calls.number.tolist()]
    return Seen(
        id=ids,
        unit=ids,
        asked_s=calls.asked_s,
        arm=calls.arm,
        share=calls.share,
        failed=calls.failed[np.arange(n), calls.arm],
        latency_ms=np.ones(n),
        is_pair=np.ones(n, dtype=bool),
        pair_failed=calls.failed,
        broke_only=np.zeros((n, 2), dtype=bool),
        bad=calls.failed[:, 1],
    )
