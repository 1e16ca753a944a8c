"""The champion's failures, watched call by call: who is on call hears when a fallback answers too often, and when it is
over.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import compress

import numpy as np

from lockgate.decide import storm
from lockgate.decide.judgement import Judgement
from lockgate.records import Prediction
from lockgate.records.prediction import LogEntry

SHOWN = 100  # calls that a sentence counts, at most
STRETCH = 1_000  # calls that are folded together
KNOWN = 50_000  # of the latest ids none counts twice


class FallbackWatch:
    """One model's. worst: the share of the champion's calls that may fail. Calls are folded as they come; none is held."""

    def __init__(self, worst: float) -> None:
        self._worst = worst
        self._versions: dict[str, _Version] = {}
        self._known = LatestIds(KNOWN)

    def feed(self, entries: Sequence[LogEntry]) -> None:
        own = [entry for entry in entries if isinstance(entry, Prediction) and entry.arm == "champion"]
        new = self._known.are_new([entry.id for entry in own])
        fresh: dict[str, list[Prediction]] = {}
        for entry in compress(own, new):
            fresh.setdefault(entry.version, []).append(entry)
        for version, calls in fresh.items():
            if version not in self._versions:
                self._versions[version] = _Version(self._worst)
            for start in range(0, len(calls), STRETCH):
                self._versions[version].fold(calls[start : start + STRETCH])

    def look(self, champion: str) -> list[Judgement]:
        """What is new since the last look: a beginning, an end. Another champion begins with a clean slate."""
        found = self._versions.get(champion)
        self._versions = {} if found is None else {champion: found}
        return [] if found is None else found.told()


class LatestIds:
    """Ids of late, at least as many as asked for and at most twice as many, as numbers that stand for them."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._young: set[int] = set()
        self._old: set[int] = set()

    def is_new(self, name: str) -> bool:
        """False where it was asked about of late."""
        number = hash(name)
        if number in self._young or number in self._old:
            return False
        self._young.add(number)
        if len(self._young) >= self._many:
            self._young, self._old = set(), self._young
        return True

    def are_new(self, names: Sequence[str]) -> list[bool]:
        """Of each in turn."""
        numbers = set(map(hash, names))
        is_any_known = len(numbers) < len(names) or not self._young.isdisjoint(numbers) or not self._old.isdisjoint(numbers)
        if is_any_known or len(self._young) + len(numbers) >= self._many:
            return [self.is_new(name) for name in names]
        self._young |= numbers
        return [True] * len(names)


class _Version:
    """One version's calls while it is the champion."""

    def __init__(self, worst: float) -> None:
        self._worst = worst
        self._storm = storm.calm(worst)
        self._last: deque[str | None] = deque(maxlen=SHOWN)  # failures of the last calls, None for those answered
        self._found: list[Judgement] = []

    def fold(self, calls: Sequence[Prediction]) -> None:
        failures = np.array([call.failure is not None for call in calls], dtype=bool)
        at = 0
        while at < len(calls):
            self._storm, turn, taken = storm.after(self._storm, failures[at:], worst=self._worst)
            self._last += (call.failure for call in calls[max(at, at + taken - SHOWN) : at + taken])
            at += taken
            if turn is not None:
                self._found.append(self._judged(turn, calls[at - 1].answered_s))

    def told(self) -> list[Judgement]:
        found, self._found = self._found, []
        return found

    def _judged(self, turn: storm.Turn, until_s: float) -> Judgement:
        reasons = Counter(failure for failure in self._last if failure is not None)
        return storm.judged(
            turn,
            calls=len(self._last),
            bad=sum(reasons.values()),
            reasons=dict(reasons),
            worst=self._worst,
            until_s=until_s,
        )
