"""Skew, watched: a model's newest calls are replayed once an hour, and each thing that differs is told once."""

from __future__ import annotations

import math
from collections import deque
from typing import TypeGuard

from lockgate.decide.judgement import Judgement
from lockgate.monitor import alarms
from lockgate.monitor.came import Batch
from lockgate.monitor.fallback_watch import LatestIds
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, Evidence, Gate, Prediction, Ruling, Verdict
from lockgate.records.duration import UNITS_S
from lockgate.records.record import Record
from lockgate.records.skew import Skewed, SkewReport

SAMPLE = 200
EVERY_S = UNITS_S["h"]
# A replay of days that are over moves event time by hours a second, and need not be looked at as often.
EVERY_WALL_S = 10.0
KNOWN = 10_000
GATE = "skew of "


class SkewWatch:
    """One model's newest calls, and when they are to be looked at."""

    def __init__(self) -> None:
        self._calls: deque[Prediction] = deque(maxlen=SAMPLE)
        self._known = LatestIds(KNOWN)
        self._looked_at_s = self._looked_wall_s = -math.inf

    def feed(self, came: Batch) -> None:
        """Those that can be replayed: with their inputs, answered by the version that was chosen."""
        if came.calls is None:
            return
        last = zip(came.calls.entries[-SAMPLE:], came.calls.numbers()[-SAMPLE:].tolist(), strict=True)
        fit = [(call, number) for call, number in last if _can_be_replayed(call)]
        self._calls += [fit[place][0] for place in self._known.new([number for _, number in fit])]

    def due(self, *, event_s: float, wall_s: float) -> list[Prediction]:
        """The calls to be looked at now, oldest first; none where it is not time. wall_s: of a clock that never goes back."""
        is_due = event_s >= self._looked_at_s + EVERY_S and wall_s >= self._looked_wall_s + EVERY_WALL_S
        if not is_due or not self._calls:
            return []
        self._looked_at_s, self._looked_wall_s = event_s, wall_s
        return sorted(self._calls, key=lambda call: (call.asked_s, call.id))


def _can_be_replayed(call: Record) -> TypeGuard[Prediction]:
    return isinstance(call, Prediction) and bool(call.inputs) and call.served_by == call.version


def verdicts(report: SkewReport, *, now_s: float) -> list[Verdict]:
    """One for each thing that differs."""
    at_s = now_s if report.until_s is None else report.until_s
    return [
        verdict(
            judged(item, since_s=report.since_s, until_s=report.until_s),
            model=report.model,
            subject=(item.version or "", item.column),
            rollout=None,
            at_s=at_s,
            now_s=now_s,
        )
        for item in report.skewed
    ]


def judged(item: Skewed, *, since_s: float | None, until_s: float | None) -> Judgement:
    """What differs as a judgement: it was seen on these calls, and nothing about it is a guess."""
    what = "the answer" if item.kind == "answer" else item.column
    gate = Gate(
        name=f"{GATE}{what}",
        question="harm",
        claim="skewed",
        measure=item.column,
        method="logged calls replayed through the table path",
        margin=0.0,
        alpha=0.0,
        guarantee="exact",
    )
    evidence = Evidence(
        n=(item.calls,),
        events=(item.differ,),
        estimate=item.share,
        low=item.share,
        high=item.share,
        since_s=since_s,
        until_s=until_s,
        detail={} if item.largest is None else {"largest": item.largest},
    )
    return Judgement(ruling=Ruling.FAIL, gate=gate, evidence=evidence, sentence=item.sentence)


def alarm(item: Verdict) -> Alarm:
    """A ticket: calls are answered, and what was promised of the version on a table does not hold for them."""
    about = "/".join(part for part in (item.subject[0][:6], item.subject[1]) if part)
    return alarms.of_verdict(item, "skew", "ticket", following=f"lockgate data skew {item.model}", about=about)
