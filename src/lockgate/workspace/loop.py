"""The heartbeat: read the log, judge, move, alert. One leader at a time, by lease; all its state is in the store.

Event time comes from the calls themselves, wall time from the wiring's clock; nothing here asks whether it is a replay.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from lockgate.errors import Conflict, StoreError
from lockgate.metrics import loss
from lockgate.monitor import alarms, log_watch
from lockgate.monitor.blocks import pair_block
from lockgate.monitor.fold import Fold
from lockgate.monitor.watch import ChampionFacts, Watch
from lockgate.records import Alarm, Block, Move, PairBlock, Profile, Rollout, Routing, Verdict, Version
from lockgate.records.log_trouble import LogTrouble
from lockgate.records.prediction import LogRow, Window
from lockgate.release.controller import Controller
from lockgate.release.replay import replay
from lockgate.store.frames import began_at_s
from lockgate.store.ports import Cursor
from lockgate.workspace import silences
from lockgate.workspace.collecting import seldom_collected
from lockgate.workspace.conflicts import Conflicts
from lockgate.workspace.skewing import skew
from lockgate.workspace.unrouted import Unrouted
from lockgate.workspace.wire import Wiring

LEASE = "loop"
LEASE_S = 10.0
READ_AT_ONCE = 20_000
COMPACTOR = "compactor"
COMPACT_EVERY_S = 60.0
WAKE_EVERY_S = 5.0
_log = logging.getLogger("lockgate.loop")


@dataclass
class Ticked:
    """What one tick did. is_leader: false when another loop holds the lease, and nothing was done. problems: sentences
    about the log and its upkeep, which a judgement does not wait for.
    """

    is_leader: bool = True
    read: int = 0
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    moves: list[Move] = field(default_factory=list[Move])
    alarms: list[Alarm] = field(default_factory=list[Alarm])
    problems: list[str] = field(default_factory=list[str])


class Loop:
    """Every model's watch and controller, turned by `tick`."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._cursor: Cursor | None = None
        is_late = _has_waited(wiring.log.oldest())  # a loop that makes one turn, by cron, compacts too
        self._compact_at_s = wiring.clock() + (0.0 if is_late else COMPACT_EVERY_S)
        self._backlog = log_watch.Backlog()
        self._stuck: str | None = None
        self._wake_at_s = 0.0
        self._watches: dict[str, Watch] = {}
        self._unrouted = Unrouted(wiring.spec, wiring.records)
        self._facts: dict[str, ChampionFacts] = {}
        self._conflicts = Conflicts()

    def tick(self) -> Ticked:
        """Do what is due. Safe to repeat, to interrupt, and to run beside another loop."""
        now_s = self._wiring.clock()
        if not self._wiring.lease.acquire(LEASE, self._holder, now_s=now_s, for_s=LEASE_S):
            return Ticked(is_leader=False)
        try:
            with self._wiring.records.reading():
                return self._tick(now_s)
        finally:
            self._wiring.lease.release(LEASE, self._holder)

    def _tick(self, now_s: float) -> Ticked:
        done = Ticked()
        models = {routing.model for routing in self._wiring.records.all(Routing)}
        watches = self._watched(models & set(self._wiring.spec.model))
        # All that is there is read before anything is judged: half of the log could close a day that it knows half of.
        # A short stretch is the end: workers write on, and who waits for an empty one judges nothing under load.
        is_behind = True
        while is_behind:
            with seldom_collected():
                read = self._take_in(watches, now_s)
            is_behind = read >= READ_AT_ONCE
            done.read += read
        for model in watches:
            try:
                self._turn(model, done, now_s)
                self._conflicts.ended(model)
            except Conflict as error:
                # Somebody else, another loop or a person, wrote first: what is due now is seen at the next tick.
                self._conflicts.met(model, str(error), now_s)
        self._write_health(watches, now_s)
        done.problems += self._unrouted.look(now_s, watches)
        self._watch_sources(done, now_s)
        if not 0.0 < self._compact_at_s - now_s <= COMPACT_EVERY_S:  # a clock set back puts nothing off
            self._compact_at_s = now_s + COMPACT_EVERY_S
            kept = self._keep_log(watches)
            done.problems += kept
            self._stuck = self._backlog.look(self._wiring.log.oldest(), next(iter(kept), None), now_s)
        done.alarms += self._watch_log(now_s)
        done.alarms += self._wake(now_s)
        return done

    def _take_in(self, watches: Mapping[str, Watch], now_s: float) -> int:
        """One stretch of the log; how many rows it had."""
        rows = self._read()
        for model, own in _by_model(rows).items():
            if model in watches:
                watches[model].feed(own, now_s=now_s)
            else:
                entries = [row for row in own if not isinstance(row, Window)]
                self._unrouted.feed(entries, watches, now_s=now_s)
        return len(rows)

    def _keep_log(self, watches: Mapping[str, Watch]) -> list[str]:
        """Compact what is sealed and forget what is too old. A disk that refuses holds up no judgement."""
        log = self._wiring.log
        try:
            kept = log.compact(may_go_on=self._may_compact)
            for model, watch in watches.items():
                until_s = watch.forgotten_until_s
                if math.isfinite(until_s):
                    log.forget(model, until_s)
                if math.isfinite(watch.drift.forgotten_until_s):
                    log.forget_windows(model, watch.drift.forgotten_until_s)
        except StoreError as error:
            _log.warning("The log was not compacted: %s", error)
            return [str(error)]
        finally:
            self._wiring.lease.release(COMPACTOR, self._holder)
        problems = [
            f"The segment {name} of the prediction log ends in bytes that are no frame; kept aside."
            for name in kept.torn
        ]
        problems += [
            f"The segment {name} of the prediction log holds {count:,} entries that this Lockgate cannot read; they are "
            "missing from every verdict. Kept aside as .unread."
            for name, count in kept.unread
        ]
        for problem in problems:
            _log.warning("%s", problem)
        return problems

    def _watch_log(self, now_s: float) -> list[Alarm]:
        """How the processes that write the log say it is; what those left that have ended goes once it is counted."""
        wiring = self._wiring
        accounts, told = wiring.notices.read(), list[Alarm]()
        held = next(iter(wiring.records.all(LogTrouble)), None)
        found = log_watch.look(held, accounts, self._stuck, place=str(wiring.home / "log"), now_s=now_s)
        if found.trouble is not None:
            told = alarms.tell(wiring.records, found.trouble, alarms=found.alarms)
        wiring.notices.forget(found.gone)
        for alarm in told:
            _log.warning("%s: %s", alarm.severity, alarm.sentence)
        return told

    def _wake(self, now_s: float) -> list[Alarm]:
        """Alarms whose snooze has run out, now and then: nobody snoozes to the second."""
        if 0.0 < self._wake_at_s - now_s <= WAKE_EVERY_S:
            return []
        self._wake_at_s = now_s + WAKE_EVERY_S
        try:
            return alarms.wake(self._wiring.records, now_s=now_s)
        except Conflict as error:
            _log.info("Alarms are woken at the next look: %s", error)
            return []

    def _may_compact(self) -> bool:
        """Both leases, renewed before each part: one compactor, and the loop stays the leader meanwhile."""
        lease, now_s = self._wiring.lease, self._wiring.clock()
        lease.acquire(LEASE, self._holder, now_s=now_s, for_s=LEASE_S)
        return lease.acquire(COMPACTOR, self._holder, now_s=now_s, for_s=COMPACT_EVERY_S)

    def _read(self) -> list[LogRow]:
        """The next stretch of the log; a first reading can take longer than a lease, so each stretch renews it."""
        self._wiring.lease.acquire(LEASE, self._holder, now_s=self._wiring.clock(), for_s=LEASE_S)
        rows, self._cursor = self._wiring.log.read(self._cursor, limit=READ_AT_ONCE)
        return rows

    def _watched(self, models: set[str]) -> dict[str, Watch]:
        if models - self._watches.keys():
            # A new watch reads the log from its start: what is closed already is passed over. The others begin anew with
            # it, as after a restart, for nothing may be told them twice.
            spec, records = self._wiring.spec, self._wiring.records
            watches = {model: Watch(model, spec.model[model], records) for model in sorted(models)}
            # All three or none: a new watch that did not begin at the start would judge the end of the log alone.
            self._watches, self._unrouted, self._cursor = watches, Unrouted(spec, records), None
        for watch in self._watches.values():
            watch.catch_up()
        return self._watches

    def _turn(self, model: str, done: Ticked, now_s: float) -> None:
        watch, controller = self._watches[model], self._wiring.controller(model)
        routing = controller.routing
        rollout = controller.running_in(routing)
        if rollout is not None and rollout.step.kind == "replay" and not rollout.replayed:
            self._replay(controller.mark_looked(rollout), controller)
            routing = controller.routing
            rollout = controller.running_in(routing)
        if rollout is not None and not rollout.looked and watch.has_evidence(rollout):
            rollout = controller.mark_looked(rollout)
        facts = self._champion_facts(routing)
        done.verdicts += watch.look(routing, rollout, facts, now_s=now_s)
        if math.isfinite(watch.event_s):
            while (move := controller.tick(event_s=watch.event_s, now_s=now_s)) is not None:
                done.moves.append(move)
                routing = controller.routing
                rollout = controller.running_in(routing)
            facts = self._champion_facts(routing)  # a move may have made another champion
            done.alarms += watch.settle(routing, now_s=now_s)
            done.alarms += watch.watch_champion(routing, facts, now_s=now_s)
            done.alarms += watch.watch_approval(rollout, now_s=now_s)
        else:
            controller.publish()  # without a champion on the board no first call would ever come
        done.alarms += watch.watch_drift(routing, facts, now_s=now_s)
        done.alarms += watch.watch_faults(routing, facts, now_s=now_s)  # also where no call was let in yet
        done.alarms += watch.watch_fallbacks(routing, now_s=now_s)
        self._watch_skew(model, done, now_s)

    def _write_health(self, watches: Mapping[str, Watch], now_s: float) -> None:
        """All models' in one transaction: each by itself costs more than what it says."""
        due = [health for watch in watches.values() if (health := watch.health(now_s)) is not None]
        if due:
            stalled = self._conflicts.stalled
            self._wiring.records.write(*(msgspec.structs.replace(one, stalled=stalled(one.model)) for one in due))

    def _watch_skew(self, model: str, done: Ticked, now_s: float) -> None:
        """The newest calls, replayed through the table path now and then; a version that cannot be asked is left out."""
        watch = self._watches[model]
        calls = watch.skew.due(event_s=watch.event_s, wall_s=time.monotonic())
        if calls:
            done.alarms += watch.tell_skew(skew(self._wiring, model, calls), now_s=now_s)

    def _watch_sources(self, done: Ticked, now_s: float) -> None:
        """Events that cannot be read are a source that nothing is known of; every judgement is made by now."""
        if not self._wiring.spec.source:
            return
        routed = [(model, self._wiring.records.get(Routing, model)) for model in self._watches]
        models = {
            model: silences.Asked(self._watches[model].event_s, self._champion_facts(routing).contract)
            for model, routing in routed
            if routing is not None
        }
        try:
            done.alarms += silences.watch(self._wiring, models, now_s=now_s)
        except StoreError as error:
            _log.warning("The sources were not looked at: %s", error)
            done.problems.append(str(error))

    def _champion_facts(self, routing: Routing) -> ChampionFacts:
        if routing.champion not in self._facts:
            version = self._wiring.records.get(Version, routing.champion)
            self._facts[routing.champion] = ChampionFacts(
                contract=self._wiring.contract(routing.champion),
                profile=self._reference(routing.champion),
                skill=version.metrics.get("skill") if version else None,
                usual=self._wiring.usual(routing.champion),
            )
        return self._facts[routing.champion]

    def _reference(self, version: str) -> Profile | None:
        try:
            return self._wiring.profile(version)
        except StoreError as error:  # all else about the version is judged without it
            _log.warning("Drift is not judged: %s", error)
            return None

    def _replay(self, rollout: Rollout, controller: Controller) -> None:
        """Blocks of the days that had closed before the rollout began; written once, whoever writes them."""
        wiring = self._wiring
        spec = wiring.spec.model[rollout.model]
        challenger = wiring.records.get(Version, rollout.challenger)
        closed = [b.end_s for b in wiring.records.all(Block, rollout.model) if b.end_s <= rollout.started_s]
        cut_off_s = challenger.lineage.trained_until_s if challenger else None
        if closed and cut_off_s is not None and cut_off_s < max(closed):
            days = replay(
                rollout,
                wiring.log.calls(rollout.model, since_s=cut_off_s, until_s=max(closed)),
                wiring.contract(rollout.champion),
                wiring.predictor(rollout.champion),
                wiring.predictor(rollout.challenger),
                since_s=cut_off_s,
                until_s=max(closed),
            )
            measure = loss(spec.judged_by, spec.task)
            written = {b.start_s for b in wiring.records.all(PairBlock, rollout.model) if b.rollout == rollout.id}
            for day in days:
                if day.day in written:
                    continue
                fold = Fold(rollout.model, horizon_s=0.0)
                fold.feed(day.entries)
                wiring.records.write(
                    pair_block(
                        day.day,
                        fold.open_calls(),
                        rollout=rollout,
                        loss=measure,
                        is_replayed=True,
                        closed_s=wiring.clock(),
                    )
                )
        controller.mark_replayed(rollout)


def _by_model(rows: Sequence[LogRow]) -> dict[str, list[LogRow]]:
    """Each model's own, in their order: a watch need not look at everybody's."""
    found: dict[str, list[LogRow]] = defaultdict(list)
    for row in rows:
        found[row.model].append(row)
    return found


def _has_waited(segment: str | None) -> bool:
    """Whether a sealed segment was begun long enough ago to be compacted at once."""
    began_s = None if segment is None else began_at_s(segment)
    return began_s is not None and time.time() - began_s >= COMPACT_EVERY_S
