"""Which calls the days had that were closed of late: an outcome of one of them is late, or was counted, but not unknown."""

from __future__ import annotations

from bisect import bisect_right, insort

import numpy as np
from numpy.typing import NDArray

FEW = 1_000


class ClosedCalls:
    """Ids by day, as numbers that stand for them: eight bytes a call, and some more for those that came last."""

    def __init__(self) -> None:
        self._days: list[float] = []
        self._ids: dict[float, _Numbers] = {}

    def add(self, day: float, name: str) -> None:
        self.add_numbers(day, np.array([hash(name)], dtype=np.int64))

    def add_numbers(self, day: float, numbers: NDArray[np.int64]) -> None:
        """numbers: the ids' hashes."""
        if day not in self._ids:
            self._ids[day] = _Numbers()
            insort(self._days, day)
        self._ids[day].add(numbers)

    def day_of(self, name: str, *, known_s: float) -> float | None:
        """The day on which the call was asked; None where no day has it. known_s: when its outcome came true, which was on
        that day or soon after, so that few days are looked through.
        """
        number = hash(name)
        at = bisect_right(self._days, known_s)
        likely_first = (*reversed(self._days[:at]), *self._days[at:])
        return next((day for day in likely_first if number in self._ids[day]), None)

    def forget(self, until_s: float) -> None:
        """Days that begin before."""
        while self._days and self._days[0] < until_s:
            del self._ids[self._days.pop(0)]


class _Numbers:
    """A set of 64-bit numbers: most of them sorted in an array, the latest beside it."""

    def __init__(self) -> None:
        self._sorted: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._latest: set[int] = set()

    def add(self, numbers: NDArray[np.int64]) -> None:
        if numbers.size > FEW:
            self._sorted = np.union1d(self._sorted, numbers)
            return
        self._latest.update(numbers.tolist())
        if len(self._latest) > max(FEW, self._sorted.size // 4):
            latest = np.fromiter(self._latest, dtype=np.int64, count=len(self._latest))
            self._sorted, self._latest = np.union1d(self._sorted, latest), set()

    def __contains__(self, number: int) -> bool:
        if number in self._latest:
            return True
        at = int(self._sorted.searchsorted(number))
        return at < self._sorted.size and int(self._sorted[at]) == number
