"""The log, folded: calls joined with their shadows and outcomes by prediction id, days kept until they have matured.

Entries may come late, twice and in any order; a call counts once. What is held is a cache of the log: after a restart the
fold is made again from the log and the blocks already written, and comes out the same.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.monitor.came import Batch, Came, Ints
from lockgate.monitor.closed import ClosedCalls
from lockgate.monitor.joined import NONE, Bools, Floats, Joined
from lockgate.monitor.open_calls import Answered, OpenCalls
from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import LogEntry

DAY_S = UNITS_S["d"]
# Event time by which all workers' calls of an instant are in the log once answered, and how long a call waits for its
# shadow.
SLACK_S = 1.0
PATIENCE_S = 60.0
# How far the clock of who asks may be ahead of the loop's.
AHEAD_S = 60.0
# Outcomes that came true so long before the last closed day are passed over: they were counted in their time.
LATE_S = 14 * DAY_S
# Calls that are handed out at once: after a restart a million may be ready.
AT_ONCE = 50_000
Fact = Shadow | Outcome


class Fold:
    """One model's calls of the days that have not been closed.

    watermark_s: the latest question, but for those dated in the future, which close no day and let nothing be forgotten
    until their time has come. unknown_outcomes: of no call, until the last closed day; late_outcomes: those that came for a
    call after its day had been closed here. Their inputs are not kept: windows count those.
    """

    def __init__(
        self,
        model: str,
        *,
        horizon_s: float,
        deadline_s: float = 0.0,
        closed_until_s: float = -math.inf,
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
        self._days: dict[float, int] = defaultdict(int)  # how many calls are open
        self._open = OpenCalls(model)
        self._early: dict[str, list[Fact]] = defaultdict(list)
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
        self.take(Batch([entry for entry in entries if entry.model == self.model]), now_s=now_s)

    def take(self, came: Batch, *, now_s: float = math.inf) -> None:
        """The same of entries that are this model's."""
        until_s = now_s + AHEAD_S
        while self._ahead and self._ahead[0] <= until_s:
            self.watermark_s = max(self.watermark_s, heapq.heappop(self._ahead))
        over = {} if came.calls is None else self._take_calls(came.calls, came.entries, until_s)
        if over:
            kept = [entry for place, entry in enumerate(came.entries) if place > over.get(entry.id, -1)]
            came = Batch(kept)
        self._take_facts(came.shadows)
        self._take_facts(came.outcomes)

    def closable(self) -> Iterator[tuple[float, Joined]]:
        """Days that have matured, oldest first: over, and older than the horizon by event time."""
        for day in sorted(self._days):
            # Nothing closes before the guardrails, which wait for shadows, have passed it.
            if day + DAY_S + max(self._horizon_s, self._patience_s) <= self.watermark_s:
                yield day, self._open.between(day, day + DAY_S).sorted()

    def ripe(self, rollout: str, *, waits: bool = True) -> Joined:
        """Calls of a rollout that are ready to be judged and have not been handed out before, in canonical order; where there
        are very many the first of them, and the next at the next asking.

        A call is ready behind the watermark, and once its shadow is there too or is not waited for any longer; those
        behind one that waits wait with it. Calls of other rollouts are passed over for good. waits: for shadows.
        """

        def is_held(asked_s: Floats, word: NDArray[np.int32]) -> Bools:
            age_s = self.watermark_s - asked_s
            is_alone: Bools = (age_s < self._patience_s) & (word == NONE) & waits
            return (age_s < self._slack_s) | is_alone

        return self._open.hand_out(rollout, is_held, AT_ONCE)

    def pass_over(self) -> None:
        """Nobody judges: the calls of rollouts that have ended wait for their days alone."""
        self._open.pass_over()

    def hand_out_again(self) -> None:
        """As after a restart: whoever judged the open days' calls goes on from what was written, and asks for them anew."""
        self._open.take_back()
        self.late_shadows.clear()

    def close(self, day: float) -> None:
        """Forget a day whose blocks are written."""
        if self._days.pop(day, 0):
            self._closed.add_numbers(day, self._open.close(day, day + DAY_S))
        self._closed_until_s = max(self._closed_until_s, day + DAY_S)
        self._closed.forget(self._remembered_s)
        self._drop_early()

    def open_calls(self) -> Joined:
        """All of them."""
        return self._open.between(-math.inf, math.inf)

    def answered(self) -> Answered:
        """All open calls, as far as their health is asked for."""
        return self._open.answered()

    def has_calls(self, rollout: str | None = None) -> bool:
        """Whether any is open, of that rollout where one is named."""
        return bool(self._days) and (rollout is None or self._open.has_any(rollout))

    def _drop_early(self) -> None:
        """Facts of closed days whose call never came: counted, and kept in the log alone."""
        for name, facts in list(self._early.items()):
            when_s = max(fact.asked_s if isinstance(fact, Shadow) else fact.at_s for fact in facts)
            if when_s < self._closed_until_s:
                self.unknown_outcomes += sum(isinstance(fact, Outcome) for fact in facts)
                del self._early[name]

    def _take_calls(self, came: Came, own: Sequence[LogEntry], until_s: float) -> dict[str, int]:
        """Of calls whose day is over, where in `own` they came: what had come for them before has no place any longer."""
        numbers, asked_s = came.numbers(), came.floats("asked_s")
        past = asked_s[asked_s <= until_s]
        if past.size:
            self.watermark_s = max(self.watermark_s, float(past.max()))
        is_known = self._open.has(numbers)
        days = np.floor(asked_s / DAY_S) * DAY_S
        is_odd = past.size < asked_s.size or is_known.any() or float(days.min()) < self._closed_until_s
        over: dict[str, int] = {}
        if is_odd or len(set(numbers.tolist())) < numbers.size:
            calls = [call for call in came.entries if isinstance(call, Prediction)]
            rows, gone = self._sorted_out(calls, is_known.tolist(), days.tolist(), until_s)
            over = self._pass_over([(calls[row], float(days[row])) for row in gone], own)
            if not rows:
                return over
            came, numbers, days = Came([calls[row] for row in rows]), numbers[rows], days[rows]
        self._open.add(came, numbers)
        for day, many in Counter[float](days.tolist()).items():
            self._days[day] += many
        if self._early:
            self._take_early(came.of("id"))
        return over

    def _take_early(self, names: Sequence[str]) -> None:
        """Facts that came before these calls."""
        early = [fact for name in self._early.keys() & set(names) for fact in self._early.pop(name)]
        came = Batch(early)
        self._take_facts(came.shadows)
        self._take_facts(came.outcomes)

    def _sorted_out(
        self, calls: Sequence[Prediction], is_known: Sequence[bool], days: Sequence[float], until_s: float
    ) -> tuple[list[int], list[int]]:
        """The rows of calls to be taken, and of those whose day is closed; what is known already is neither."""
        taken: list[int] = []
        gone: list[int] = []
        names: set[str] = set()
        for row, call in enumerate(calls):
            if is_known[row] or call.id in names:
                continue
            if call.asked_s > until_s:
                heapq.heappush(self._ahead, call.asked_s)
            if days[row] < self._closed_until_s:
                gone.append(row)
            else:
                names.add(call.id)
                taken.append(row)
        return taken, gone

    def _pass_over(self, gone: Sequence[tuple[Prediction, float]], own: Sequence[LogEntry]) -> dict[str, int]:
        """Note calls whose day is closed; where they came, but for those that were noted before."""
        if not gone:
            return {}
        by_day: dict[float, list[int]] = defaultdict(list)
        new: set[str] = set()
        for call, day in gone:
            is_own = day >= self._closed_before_s  # closed here, not by an earlier process
            if not is_own or self._closed.day_of(call.id, known_s=call.asked_s) is None:
                new.add(call.id)
            if day >= self._remembered_s:
                by_day[day].append(hash(call.id))
            self._early.pop(call.id, None)
        for day, numbers in by_day.items():
            self._closed.add_numbers(day, np.array(numbers, dtype=np.int64))
        over: dict[str, int] = {}
        for place, entry in enumerate(own):
            if isinstance(entry, Prediction) and entry.id in new:
                over.setdefault(entry.id, place)
        return over

    def _take_facts(self, came: Came | None) -> None:
        if came is None:
            return
        serials = self._open.find(came.numbers())
        is_here = serials >= 0
        if is_here.all():
            self._attach(came, serials)
            return
        if is_here.any():
            here: list[int] = np.flatnonzero(is_here).tolist()
            self._attach(came.take(here), serials[is_here])
        elsewhere: list[int] = np.flatnonzero(~is_here).tolist()
        for row in elsewhere:
            self._keep(came.entries[row])

    def _keep(self, fact: LogEntry) -> None:
        """A fact of no open call."""
        assert not isinstance(fact, Prediction)
        if isinstance(fact, Shadow):
            if fact.asked_s >= self._closed_until_s:
                self._early[fact.id].append(fact)
        elif (day := self._closed.day_of(fact.id, known_s=fact.at_s)) is not None:
            self.late_outcomes += day >= self._closed_before_s
        elif fact.at_s >= self._closed_until_s - LATE_S:
            self._early[fact.id].append(fact)

    def _attach(self, facts: Came, serials: Ints) -> None:
        """To open calls, in the order given."""
        if isinstance(facts.entries[0], Shadow):
            self.late_shadows += self._open.add_shadows(facts, serials)
        else:
            self._open.add_outcomes(facts, serials)
