"""The champion's failures, watched call by call: who is on call hears when a fallback answers too often, and when it is
over.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

from lockgate.decide import storm
from lockgate.decide.judgement import Judgement
from lockgate.monitor.came import Came

SHOWN = 100  # calls that a sentence counts, at most
STRETCH = 1_000  # calls that are folded together
KNOWN = 50_000  # of the latest ids none counts twice


class FallbackWatch:
    """One model's. worst: the share of the champion's calls that may fail. Calls are folded as they come; none is held.

    run_length: calls to a false beginning, on average, from the next call on: it may be made longer as more calls come.
    """

    def __init__(self, worst: float, run_length: float = storm.RUN_LENGTH) -> None:
        self._worst = worst
        self.run_length = run_length
        self._versions: dict[str, _Version] = {}
        self._known = LatestIds(KNOWN)

    def feed(self, calls: Came) -> None:
        arms, versions, numbers = calls.of("arm"), calls.of("version"), calls.numbers().tolist()
        rows: Sequence[int] = range(len(calls))
        if arms.count("champion") < len(calls):
            rows = [row for row, arm in enumerate(arms) if arm == "champion"]
            numbers = [numbers[row] for row in rows]
        new = [rows[place] for place in self._known.new(numbers)]
        for version in dict.fromkeys([versions[row] for row in new]):
            if version not in self._versions:
                self._versions[version] = _Version(self._worst)
            own = [row for row in new if versions[row] == version]
            for start in range(0, len(own), STRETCH):
                self._versions[version].fold(calls, own[start : start + STRETCH], self.run_length)

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

    def new(self, numbers: Sequence[int]) -> Sequence[int]:
        """Places of those that were not asked about of late, one after another. numbers: that stand for ids."""
        asked = set(numbers)
        is_plain = len(asked) == len(numbers) and self._young.isdisjoint(asked) and self._old.isdisjoint(asked)
        if not is_plain or len(self._young) + len(asked) >= self._many:
            return [place for place, number in enumerate(numbers) if self._is_new(number)]
        self._young |= asked
        return range(len(numbers))

    def _is_new(self, number: int) -> bool:
        if number in self._young or number in self._old:
            return False
        self._young.add(number)
        if len(self._young) >= self._many:
            self._young, self._old = set(), self._young
        return True


class _Version:
    """One version's calls while it is the champion."""

    def __init__(self, worst: float) -> None:
        self._worst = worst
        self._storm = storm.calm(worst)
        self._last: deque[str | None] = deque(maxlen=SHOWN)  # failures of the last calls, None for those answered
        self._found: list[Judgement] = []

    def fold(self, calls: Came, rows: Sequence[int], run_length: float) -> None:
        reasons: list[str | None] = [calls.of("failure")[row] for row in rows]
        failures = np.array([reason is not None for reason in reasons], dtype=bool)
        at = 0
        while at < len(rows):
            self._storm, turn, taken = storm.after(self._storm, failures[at:], worst=self._worst, run_length=run_length)
            self._last += reasons[max(at, at + taken - SHOWN) : at + taken]
            at += taken
            if turn is not None:
                self._found.append(self._judged(turn, calls.of("answered_s")[rows[at - 1]], run_length))

    def told(self) -> list[Judgement]:
        found, self._found = self._found, []
        return found

    def _judged(self, turn: storm.Turn, until_s: float, run_length: float) -> Judgement:
        reasons = Counter(failure for failure in self._last if failure is not None)
        return storm.judged(
            turn,
            calls=len(self._last),
            bad=sum(reasons.values()),
            reasons=dict(reasons),
            worst=self._worst,
            until_s=until_s,
            run_length=run_length,
        )
