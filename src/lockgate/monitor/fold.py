"""The log, folded: calls joined with their shadows and outcomes by prediction id, days kept until they have matured.

Entries may come late, twice and in any order; a call counts once. What is held is a cache of the log: after a restart the
fold is made again from the log and the blocks already written, and comes out the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lockgate.records import Cell, Outcome, Prediction, Shadow
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import LogEntry

DAY_S = UNITS_S["d"]
INPUT = "input "


@dataclass(slots=True)
class Call:
    """One call, as far as it is known. shadows: by version."""

    prediction: Prediction
    shadows: dict[str, Shadow] = field(default_factory=dict[str, Shadow])
    outcome: Outcome | None = None

    def value_of(self, version: str) -> float | None:
        """What `version` said of this call, whoever served it; None where it did not say or failed."""
        if self.prediction.version == version:
            return None if self.prediction.failure else self.prediction.value
        shadow = self.shadows.get(version)
        return shadow.value if shadow else None


class Fold:
    """One model's calls of the days that have not been closed."""

    def __init__(self, model: str, *, horizon_s: float, closed_until_s: float = -math.inf) -> None:
        self.model = model
        self.watermark_s = -math.inf
        self.unknown_outcomes = 0
        self._horizon_s = horizon_s
        self._closed_until_s = closed_until_s
        self._days: dict[float, dict[str, Call]] = defaultdict(dict)
        self._by_id: dict[str, Call] = {}
        self._early: dict[str, list[Shadow | Outcome]] = defaultdict(list)

    def feed(self, entries: Iterable[LogEntry]) -> None:
        """Take in more of the log; entries of other models are passed over."""
        for entry in entries:
            if entry.model != self.model:
                continue
            if isinstance(entry, Prediction):
                self._take_call(entry)
            else:
                self._take_fact(entry)

    def closable(self) -> Iterator[tuple[float, list[Call]]]:
        """Days that have matured, oldest first: over, and older than the horizon by event time."""
        for day in sorted(self._days):
            if day + DAY_S + self._horizon_s <= self.watermark_s:
                yield day, list(self._days[day].values())

    def close(self, day: float) -> None:
        """Forget a day whose blocks are written."""
        for name in self._days.pop(day, {}):
            del self._by_id[name]
        self._closed_until_s = max(self._closed_until_s, day + DAY_S)
        self._drop_early()

    def open_calls(self) -> Iterator[Call]:
        for day in sorted(self._days):
            yield from self._days[day].values()

    def open_cells(self, rollout: str) -> dict[float, Cell]:
        """Counts of the open days' calls of one rollout, by share."""
        return cells((call for call in self.open_calls()), rollout)

    def _drop_early(self) -> None:
        """Facts of closed days whose call never came: counted, and kept in the log alone."""
        for name, facts in list(self._early.items()):
            when_s = max(fact.asked_s if isinstance(fact, Shadow) else fact.at_s for fact in facts)
            if when_s < self._closed_until_s:
                self.unknown_outcomes += sum(isinstance(fact, Outcome) for fact in facts)
                del self._early[name]

    def _take_call(self, prediction: Prediction) -> None:
        day = math.floor(prediction.asked_s / DAY_S) * DAY_S
        self.watermark_s = max(self.watermark_s, prediction.asked_s)
        if prediction.id in self._by_id or day < self._closed_until_s:
            return
        call = Call(prediction)
        self._days[day][prediction.id] = self._by_id[prediction.id] = call
        for fact in self._early.pop(prediction.id, ()):
            _attach(call, fact)

    def _take_fact(self, fact: Shadow | Outcome) -> None:
        call = self._by_id.get(fact.id)
        if call is not None:
            _attach(call, fact)
        elif not isinstance(fact, Shadow) or fact.asked_s >= self._closed_until_s:
            self._early[fact.id].append(fact)


def _attach(call: Call, fact: Shadow | Outcome) -> None:
    if isinstance(fact, Shadow):
        call.shadows.setdefault(fact.version, fact)
    elif call.outcome is None or fact.received_s >= call.outcome.received_s:
        call.outcome = fact


def cells(calls: Iterable[Call], rollout: str) -> dict[float, Cell]:
    """Exact counts of one rollout's calls by the share in force when each was routed."""
    found: dict[float, Cell] = {}
    for call in calls:
        if call.prediction.rollout == rollout:
            share = call.prediction.share
            found[share] = found.get(share, Cell(share=share)) + count(call)
    return found


def count(call: Call) -> Cell:
    """One call's counts."""
    prediction = call.prediction
    is_challenger = prediction.arm == "challenger"
    has_failed = prediction.failure is not None
    one = (0, 1) if is_challenger else (1, 0)
    failures = one if has_failed else (0, 0)
    shadow = next((s for s in call.shadows.values() if s.rollout == prediction.rollout), None)
    if shadow is None:
        return Cell(share=prediction.share, calls=one, failures=failures)
    of_row = frozenset(flag for flag in prediction.flags if not flag.startswith(INPUT))
    served = (has_failed, breaks(prediction.flags, of_row))
    other = (shadow.failure is not None, breaks(shadow.flags, of_row))
    champion, challenger = (other, served) if is_challenger else (served, other)
    return Cell(
        share=prediction.share,
        calls=one,
        failures=failures,
        pairs=1,
        failed_only=_only(champion[0], challenger[0]),
        broke_only=_only(champion[1], challenger[1]),
        bad=int(challenger[0] or challenger[1]),
    )


def breaks(flags: tuple[str, ...], of_row: frozenset[str]) -> bool:
    """Whether the version's own inputs broke its contract where the row itself did not: a summer warmer than the training
    winter concerns both arms alike, a feature step that sends zeros concerns its version.
    """
    return any(flag.startswith(INPUT) and flag.removeprefix(INPUT) not in of_row for flag in flags)


def _only(champion: bool, challenger: bool) -> tuple[int, int]:
    return int(champion and not challenger), int(challenger and not champion)
