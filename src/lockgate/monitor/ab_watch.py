"""The watch over an A/B: units folded as they mature and looked at each minute, guardrails at every call, lots checked.

All it must remember is in one record; the rest is a cache of the log.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from lockgate.decide import ab_judgement
from lockgate.decide.ab import gate_name, stretches
from lockgate.decide.ab_result import adjusts, alpha_of, compared, contrast, metrics, ratio, spec_of
from lockgate.decide.assign import among
from lockgate.decide.judge.judge import Judge
from lockgate.decide.judgement import Judgement
from lockgate.monitor.ab_units import Units
from lockgate.monitor.came import Batch
from lockgate.monitor.fold import DAY_S, Fold
from lockgate.monitor.joined import Joined
from lockgate.monitor.verdicts import verdict
from lockgate.records import AbState, Contract, Rollout, Ruling, Verdict
from lockgate.records.ab import OF_CALLS, AbLook
from lockgate.records.policy import Policy, PolicyKind
from lockgate.records.prediction import LogEntry
from lockgate.stats import arm_means

MOST_LOOKS = 400
WRITE_EVERY_S = 1.0
KINDS: dict[str, PolicyKind] = {"failures": "rate", "latency_ms": "latency"}
Find = Callable[[str], Rollout | None]


class Pending:
    """What the log brought since the last look, kept only while an A/B is under way. find: a rollout by its id."""

    def __init__(self, running: Rollout | None, find: Find) -> None:
        self._find = find
        self._known: dict[str, bool] = {} if running is None else {running.id: running.kind == "ab"}
        self._entries: list[LogEntry] = []
        self._is_wanted = running is not None and running.kind == "ab"

    def feed(self, came: Batch) -> None:
        """A rollout that is met first here is looked up once."""
        names = () if came.calls is None else dict.fromkeys(came.calls.of("rollout"))
        for name in names:
            if name is not None and name not in self._known:
                found = self._find(name)
                self._known[name] = found is not None and found.kind == "ab" and found.is_running
                self._is_wanted |= self._known[name]
        if self._is_wanted:
            self._entries += came.entries

    def take(self, running: Rollout | None) -> list[LogEntry]:
        """What came, once. Without an A/B under way nothing is kept any more."""
        self._is_wanted = running is not None and running.kind == "ab"
        found, self._entries = self._entries, []
        return found if self._is_wanted else []


SETTLES = (Ruling.PASS, Ruling.FAIL)
"""A gate that has so ruled is not asked again; where its evidence is void it may still stop an arm."""


class AbWatch:
    """One A/B's. standing: its verdicts so far; held: where an earlier process left it."""

    def __init__(self, rollout: Rollout, contract: Contract, held: AbState | None, standing: Sequence[Verdict]) -> None:
        self.rollout = rollout.id
        self._model = rollout.model
        self._units = Units(rollout, contract, held)
        self._settled = {v.gate.name for v in standing if v.ruling in SETTLES}
        self._is_void = any(v.ruling is Ruling.VOID for v in standing)
        self._told_s = max((v.at_s for v in standing if v.ruling is Ruling.UNDECIDED), default=-math.inf)
        state = held or AbState(rollout=rollout.id, model=rollout.model)
        self._looks, self._stride, self._looked = list(state.looks), state.stride, state.looked
        self._call_after = None if state.call_after_s is None else (state.call_after_s, state.call_after_id)
        self._written: tuple[object, ...] = ()
        self._due = 0.0
        self._judges = {key: judge for key in _judged(rollout) for judge in [_judge(rollout, key, state)]}

    def look(self, rollout: Rollout, entries: Sequence[LogEntry], fold: Fold, *, now_s: float) -> list[Verdict]:
        """What has been decided by what came; verdicts that are new. They are written by who asks, with `state`."""
        self._units.take(rollout, entries)
        watermark_s = fold.watermark_s
        found = self._of_calls(rollout, fold.ripe(rollout.id, waits=False))
        found += self._check_lots(rollout, watermark_s)
        is_won = False
        for end_s in self._units.minutes(watermark_s):
            own = [] if is_won or self._is_void else self._look(rollout, end_s)
            is_won = is_won or any(item.ruling is Ruling.PASS for _, item in own)
            found += own
        self._units.forget(watermark_s)
        self._settled |= {item.gate.name for _, item in found if item.ruling in SETTLES}
        return [
            verdict(
                item,
                model=self._model,
                subject=(version, rollout.champion),
                rollout=rollout.id,
                at_s=item.evidence.until_s or watermark_s,
                now_s=now_s,
            )
            for version, item in found
        ]

    def is_due(self) -> bool:
        """Whether there is news to write, and time for it. A restart would fold it again; a page would miss it."""
        news = (self._units.after, self._call_after, sum(self._units.exposed.values()))
        if news == self._written or time.monotonic() < self._due:
            return False
        self._written, self._due = news, time.monotonic() + WRITE_EVERY_S
        return True

    def state(self) -> AbState:
        units = self._units
        after_s, after_id = units.after or (None, "")
        call_s, call_id = self._call_after or (None, "")
        return AbState(
            rollout=self.rollout,
            model=self._model,
            cells=units.state_cells(),
            after_s=after_s,
            after_id=after_id,
            until_s=units.until_s,
            looks=tuple(self._looks),
            stride=self._stride,
            looked=self._looked,
            judges={f"{name} {version}": judge.state() for (name, version), judge in self._judges.items()},
            call_after_s=call_s,
            call_after_id=call_id,
            exposed=tuple((share, version, n) for (share, version), n in sorted(units.exposed.items())),
            astray=units.astray,
            late=units.late,
            uncovered=units.uncovered,
        )

    def _look(self, rollout: Rollout, end_s: float) -> list[tuple[str, Judgement]]:
        """Each live challenger by each metric, at the end of one minute."""
        cells = self._units.cells
        is_adjusted = adjusts(spec_of(rollout), self._units.counted, self._units.uncovered)
        found: list[tuple[str, Judgement]] = []
        is_due = end_s >= self._told_s + DAY_S
        self._looked += 1
        for version in [arm.version for arm in rollout.live]:
            for metric in metrics(rollout):
                is_primary = metric == spec_of(rollout).metric
                name = gate_name(metric, version, is_guardrail=not is_primary)
                if name in self._settled:
                    continue
                seen = contrast(rollout, cells, version, metric, is_adjusted=is_adjusted)[0]
                half = float(arm_means.half_width(seen, alpha=alpha_of(rollout, metric)))
                is_told = abs(float(seen.estimate)) > half
                if is_primary:
                    self._note(version, end_s, seen, half)
                if not (is_told or (is_primary and is_due)):
                    continue
                row = compared(rollout, cells, version, metric, is_adjusted=is_adjusted)
                ruling = {"better": Ruling.PASS, "worse": Ruling.FAIL}.get(row.told, Ruling.UNDECIDED)
                if ruling is Ruling.PASS and not is_primary:  # a guardrail that goes well decides nothing
                    continue
                item = ab_judgement.of_units(rollout, row, ruling, end_s)
                found.append((version, item))
                if ruling is not Ruling.UNDECIDED:
                    self._settled.add(name)
        if is_due:
            self._told_s = end_s
        return found

    def _note(self, version: str, end_s: float, seen: arm_means.Contrast, half: float) -> None:
        """A look for the drawing: every `stride`-th, so that their number stays bounded."""
        if self._looked % self._stride or not math.isfinite(half):
            return
        estimate = float(seen.estimate)
        self._looks.append(
            AbLook(
                version=version,
                until_s=end_s,
                units=self._units.counted,
                estimate=estimate,
                low=estimate - half,
                high=estimate + half,
                log_e=float(arm_means.log_e(seen)),
            )
        )
        if len(self._looks) > MOST_LOOKS * max(1, len({look.version for look in self._looks})):
            kept = sorted({look.until_s for look in self._looks})[1::2]
            self._looks = [look for look in self._looks if look.until_s in set(kept)]
            self._stride *= 2

    def _check_lots(self, rollout: Rollout, watermark_s: float) -> list[tuple[str, Judgement]]:
        if self._is_void:
            return []
        found = ratio(rollout, self._units.exposed, self._units.astray)
        if not found.is_void:
            return []
        self._is_void = True
        judgements = ab_judgement.void(rollout, found, watermark_s)
        subjects = [rollout.challenger, *(arm.version for arm in rollout.live)]
        return list(zip(subjects, judgements, strict=True))

    def _of_calls(self, rollout: Rollout, ripe: Joined) -> list[tuple[str, Judgement]]:
        """Failures and latencies, each challenger's calls beside the champion's, as soon as they are answered."""
        calls = ripe if self._call_after is None else ripe[ripe.until(self._call_after) :]
        if not calls:
            return []
        self._call_after = calls[-1].key
        found: list[tuple[str, Judgement]] = []
        live = {arm.version for arm in rollout.live}
        for (name, version), judge in self._judges.items():
            if judge.is_over or version not in live:
                continue
            void = judge.void
            _observe(judge, rollout, calls, name, version)
            gate = gate_name(name, version, is_guardrail=True)
            if gate not in self._settled:
                found += [(version, _renamed(ruled, gate)) for ruled in judge.told_since(void)]
        return found


def _judged(rollout: Rollout) -> list[tuple[str, str]]:
    names = [guarded.metric for guarded in spec_of(rollout).guarded if guarded.metric in OF_CALLS]
    return [(name, arm.version) for name in names for arm in rollout.arms]


def _judge(rollout: Rollout, key: tuple[str, str], state: AbState) -> Judge:
    name, version = key
    policy = Policy(kind=KINDS[name], alpha=alpha_of(rollout, name))
    judge = Judge(policy, model=rollout.model, clock=lambda: 0.0)
    if held := state.judges.get(f"{name} {version}"):
        judge.load(held)
    return judge


def _observe(judge: Judge, rollout: Rollout, calls: Joined, name: str, version: str) -> None:
    """The calls of the champion and one challenger, drawn by lot between the two. What went astray bets on nothing."""
    by_share, shares = stretches(rollout), dict[float, float]()
    for total, live in by_share.items():
        own = next((arm.share for arm in live if arm.version == version), None)
        if own is not None:
            shares[total] = own / (own + 1.0 - total)
    is_of_two = calls.by_way(lambda routed: routed.share in shares and routed.version in (version, rollout.champion))
    rows = list[int]()
    for row in np.flatnonzero(is_of_two).tolist():
        routed = calls.routed(row)
        if (among(rollout.id, calls.units[row], by_share[routed.share]) or rollout.champion) == routed.version:
            rows.append(row)
    if not rows:
        return
    drawn = calls.take(np.array(rows))
    failed = drawn.by_way(lambda routed: routed.failure is not None).astype(np.float64)
    judge.observe_batch(
        drawn.by_way(lambda routed: routed.version == version).astype(np.int64),
        drawn.latency_ms if name == "latency_ms" else failed,
        np.array([shares[drawn.routed(row).share] for row in range(len(drawn))]),
        unit=drawn.units,
        at_s=drawn.asked_s,
    )


def _renamed(ruled: Verdict, gate: str) -> Judgement:
    """A judge's ruling as the guardrail's own."""
    return Judgement(
        ruling=ruled.ruling,
        gate=msgspec.structs.replace(ruled.gate, name=gate),
        evidence=msgspec.structs.replace(ruled.evidence, until_s=ruled.at_s),
        sentence=ruled.sentence,
    )
