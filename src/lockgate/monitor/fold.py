"""The log, folded: calls joined with their shadows and outcomes by prediction id, days kept until they have matured.

Entries may come late, twice and in any order; a call counts once. What is held is a cache of the log: after a restart the
fold is made again from the log and the blocks already written, and comes out the same.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import structs

from lockgate.monitor.call import Call, Examples
from lockgate.monitor.closed import ClosedCalls
from lockgate.records import Cell, Outcome, Prediction, Shadow
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import LogEntry
from lockgate.records.unit_outcome import is_of_unit

DAY_S = UNITS_S["d"]
INPUT = "input "
# Event time by which all workers' calls of an instant are in the log once answered, and how long a call waits for its
# shadow.
SLACK_S = 1.0
PATIENCE_S = 60.0
# How far the clock of who asks may be ahead of the loop's.
AHEAD_S = 60.0
# Outcomes that came true so long before the last closed day are passed over: they were counted in their time.
LATE_S = 14 * DAY_S


class Fold:
    """One model's calls of the days that have not been closed.

    watermark_s: the latest question, but for those dated in the future, which close no day and let nothing be forgotten
    until their time has come. unknown_outcomes: of no call, until the last closed day; late_outcomes: those that came for a
    call after its day had been closed here.
    """

    def __init__(
        self, model: str, *, horizon_s: float, deadline_s: float = 0.0, closed_until_s: float = -math.inf
    ) -> None:
        self.model = model
        self.watermark_s = -math.inf
        self.unknown_outcomes = 0
        self.late_outcomes = 0
        self._horizon_s = horizon_s
        # A call counts once it is older than its own deadline: failures that are the later ones would be left out.
        self._slack_s = SLACK_S + deadline_s
        self._patience_s = max(PATIENCE_S, self._slack_s)
        self._closed_until_s = closed_until_s
        self._closed_before_s = closed_until_s
        self._closed = ClosedCalls()
        self._days: dict[float, list[Call]] = defaultdict(list)
        self._examples = Examples()
        self._by_id: dict[str, Call] = {}
        self._early: dict[str, list[Shadow | Outcome]] = defaultdict(list)
        self._unripe: list[Call] = []
        self._judged: list[Call] = []
        self._ahead: list[float] = []  # a heap: when calls dated in the future say they were asked
        self.late_shadows: list[str] = []

    @property
    def open_since_s(self) -> float:
        """Where the oldest day begins that has not been closed; inf where there is none."""
        return min(self._days, default=math.inf)

    @property
    def _remembered_s(self) -> float:
        """Since when the calls of closed days are known by their ids: an outcome comes true within the horizon."""
        return self._closed_until_s - LATE_S - self._horizon_s - DAY_S

    def feed(self, entries: Iterable[LogEntry], *, now_s: float = math.inf) -> None:
        """Take in more of the log; entries of other models are passed over. now_s: by wall time, for what is dated ahead."""
        until_s = now_s + AHEAD_S
        while self._ahead and self._ahead[0] <= until_s:
            self.watermark_s = max(self.watermark_s, heapq.heappop(self._ahead))
        for entry in entries:
            if entry.model != self.model:
                continue
            if isinstance(entry, Prediction):
                self._take_call(entry, until_s)
            elif not is_of_unit(entry.id):  # what came of a unit is of no call
                self._take_fact(entry)

    def closable(self) -> Iterator[tuple[float, list[Call]]]:
        """Days that have matured, oldest first: over, and older than the horizon by event time."""
        for day in sorted(self._days):
            # Nothing closes before the guardrails, which wait for shadows, have passed it.
            if day + DAY_S + max(self._horizon_s, self._patience_s) <= self.watermark_s:
                yield day, sorted(self._days[day], key=lambda call: call.key)

    def ripe(self, rollout: str, *, waits: bool = True) -> list[Call]:
        """Calls of a rollout that are ready to be judged and have not been handed out before, in canonical order.

        A call is ready behind the watermark, and once its shadow is there too or is not waited for any longer; those
        behind one that waits wait with it. Calls of other rollouts are passed over for good. waits: for shadows.
        """
        own: list[Call] = []
        for call in self._unripe:
            if call.routed.rollout == rollout:
                own.append(call)
            else:
                call.pack(self._examples)
        for call in self._judged:
            call.pack(self._examples)
        self._unripe = sorted(own, key=lambda call: call.key)
        ready = 0
        for call in self._unripe:
            age_s = self.watermark_s - call.asked_s
            if age_s < self._slack_s or (waits and age_s < self._patience_s and not call.shadows):
                break
            ready += 1
        found, self._unripe = self._unripe[:ready], self._unripe[ready:]
        for call in found:
            call.is_judged = True
        self._judged = found  # to be packed once whoever asks has seen them
        return found

    def hand_out_again(self) -> None:
        """As after a restart: whoever judged the open days' calls goes on from what was written, and asks for them anew."""
        self._unripe = [call for call in self.open_calls() if call.routed.rollout is not None]
        for call in self._unripe:
            call.is_judged = False
        self._judged = []
        self.late_shadows.clear()

    def close(self, day: float) -> None:
        """Forget a day whose blocks are written."""
        for call in self._days.pop(day, ()):
            del self._by_id[call.id]
            self._closed.add(day, call.id)
        self._closed_until_s = max(self._closed_until_s, day + DAY_S)
        self._closed.forget(self._remembered_s)
        self._drop_early()

    def open_calls(self) -> Iterator[Call]:
        for day in sorted(self._days):
            yield from self._days[day]

    def _drop_early(self) -> None:
        """Facts of closed days whose call never came: counted, and kept in the log alone."""
        for name, facts in list(self._early.items()):
            when_s = max(fact.asked_s if isinstance(fact, Shadow) else fact.at_s for fact in facts)
            if when_s < self._closed_until_s:
                self.unknown_outcomes += sum(isinstance(fact, Outcome) for fact in facts)
                del self._early[name]

    def _take_call(self, prediction: Prediction, until_s: float) -> None:
        day = math.floor(prediction.asked_s / DAY_S) * DAY_S
        if prediction.asked_s <= until_s:
            self.watermark_s = max(self.watermark_s, prediction.asked_s)
        elif prediction.id not in self._by_id:
            heapq.heappush(self._ahead, prediction.asked_s)
        if prediction.id in self._by_id:
            return
        if day < self._closed_until_s:
            if day >= self._remembered_s:
                self._closed.add(day, prediction.id)
            self._early.pop(prediction.id, None)
            return
        call = Call.of(prediction)
        self._days[day].append(call)
        self._by_id[prediction.id] = call
        if prediction.rollout is None:
            call.pack(self._examples)
        else:
            self._unripe.append(call)
        for fact in self._early.pop(prediction.id, ()):
            self._attach(call, fact)

    def _take_fact(self, fact: Shadow | Outcome) -> None:
        call = self._by_id.get(fact.id)
        if call is not None:
            self._attach(call, fact)
        elif isinstance(fact, Shadow):
            if fact.asked_s >= self._closed_until_s:
                self._early[fact.id].append(fact)
        elif (day := self._closed.day_of(fact.id, known_s=fact.at_s)) is not None:
            self.late_outcomes += day >= self._closed_before_s
        elif fact.at_s >= self._closed_until_s - LATE_S:
            self._early[fact.id].append(fact)

    def _attach(self, call: Call, fact: Shadow | Outcome) -> None:
        # One text for each id and version, not one for each fact: millions may wait for their day to close.
        if isinstance(fact, Shadow):
            if call.is_judged and not call.shadows:
                self.late_shadows.append(fact.id)
            call.add_shadow(structs.replace(fact, id=call.id, model=self.model, version=sys.intern(fact.version)))
        elif call.outcome is None or fact.received_s >= call.outcome.received_s:
            call.outcome = structs.replace(fact, id=call.id, model=self.model)


def cells(calls: Iterable[Call], rollout: str) -> dict[float, Cell]:
    """Exact counts of one rollout's calls by the share in force when each was routed."""
    found: dict[float, Cell] = {}
    for call in calls:
        if call.routed.rollout == rollout:
            share = call.routed.share
            found[share] = found.get(share, Cell(share=share)) + count(call)
    return found


def count(call: Call) -> Cell:
    """One call's counts."""
    routed = call.routed
    one = (0, 1) if routed.arm == "challenger" else (1, 0)
    failures = one if call.without_inputs.failure is not None else (0, 0)
    pair = paired(call)
    if pair is None:
        return Cell(share=routed.share, calls=one, failures=failures)
    return Cell(
        share=routed.share,
        calls=one,
        failures=failures,
        pairs=1,
        failed_only=_only(pair.failed),
        broke_only=_only(pair.broke),
        bad=int(pair.failed[1] or pair.broke[1]),
    )


class Pair(NamedTuple):
    """What both versions did on one call, champion first."""

    failed: tuple[bool, bool]
    broke: tuple[bool, bool]


_SOUND = (False, False)


def paired(call: Call) -> Pair | None:
    """The pair of a call that both versions scored, None where one is missing."""
    shadow = next((s for s in call.shadows.values() if s.rollout == call.routed.rollout), None)
    if shadow is None:
        return None
    found = call.without_inputs
    if not found.flags and not shadow.flags:
        own, theirs = found.failure is not None, shadow.failure is not None
        return Pair((theirs, own) if call.routed.arm == "challenger" else (own, theirs), _SOUND)
    of_row = frozenset(flag for flag in found.flags if not flag.startswith(INPUT))
    served = (found.failure is not None, breaks(found.flags, of_row))
    other = (shadow.failure is not None, breaks(shadow.flags, of_row))
    champion, challenger = (other, served) if call.routed.arm == "challenger" else (served, other)
    return Pair(failed=(champion[0], challenger[0]), broke=(champion[1], challenger[1]))


def breaks(flags: tuple[str, ...], of_row: frozenset[str]) -> bool:
    """Whether the version's own inputs broke its contract where the row itself did not: a summer warmer than the training
    winter concerns both arms alike, a feature step that sends zeros concerns its version.
    """
    return any(flag.startswith(INPUT) and flag.removeprefix(INPUT) not in of_row for flag in flags)


def _only(which: tuple[bool, bool]) -> tuple[int, int]:
    champion, challenger = which
    return int(champion and not challenger), int(challenger and not champion)
