"""Calls joined with their shadows and outcomes, as columns: what is judged together is read together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.monitor.call import Call, Key
from lockgate.monitor.packed import Rows
from lockgate.monitor.ways import Numbers, Pair, Said, Ways, count, paired
from lockgate.records import Cell, Outcome, Prediction

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
More = dict[int, tuple[tuple[int, float], ...]]
T = TypeVar("T")
NONE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined(Sequence[Call]):
    """Calls of one model, shape (n,) each.

    way: how each was routed and answered, a place in `ways.routed`; word: what the first shadow said of it, a place in
    `ways.said`, -1 where there is none; said: its value; more: further shadows by row, as (word, value). outcome: shape
    (n, 3): value, at_s and received_s where is_labelled.
    """

    model: str
    ways: Ways
    ids: list[str]
    units: list[str]
    asked_s: Floats
    value: Floats
    latency_ms: Floats
    way: Numbers
    word: Numbers
    said: Floats
    more: More
    is_labelled: Bools
    outcome: Floats

    @classmethod
    def of(cls, parts: Sequence[Joined]) -> Joined:
        """One behind another. parts: at least one, all of one fold."""
        if len(parts) == 1:
            return parts[0]
        more: More = {}
        at = 0
        for part in parts:
            more |= {at + row: words for row, words in part.more.items()}
            at += len(part)
        return cls(
            model=parts[0].model,
            ways=parts[0].ways,
            ids=[name for part in parts for name in part.ids],
            units=[unit for part in parts for unit in part.units],
            asked_s=np.concatenate([part.asked_s for part in parts]),
            value=np.concatenate([part.value for part in parts]),
            latency_ms=np.concatenate([part.latency_ms for part in parts]),
            way=np.concatenate([part.way for part in parts]),
            word=np.concatenate([part.word for part in parts]),
            said=np.concatenate([part.said for part in parts]),
            more=more,
            is_labelled=np.concatenate([part.is_labelled for part in parts]),
            outcome=np.concatenate([part.outcome for part in parts]),
        )

    @classmethod
    def none(cls, model: str, ways: Ways) -> Joined:
        numbers, floats = np.empty(0, dtype=np.int32), np.empty(0)
        return cls(
            model=model,
            ways=ways,
            ids=[],
            units=[],
            asked_s=floats,
            value=floats,
            latency_ms=floats,
            way=numbers,
            word=numbers,
            said=floats,
            more={},
            is_labelled=np.empty(0, dtype=bool),
            outcome=np.empty((0, 3)),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> Call: ...
    @overload
    def __getitem__(self, at: slice) -> Joined: ...
    def __getitem__(self, at: int | slice) -> Call | Joined:
        rows = np.arange(len(self))[at]
        if isinstance(at, slice):
            return self.take(rows)
        return next(iter(self.take(np.array([rows]))))

    def __iter__(self) -> Iterator[Call]:
        asked_s, value, latency_ms = self.asked_s.tolist(), self.value.tolist(), self.latency_ms.tolist()
        is_labelled, outcome = self.is_labelled.tolist(), self.outcome.tolist()
        for row, name in enumerate(self.ids):
            true, at_s, received_s = outcome[row]
            told = Outcome(id=name, model=self.model, value=true, at_s=at_s, received_s=received_s)
            yield Call(
                id=name,
                unit=self.units[row],
                asked_s=asked_s[row],
                value=value[row],
                latency_ms=latency_ms[row],
                routed=self.routed(row),
                shadows=self.said_of(row),
                outcome=told if is_labelled[row] else None,
            )

    def routed(self, row: int) -> Prediction:
        """A prediction that was routed and answered as the row's was."""
        return self.ways.routed[int(self.way[row])]

    def said_of(self, row: int) -> dict[str, Said]:
        """By version, in the order in which they came."""
        words = [(int(self.word[row]), float(self.said[row])), *self.more.get(row, ())]
        return {said.version: said for word, value in words if word != NONE for said in [self._said(word, value)]}

    def take(self, rows: Rows) -> Joined:
        places: list[int] = rows.tolist()
        ids, units, more = self.ids, self.units, self.more
        return Joined(
            model=self.model,
            ways=self.ways,
            ids=[ids[row] for row in places],
            units=[units[row] for row in places],
            asked_s=self.asked_s[rows],
            value=self.value[rows],
            latency_ms=self.latency_ms[rows],
            way=self.way[rows],
            word=self.word[rows],
            said=self.said[rows],
            more={at: more[row] for at, row in enumerate(places) if row in more} if more else {},
            is_labelled=self.is_labelled[rows],
            outcome=self.outcome[rows],
        )

    def sorted(self) -> Joined:
        """In canonical order."""
        order = self.order()
        return self if (order == np.arange(order.size)).all() else self.take(order)

    def order(self) -> Rows:
        """The rows in canonical order."""
        order = np.argsort(self.asked_s, kind="stable")
        at_s = self.asked_s[order]
        is_tied = at_s[1:] == at_s[:-1]
        if is_tied.any():
            places: list[int] = order.tolist()
            edges = np.flatnonzero(np.diff(np.concatenate([[False], is_tied, [False]]).astype(np.int8)))
            for start, end in edges.reshape(-1, 2).tolist():
                places[start : end + 1] = sorted(places[start : end + 1], key=self.ids.__getitem__)
            order = np.array(places, dtype=np.intp)
        return order

    def of_rollout(self, rollout: str) -> Joined:
        is_own = self.by_way(lambda routed: routed.rollout == rollout)
        return self if is_own.all() else self.take(np.flatnonzero(is_own))

    def between(self, start_s: float, end_s: float) -> Joined:
        return self.take(np.flatnonzero((self.asked_s >= start_s) & (self.asked_s < end_s)))

    def until(self, key: Key) -> int:
        """How many come first of calls in canonical order, the one at `key` with them."""
        at = int(self.asked_s.searchsorted(key[0], side="left"))
        while at < len(self) and (float(self.asked_s[at]), self.ids[at]) <= key:
            at += 1
        return at

    def by_way(self, asked: Callable[[Prediction], bool]) -> Bools:
        """What is true of each call by how it was routed and answered, shape (n,)."""
        return _looked_up(self.way, self.ways.routed, asked)

    def values_of(self, version: str) -> tuple[Floats, Bools]:
        """What `version` said of each call, whoever served it, and whether it did."""
        is_own = self.by_way(lambda routed: routed.version == version)
        has_answered = self.by_way(lambda routed: not routed.failure)
        has_said = _looked_up(self.word, self.ways.said, lambda s: s.version == version and s.value is not None)
        value = np.where(is_own, self.value, self.said)
        is_known = np.where(is_own, has_answered, has_said)
        for row in self.more:
            said = self.said_of(row).get(version)
            if not is_own[row] and said is not None:
                is_known[row] = said.value is not None
                value[row] = said.value or 0.0
        return value, is_known

    def pairs(self) -> tuple[list[Pair | None], NDArray[np.intp]]:
        """The different pairs, and which of them each call is."""
        both = self.way.astype(np.int64) << 32 | (self.word.astype(np.int64) + 1)
        for row in self.more:  # what several versions said of one call is its own
            both[row] = -1 - row
        _, firsts, which = np.unique(both, return_index=True, return_inverse=True)
        return [paired(self.routed(row), self.said_of(row)) for row in firsts.tolist()], which

    def cells(self) -> dict[float, Cell]:
        """Exact counts by the share in force when each was routed."""
        pairs, which = self.pairs()
        both = self.way.astype(np.int64) * len(pairs) + which
        different, many = np.unique(both, return_counts=True)
        found: dict[float, Cell] = {}
        ones: list[int] = different.tolist()
        counts: list[int] = many.tolist()
        for one, calls in zip(ones, counts, strict=True):
            routed, pair = self.ways.routed[one // len(pairs)], pairs[one % len(pairs)]
            cell = count(routed, pair, calls)
            found[routed.share] = found.get(routed.share, Cell(share=routed.share)) + cell
        return found

    def _said(self, word: int, value: float) -> Said:
        said = self.ways.said[word]
        return said if said.value is None else msgspec.structs.replace(said, value=value)


def _looked_up(numbers: Numbers, known: Sequence[T], asked: Callable[[T], bool]) -> Bools:
    """False for -1."""
    answers = np.zeros(len(known) + 1, dtype=bool)
    answers[:-1] = [asked(one) for one in known]
    return answers[numbers]
