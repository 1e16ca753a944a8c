"""Where the call of an id is: ids as 64-bit numbers that stand for them, twelve bytes each, in a few sorted arrays, and the
latest beside them, for most facts come soon.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# How much longer a sorted array may be than the next for them to be merged: each number is moved a few times in its life.
MERGED_UNDER = 4
LATEST = 2_048


class _Level(NamedTuple):
    """numbers: ascending; serials: of the same ids, from `first` on as int32."""

    numbers: Ints
    serials: NDArray[np.int32]


class Serials:
    """Calls are numbered as they come; a fold of a million open calls takes one id for another once in 30 million times."""

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}
        self._levels: list[_Level] = []
        self._first = 0

    def add(self, numbers: Ints, first: int) -> None:
        """numbers: of ids that are not known, shape (n,); theirs are the serials from `first` on."""
        self._latest.update(zip(numbers.tolist(), range(first, first + numbers.size), strict=True))
        if len(self._latest) >= LATEST:
            self._put_away()

    def _put_away(self) -> None:
        """The latest among the sorted."""
        numbers, serials = _arrays(self._latest)
        order = np.argsort(numbers, kind="stable")
        self._levels.append(_Level(numbers[order], (serials[order] - self._first).astype(np.int32)))
        self._latest = {}
        while len(self._levels) > 1 and self._levels[-2].numbers.size < MERGED_UNDER * self._levels[-1].numbers.size:
            young = self._levels.pop()
            self._levels[-1] = _merged(self._levels[-1], young)

    def find(self, numbers: Ints) -> Ints:
        """Serials, -1 where an id is not known."""
        found = np.fromiter(map(self._latest.get, numbers.tolist(), repeat(-1)), dtype=np.int64, count=numbers.size)
        if self._levels and (rows := np.flatnonzero(found < 0)).size:
            found[rows] = self._find(numbers[rows])
        return found

    def _find(self, numbers: Ints) -> Ints:
        """Among the sorted."""
        found = np.full(numbers.size, -1, dtype=np.int64)
        for known, serials in self._levels:
            at = known.searchsorted(numbers)
            at[at == known.size] = 0
            hit = np.flatnonzero(known[at] == numbers)
            if hit.size:
                found[hit] = self._first + serials[at[hit]].astype(np.int64)
        return found

    def drop(self, is_gone: Callable[[Ints], Bools], first: int) -> Ints:
        """Forget serials; the numbers of those that were known. first: where the serials begin that are left."""
        latest, own = _arrays(self._latest)
        is_last = is_gone(own)
        self._latest = dict(zip(latest[~is_last].tolist(), own[~is_last].tolist(), strict=True))
        gone, kept = [latest[is_last]], list[_Level]()
        for numbers, serials in self._levels:
            whole = self._first + serials.astype(np.int64)
            is_lost = is_gone(whole)
            gone.append(numbers[is_lost])
            left = whole[~is_lost] - first
            if left.size:
                kept.append(_Level(numbers[~is_lost], left.astype(np.int32)))
        self._levels, self._first = kept, first
        return np.concatenate(gone)


def _arrays(latest: dict[int, int]) -> tuple[Ints, Ints]:
    """Numbers and serials."""
    kind, many = np.int64, len(latest)
    return np.fromiter(latest, dtype=kind, count=many), np.fromiter(latest.values(), dtype=kind, count=many)


def _merged(old: _Level, young: _Level) -> _Level:
    """Both ascend, so that it is known of each number how many stand before it."""
    to = young.numbers.searchsorted(old.numbers) + np.arange(old.numbers.size)
    size = old.numbers.size + young.numbers.size
    is_old = np.zeros(size, dtype=bool)
    is_old[to] = True
    numbers, serials = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int32)
    numbers[is_old], serials[is_old] = old
    numbers[~is_old], serials[~is_old] = young
    return _Level(numbers, serials)
