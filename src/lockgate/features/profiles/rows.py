"""The row half: what a worker counts of the calls it answers, a few hundred at a time. numpy alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from lockgate.errors import SpecError, unknown
from lockgate.features.profiles.cut import emptied
from lockgate.features.profiles.numbers import Floats
from lockgate.features.profiles.tallies import Key, Tallies
from lockgate.records.prediction import Scalar
from lockgate.records.profile import Profile

AT_ONCE = 512
_Row = tuple[tuple[Scalar, ...], float | None, float]
_Values = Sequence[Any]
_NUMBER: frozenset[type] = frozenset({float, int})
_NUMBER_OR_NONE = _NUMBER | {type(None)}
_BOOLEAN_OR_NONE = frozenset({bool, type(None)})


class LiveWindow:
    """Counts rows over the reference's cells as they come. Not to be shared by threads.

    order: the names of a row's inputs. Values are as the log has them: floats, ints, bools, texts, times in seconds since
    1970, and None for missing; one of another type is counted as unseen. Raises SpecError where the reference counted a
    column that a row has not.
    """

    def __init__(self, reference: Profile, order: Sequence[str]) -> None:
        self._cells = emptied(reference)
        self._place: dict[Key, int] = {}
        for column in reference.columns:
            if column.role == "input" and column.name not in order:
                raise SpecError(
                    unknown("input", column.name, order), cure="The reference is of another model; count it again."
                )
            self._place[column.name, column.role] = order.index(column.name) if column.role == "input" else len(order)
        self._width = len(order)
        self._held: list[_Row] = []
        self._start()

    def add(self, inputs: tuple[Scalar, ...], value: float | None, at_s: float) -> None:
        """One call: its inputs, what was answered (None where nothing was), and when it was asked. Raises SpecError for a
        row of another width, one that another contract read.
        """
        if len(inputs) != self._width:
            raise SpecError(
                f"A row of {len(inputs)} values is to be counted, and the reference is of rows of {self._width}.",
                cure="Count only rows that the version's own contract read.",
            )
        self._held.append((inputs, value, at_s))
        if len(self._held) >= AT_ONCE:
            self._count()

    def take(self) -> Profile:
        """All rows since the last time, or the beginning; counting begins anew."""
        self._count()
        has_time = self._since_s <= self._until_s
        found = self._tallies.found(
            self._rows, since_s=self._since_s if has_time else None, until_s=self._until_s if has_time else None
        )
        self._start()
        return found

    def _start(self) -> None:
        self._tallies = Tallies(self._cells)
        self._rows = 0
        self._since_s, self._until_s = math.inf, -math.inf

    def _count(self) -> None:
        if not self._held:
            return
        inputs, values, at = zip(*self._held, strict=True)
        self._held = []
        self._rows += len(at)
        at_s = np.array(at, dtype=np.float64)
        self._since_s, self._until_s = min(self._since_s, float(at_s.min())), max(self._until_s, float(at_s.max()))
        self._fill([*zip(*inputs, strict=True), values], at_s)

    def _fill(self, columns: list[_Values], at_s: Floats) -> None:
        into, place = self._tallies, self._place
        if into.numbers:
            block = np.empty((len(into.numbers), at_s.size))
            missing, unseen = [0] * len(into.numbers), [0] * len(into.numbers)
            for row, key in enumerate(into.numbers):
                block[row], missing[row], unseen[row] = _numbers(columns[place[key]])
            into.pairs.add(into.groups[0].add(block, missing, unseen), at_s.size)
        for key, booleans in into.booleans.items():
            booleans.add(*_booleans(columns[place[key]]))
        for key, levels in into.levels.items():
            counts, missed, strange = _texts(columns[place[key]])
            levels.add_counted(counts, missed)
            levels.add_strange(strange)
        for key, texts in into.texts.items():
            counts, missed, strange = _texts(columns[place[key]])
            texts.add_counted(counts, missed)
            texts.add((), 0, strange)
        for key, times in into.times.items():
            moments, missed, strange = _numbers(columns[place[key]])
            times.add(moments, at_s, missed, strange)


def _numbers(values: _Values) -> tuple[Floats, int, int]:
    """As float64, and how many were missing, or of another type: those are NaN."""
    kinds = set(map(type, values))
    if kinds <= _NUMBER_OR_NONE:
        try:
            return np.array(values, dtype=np.float64), values.count(None) if type(None) in kinds else 0, 0
        except OverflowError:  # an integer beyond float64
            pass
    missing = sum(value is None for value in values)
    strange = sum(value is not None and type(value) not in _NUMBER for value in values)
    return np.array([_number(value) for value in values], dtype=np.float64), missing, strange


def _number(value: Any) -> float:
    if type(value) not in _NUMBER:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _booleans(values: _Values) -> tuple[int, int, int, int]:
    """False, true, missing, of another type."""
    missing = values.count(None)
    if set(map(type, values)) <= _BOOLEAN_OR_NONE:
        yes = values.count(True)
        return len(values) - missing - yes, yes, missing, 0
    yes, no = (sum(value is wanted for value in values) for wanted in (True, False))
    return no, yes, missing, len(values) - no - yes - missing


def _texts(values: _Values) -> tuple[dict[str, int], int, int]:
    """How often each text came, how many were missing, how many of another type."""
    counts = dict(Counter(values))
    missing = counts.pop(None, 0)
    if all(type(value) is str for value in counts):
        return counts, missing, 0
    own = {value: rows for value, rows in counts.items() if type(value) is str}
    return own, missing, len(values) - missing - sum(own.values())
