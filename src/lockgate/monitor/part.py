"""A run of calls as they came, held in as few bytes as they take until their days are closed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.monitor.came import Came, is_each_once
from lockgate.monitor.joined import NONE, Bools, Floats, Joined, More
from lockgate.monitor.packed import Rows, Texts
from lockgate.monitor.ways import Numbers, Ways

MOST = 8_192
_OWN = "\0"  # stands for a unit that is the call's own id; a unit that begins so has another before it


class Part:
    """Calls with consecutive serials, from `first` on. is_open: their day is not closed; is_unripe: not handed to whoever
    judges yet; is_judged: handed out.
    """

    def __init__(self, ways: Ways, first: int, calls: Came) -> None:
        self.first, self.size = first, len(calls)
        self._ways, self._model = ways, calls.entries[0].model
        ids, units = calls.of("id"), calls.of("unit")
        self._ids, self._units = Texts.of(ids), Texts.of(_short(units, ids))
        self.asked_s = calls.floats("asked_s")
        self._value, self.latency_ms = calls.floats("value"), calls.floats("latency_ms")
        self.way = ways.numbers(calls)
        self.is_open: Bools = np.ones(self.size, dtype=bool)
        self.is_unripe: Bools = np.array([rollout is not None for rollout in calls.of("rollout")], dtype=bool)
        self.is_judged: Bools = np.zeros(self.size, dtype=bool)
        # What comes later takes room once some has come.
        self._word: Numbers | None = None
        self._said: Floats | None = None
        self._more: More = {}
        self._outcome: Floats | None = None
        self._is_labelled: Bools | None = None

    @property
    def is_needed(self) -> bool:
        return bool(self.is_open.any() or self.is_unripe.any())

    @property
    def word(self) -> Numbers:
        return np.full(self.size, NONE, dtype=np.int32) if self._word is None else self._word

    @property
    def is_labelled(self) -> Bools:
        return np.zeros(self.size, dtype=bool) if self._is_labelled is None else self._is_labelled

    @property
    def outcome(self) -> Floats:
        return np.zeros((self.size, 3)) if self._outcome is None else self._outcome

    def ids(self, rows: Rows) -> list[str]:
        return self._ids.take(rows)

    def append(self, later: Part) -> None:
        """The next serials' calls too."""
        if self._word is not None or later._word is not None:
            self._said = np.concatenate([self._values(), later._values()])
            self._word = np.concatenate([self.word, later.word])
            self._more |= {self.size + row: words for row, words in later._more.items()}
        if self._outcome is not None or later._outcome is not None:
            self._outcome = np.concatenate([self.outcome, later.outcome])
            self._is_labelled = np.concatenate([self.is_labelled, later.is_labelled])
        self._ids, self._units = Texts.joined([self._ids, later._ids]), Texts.joined([self._units, later._units])
        for name in ("asked_s", "_value", "latency_ms", "way", "is_open", "is_unripe", "is_judged"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(later, name)]))
        self.size += later.size

    def take(self, rows: Rows) -> Joined:
        ids, units = self._ids.take(rows), self._units.take(rows)
        if _OWN.encode() in self._units.blob:
            units = [_long(unit, name) for unit, name in zip(units, ids, strict=True)]
        return Joined(
            model=self._model,
            ways=self._ways,
            ids=ids,
            units=units,
            asked_s=self.asked_s[rows],
            value=self._value[rows],
            latency_ms=self.latency_ms[rows],
            way=self.way[rows],
            word=self.word[rows],
            said=self._values()[rows],
            more={at: self._more[row] for at, row in enumerate(rows.tolist()) if row in self._more}
            if self._more
            else {},
            is_labelled=self.is_labelled[rows],
            outcome=self.outcome[rows],
        )

    def add_shadows(self, rows: Rows, words: Numbers, values: Floats) -> None:
        """One for each row, in the order in which they came; the first of a version counts."""
        if self._word is None or self._said is None:
            self._word, self._said = self.word, self._values()
        is_first = self._word[rows] == NONE
        if is_first.all() and is_each_once(rows, self.size):
            self._word[rows], self._said[rows] = words, values
            return
        for row, word, value in zip(rows.tolist(), words.tolist(), values.tolist(), strict=True):
            self._add_word(row, word, value)

    def add_outcomes(self, rows: Rows, facts: Floats) -> None:
        """One for each row, in the order in which they came; the latest received one counts. facts: as in `outcome`."""
        if self._outcome is None or self._is_labelled is None:
            self._outcome, self._is_labelled = self.outcome, self.is_labelled
        if not is_each_once(rows, self.size):
            for row, fact in zip(rows, facts, strict=True):
                self._add_facts(row[None], fact[None])
        else:
            self._add_facts(rows, facts)

    def _add_facts(self, rows: Rows, facts: Floats) -> None:
        assert self._outcome is not None
        assert self._is_labelled is not None
        is_later = ~self._is_labelled[rows] | (facts[:, 2] >= self._outcome[rows, 2])
        self._outcome[rows[is_later]], self._is_labelled[rows[is_later]] = facts[is_later], True

    def _add_word(self, row: int, word: int, value: float) -> None:
        assert self._word is not None
        assert self._said is not None
        said = self._ways.said
        known = [int(self._word[row]), *(one for one, _ in self._more.get(row, ()))]
        if known[0] == NONE:
            self._word[row], self._said[row] = word, value
        elif all(said[one].version != said[word].version for one in known):
            self._more[row] = (*self._more.get(row, ()), (word, value))

    def _values(self) -> Floats:
        return np.zeros(self.size) if self._said is None else self._said


def _short(units: Sequence[str], ids: Sequence[str]) -> Sequence[str]:
    own = [_OWN if unit == name else unit for unit, name in zip(units, ids, strict=True)]
    if _OWN not in "".join(units):
        return own
    return [
        _OWN + unit if unit != name and unit.startswith(_OWN) else one
        for one, unit, name in zip(own, units, ids, strict=True)
    ]


def _long(unit: str, name: str) -> str:
    if unit == _OWN:
        return name
    return unit.removeprefix(_OWN)
