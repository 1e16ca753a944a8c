"""The watch over one model: read what is new in the log, close days that have matured, judge, write verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.decide import storm
from lockgate.decide.alarm_budget import run_length
from lockgate.decide.judgement import Judgement
from lockgate.metrics import loss
from lockgate.monitor import ab_watch, alarms, approval_watch, champion, guard, skew_watch
from lockgate.monitor.ab_watch import AbWatch
from lockgate.monitor.blocks import champion_block, pair_block
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_watch import DriftWatch, Reign
from lockgate.monitor.evidence import RolloutEvidence
from lockgate.monitor.fallback_watch import FallbackWatch
from lockgate.monitor.fault_watch import FaultWatch
from lockgate.monitor.fold import Fold
from lockgate.monitor.harm import HarmWatch
from lockgate.monitor.health import HealthMaker
from lockgate.monitor.joined import Joined
from lockgate.monitor.verdicts import verdict
from lockgate.records import (
    AbState,
    Alarm,
    Block,
    Contract,
    Health,
    ModelSpec,
    Move,
    PairBlock,
    Profile,
    Rollout,
    Routing,
    Ruling,
    Verdict,
)
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.harm_state import HarmState
from lockgate.records.prediction import LogRow
from lockgate.records.skew import SkewReport
from lockgate.records.usual import Usual
from lockgate.store.ports import Records

YEAR_S = 365 * UNITS_S["d"]
BUSY_DAYS = 28  # closed days of which the busiest says how many calls a year brings


@dataclass(frozen=True, kw_only=True)
class ChampionFacts:
    """What the watch must know of the champion's version: its contract, reference profile, skill when it was made, and what
    the hours of its table were like.
    """

    contract: Contract
    profile: Profile | None
    skill: float | None
    usual: Usual | None = None


class Watch:
    """One model's watch. All it must remember is in the records; the fold is a cache of the log."""

    def __init__(self, model: str, spec: ModelSpec, records: Records) -> None:
        self._model, self._spec, self._records = model, spec, records
        self._loss = loss(spec.judged_by, spec.task)
        self._blocks = records.all(Block, model)
        self._watched: tuple[str, int] | None = None
        self._settled: int | None = None
        self._reign: tuple[int, Reign] | None = None
        self._approvals = approval_watch.ApprovalWatch(model, records)
        self._judged: tuple[Rollout, int] | None = None
        self._harm: HarmWatch | None = None
        self._ab: AbWatch | None = None
        self._unwritten: list[Verdict] = []
        running = next((r for r in records.all(Rollout, model) if r.is_running), None)
        self._pending = ab_watch.Pending(running, lambda name: records.get(Rollout, name))
        closed_s = max((block.end_s for block in self._blocks), default=-math.inf)
        self._fallbacks = FallbackWatch(spec.monitor.fallbacks_at)
        self._untold_storms: dict[str, list[Judgement]] = {}
        self.skew = skew_watch.SkewWatch()
        self.drift = DriftWatch(model, spec.monitor, records)
        self._faults = FaultWatch(model, spec.monitor, records)
        self._health = HealthMaker()
        self._fold = Fold(
            model,
            horizon_s=seconds(spec.outcomes.horizon),
            deadline_s=spec.deadline_ms / 1000,
            closed_until_s=closed_s,
        )

    @property
    def event_s(self) -> float:
        """Event time: the latest question seen that is not dated in the future; -inf before the first."""
        return self._fold.watermark_s

    @property
    def forgotten_until_s(self) -> float:
        """Until when the log may forget; -inf where it keeps all. Days that are open, and those of a rollout that runs, are
        needed still.
        """
        retention = self._spec.log.retention
        if retention is None:
            return -math.inf
        running = [rollout.started_s for rollout in self._records.all(Rollout, self._model) if rollout.is_running]
        return min([self.event_s - seconds(retention), self._fold.open_since_s, *running])

    def catch_up(self) -> None:
        """Days that another leader has closed meanwhile are closed here too, and what it has judged of them is taken over."""
        if self._records.count(Block, self._model) == len(self._blocks):
            return
        # Their calls are handed out here no more: the guardrails go on from the state that was written with the blocks.
        self._judge_anew()
        known = {block.start_s for block in self._blocks}
        self._blocks = self._records.all(Block, self._model)
        for block in self._blocks:
            if block.start_s not in known:
                self._fold.close(block.start_s)

    def feed(self, rows: Sequence[LogRow], *, now_s: float) -> None:
        """rows: this model's."""
        came = Batch(rows)
        self.drift.feed(came)
        self._faults.feed(came)
        self._fold.take(came, now_s=now_s)
        self._fallbacks.run_length = self._calls_to_a_false_storm()
        if came.calls is not None:
            self._fallbacks.feed(came.calls)
        self._pending.feed(came)
        self.skew.feed(came)
        self._health.note()

    def look(self, routing: Routing, rollout: Rollout | None, facts: ChampionFacts, *, now_s: float) -> list[Verdict]:
        """Judge what is ripe and close what has matured. Returns the verdicts that are new; they are written already.

        Blocks, verdicts and how far the guardrails came are one transaction: a day that is closed was judged. Where it is
        refused, the same calls are judged at the next look.
        """
        self._fold.feed((), now_s=now_s)  # calls dated ahead whose time has come
        running = rollout if rollout is not None and rollout.is_running else None
        if running is not None and running.kind == "ab":
            return self._look_at_ab(routing, running, facts, now_s)
        self._pending.take(None)
        try:
            # Before days are closed: a closed day's calls are forgotten.
            by_call = [] if running is None else self._harm_of(running).look(running, self._fold)
            closed = self._matured(routing, rollout, now_s)
            pairs = [pair for _, pair in closed if pair is not None]
            has_news = bool(by_call or closed) or self._judged != (running, len(self._blocks))
            found = [] if running is None or not has_news else self._judge_rollout(running, by_call, pairs, now_s)
            held = [self._harm.state()] if self._harm is not None and (found or closed) else []
            if closed or found or held:
                self._records.write(*(block for block, _ in closed), *pairs, *found, *held)
        except Exception:
            self._judge_anew()
            raise
        self._closed(closed)
        if closed and running is None:
            self._fold.pass_over()
        # Last: a write that failed is tried again at the next tick.
        self._judged = None if running is None else (running, len(self._blocks))
        return found

    def _look_at_ab(self, routing: Routing, rollout: Rollout, facts: ChampionFacts, now_s: float) -> list[Verdict]:
        """Units and lots instead of pairs and steps; days close as ever, and all of it is one transaction too."""
        if self._ab is None or self._ab.rollout != rollout.id:
            standing = [v for v in self._records.all(Verdict, self._model) if v.rollout == rollout.id]
            self._ab = AbWatch(rollout, facts.contract, self._records.get(AbState, rollout.id), standing)
            self._unwritten = []
        # Units cannot be folded twice: what a write that failed has lost is written at the next look.
        self._unwritten += self._ab.look(rollout, self._pending.take(rollout), self._fold, now_s=now_s)
        closed = self._matured(routing, None, now_s)
        is_due = self._ab.is_due()
        if closed or self._unwritten or is_due:
            self._records.write(*(block for block, _ in closed), *self._unwritten, self._ab.state())
        self._closed(closed)
        found, self._unwritten = self._unwritten, []
        return found

    def _closed(self, days: Sequence[tuple[Block, PairBlock | None]]) -> None:
        """The days whose blocks are written."""
        for block, _ in days:
            self._blocks.append(block)
            self._fold.close(block.start_s)
            self._health.note()

    def has_evidence(self, rollout: Rollout) -> bool:
        """Whether a look would see anything of it: a call, or days that were replayed."""
        pairs = self._records.all(PairBlock, self._model)
        return any(pair.rollout == rollout.id for pair in pairs) or self._fold.has_calls(rollout.id)

    def settle(self, routing: Routing, *, now_s: float) -> list[Alarm]:
        """After a move, or at the first turn: alarms about a version that gets no calls any more are over."""
        if routing.revision == self._settled:
            return []
        at_s = self.event_s if math.isfinite(self.event_s) else now_s
        ended = alarms.settle(self._records, routing, at_s=at_s, now_s=now_s)
        self._settled = routing.revision
        return ended

    def watch_approval(self, rollout: Rollout | None, *, now_s: float) -> list[Alarm]:
        """A ticket where nothing but a person's approval keeps a rollout from its next step; over once it has it."""
        return self._approvals.look(rollout, at_s=self.event_s, now_s=now_s)

    def watch_champion(self, routing: Routing, facts: ChampionFacts, *, now_s: float) -> list[Alarm]:
        """Decay at every matured day, told once per champion."""
        seen = (routing.champion, len(self._blocks))
        if seen == self._watched:
            return []
        own = self._since_promotion(routing)
        found = self._decay(own, facts, now_s) if own else []
        told = {self._cause(v) for v in self._records.all(Verdict, self._model) if v.rollout is None}
        fresh = [v for v in found if self._cause(v) not in told]
        told_now = alarms.tell(self._records, *fresh, alarms=[champion.alarm(v) for v in fresh])
        # Last: a write that failed is tried again at the next tick.
        self._watched = seen
        return told_now

    def watch_drift(self, routing: Routing, facts: ChampionFacts, *, now_s: float) -> list[Alarm]:
        """What the windows of the champion's calls show, judged as they end."""
        return self.drift.look(
            self._reign_of(routing), facts.profile, event_s=self.event_s, now_s=now_s, contract=facts.contract
        )

    def watch_faults(self, routing: Routing, facts: ChampionFacts, *, now_s: float) -> list[Alarm]:
        """What is wrong with the champion's hours, judged as they grow; after `watch_drift`, which reads the windows."""
        whole_until_s = self.drift.taken_until_s
        if facts.profile is None or not self._faults.is_due(whole_until_s=whole_until_s, now_s=now_s):
            return []
        return self._faults.look(
            self._reign_of(routing),
            facts.profile,
            self.drift.take_read(routing.champion),
            of_table=facts.usual,
            whole_until_s=whole_until_s,
            now_s=now_s,
        )

    def watch_fallbacks(self, routing: Routing, *, now_s: float) -> list[Alarm]:
        """A page when too many of the champion's calls fail, a note when that is over; each once, also after a restart."""
        # What could not be written is told at the next look, if it is about the same champion.
        looked = [*self._untold_storms.get(routing.champion, []), *self._fallbacks.look(routing.champion)]
        self._untold_storms = {routing.champion: looked}
        if not looked:
            return []
        found = [
            verdict(
                item,
                model=self._model,
                subject=(routing.champion,),
                rollout=None,
                at_s=item.evidence.until_s or now_s,
                now_s=now_s,
            )
            for item in looked
        ]
        fresh = self._untold(found)
        told = alarms.tell(self._records, *fresh, alarms=[champion.alarm(item) for item in fresh])
        self._untold_storms = {}
        return told

    def tell_skew(self, report: SkewReport, *, now_s: float) -> list[Alarm]:
        """A ticket for each thing of a version that differs, told once for as long as the version lives."""
        told = {self._cause(v) for v in self._records.all(Verdict, self._model) if v.gate.claim == "skewed"}
        fresh = [v for v in skew_watch.verdicts(report, now_s=now_s) if self._cause(v) not in told]
        return alarms.tell(self._records, *fresh, alarms=[skew_watch.alarm(v) for v in fresh])

    def _untold(self, found: Sequence[Verdict]) -> list[Verdict]:
        """Without what lies before the last that was told of this champion, and without the end of no storm: a log that is
        read anew brings the workers' calls in another order, and an old storm may end at another call.
        """
        known = [v for v in self._records.all(Verdict, self._model) if self._cause(v) == self._cause(found[0])]
        told = {item.id for item in known}
        # What a wrong clock dated in the future keeps nobody from being told.
        last = max((v for v in known if v.at_s <= found[0].written_s), key=lambda item: item.at_s, default=None)
        fresh: list[Verdict] = []
        for item in found:
            is_later = item.id not in told and (last is None or item.at_s >= last.at_s)
            is_end_of_none = item.ruling is Ruling.PASS and (last is None or last.ruling is Ruling.PASS)
            if is_later and not is_end_of_none:
                fresh.append(item)
                last = item
        return fresh

    def health(self, now_s: float) -> Health | None:
        """How the model is doing, to be written; None where nothing is to be said, or what was said still stands."""
        if math.isinf(self.event_s):
            return None
        return self._health.due(self._fold, horizon_s=seconds(self._spec.outcomes.horizon), now_s=now_s)

    def _harm_of(self, rollout: Rollout) -> HarmWatch:
        if self._harm is None or self._harm.rollout != rollout.id:
            self._harm = HarmWatch(rollout, self._records.get(HarmState, rollout.id))
        return self._harm

    def _judge_anew(self) -> None:
        self._harm = self._judged = None
        self._fold.hand_out_again()

    def _matured(self, routing: Routing, rollout: Rollout | None, now_s: float) -> list[tuple[Block, PairBlock | None]]:
        """The blocks of the days that may be closed, oldest first."""
        found: list[tuple[Block, PairBlock | None]] = []
        for day, calls in self._fold.closable():
            block = champion_block(day, calls, champion=routing.champion, loss=self._loss)
            found.append((block, self._pair_block(day, calls, rollout, now_s)))
        return found

    def _pair_block(self, day: float, calls: Joined, rollout: Rollout | None, now_s: float) -> PairBlock | None:
        if rollout is None or not len(calls.of_rollout(rollout.id)):
            return None
        return pair_block(day, calls, rollout=rollout, loss=self._loss, closed_s=now_s)

    def _judge_rollout(
        self, rollout: Rollout, by_call: Sequence[Judgement], fresh: Sequence[PairBlock], now_s: float
    ) -> list[Verdict]:
        """fresh: the days that are closed with this look."""
        blocks = [b for b in (*self._records.all(PairBlock, self._model), *fresh) if b.rollout == rollout.id]
        standing = [v for v in self._records.all(Verdict, self._model) if v.rollout == rollout.id]
        evidence = RolloutEvidence(rollout, blocks)
        return guard.judge(self._spec, evidence, by_call, standing, at_s=self.event_s, now_s=now_s)

    def _calls_to_a_false_storm(self) -> float:
        """By the busiest of the last closed days; the loop begins with what is closed, so that a restart knows it too."""
        calls_per_day = max((block.calls for block in self._blocks[-BUSY_DAYS:]), default=0)
        return max(storm.RUN_LENGTH, run_length(self._spec.monitor, "fallback", 365.0 * calls_per_day))

    def _since_promotion(self, routing: Routing) -> list[Block]:
        """The blocks of the standing champion, from the first whole day after it took over."""
        since_s = self._reign_of(routing).since_s
        return [b for b in self._blocks if b.champion == routing.champion and b.start_s >= since_s]

    def _reign_of(self, routing: Routing) -> Reign:
        """Looked up once for each routing: it is asked for at every turn."""
        if self._reign is None or self._reign[0] != routing.revision:
            # A rollout that was rolled back left the champion where it was.
            moves = self._records.all(Move, self._model)
            since_s = max((m.at_s for m in moves if _is_takeover(m) and m.to == routing.champion), default=-math.inf)
            self._reign = routing.revision, Reign(routing.champion, since_s)
        return self._reign[1]

    def _decay(self, own: Sequence[Block], facts: ChampionFacts, now_s: float) -> list[Verdict]:
        if facts.skill is None:
            return []
        at_s = own[-1].end_s
        takeovers = sum(_is_takeover(m) and m.at_s > at_s - YEAR_S for m in self._records.all(Move, self._model))
        found = champion.degradation(
            self._spec, own, facts.skill, at_s=at_s, now_s=now_s, champions_per_year=max(1, takeovers)
        )
        return [found] if found else []

    @staticmethod
    def _cause(item: Verdict) -> tuple[str, ...]:
        return (item.gate.name, *item.subject)


def _is_takeover(move: Move) -> bool:
    return move.kind in ("install", "promote") or (move.kind == "roll_back" and move.rollout is None)
