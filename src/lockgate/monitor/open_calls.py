"""One model's open calls: held in parts as they came, found by id, handed out in canonical order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lockgate.monitor.came import Came, Ints
from lockgate.monitor.joined import NONE, Bools, Floats, Joined
from lockgate.monitor.packed import Rows
from lockgate.monitor.part import MOST, Part
from lockgate.monitor.serials import Serials
from lockgate.monitor.ways import Numbers, Ways
from lockgate.records import Prediction

SMALL = 1_024  # calls that are moved for less than what another part costs


class Answered(NamedTuple):
    """How calls were answered, shape (n,) each, in no order. way: a place in `routed`; told_s: when the outcome came true,
    where is_labelled.
    """

    routed: Sequence[Prediction]
    way: Numbers
    asked_s: Floats
    latency_ms: Floats
    is_labelled: Bools
    told_s: Floats


class OpenCalls:
    """Calls are numbered as they come: a serial is a place in one of the parts, which follow one another."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._ways = Ways()
        self._serials = Serials()
        self._parts: list[Part] = []
        self._next = 0

    def has(self, numbers: Ints) -> Bools:
        """Whether a call of that id is open. numbers: that stand for ids, shape (n,)."""
        return self.find(numbers) >= 0

    def find(self, numbers: Ints) -> Ints:
        """Serials, -1 where there is none."""
        return self._serials.find(numbers)

    def add(self, calls: Came, numbers: Ints) -> None:
        """calls: that are not held; numbers: of their ids."""
        self._serials.add(numbers, self._next)
        self._parts.append(Part(self._ways, self._next, calls))
        self._next += len(calls)
        while len(self._parts) > 1 and _are_one(*self._parts[-2:]):
            later = self._parts.pop()
            self._parts[-1].append(later)

    def add_shadows(self, shadows: Came, serials: Ints) -> list[str]:
        """To their calls, in the order in which they came. Ids of judged calls that had no shadow so far."""
        is_late = np.zeros(len(shadows), dtype=bool)
        words = self._ways.words(shadows)
        values = np.array([0.0 if value is None else value for value in shadows.of("value")])
        for part, at in self._by_part(serials):
            rows = serials[at] - part.first
            is_late[at] = part.is_judged[rows] & (part.word[rows] == NONE)
            part.add_shadows(rows, words[at], values[at])
        names = shadows.of("id")
        return list(dict.fromkeys(names[row] for row in np.flatnonzero(is_late).tolist()))

    def add_outcomes(self, outcomes: Came, serials: Ints) -> None:
        """To their calls, in the order in which they came."""
        facts = np.stack([outcomes.floats(field) for field in ("value", "at_s", "received_s")], axis=1)
        for part, at in self._by_part(serials):
            part.add_outcomes(serials[at] - part.first, facts[at])

    def _by_part(self, serials: Ints) -> Iterator[tuple[Part, Rows]]:
        """Each part that some are in, and which of them."""
        if serials.min() >= self._parts[-1].first:  # nearly always
            yield self._parts[-1], np.arange(serials.size)
            return
        firsts = np.array([part.first for part in self._parts])
        place = firsts.searchsorted(serials, side="right") - 1
        for at in np.flatnonzero(np.bincount(place)).tolist():
            yield self._parts[at], np.flatnonzero(place == at)

    def between(self, start_s: float, end_s: float) -> Joined:
        """Open calls that were asked from `start_s` until before `end_s`, in the order in which they came."""
        found = [part.take(rows) for part, rows in self._rows(start_s, end_s) if rows.size]
        return Joined.of(found) if found else Joined.none(self._model, self._ways)

    def answered(self) -> Answered:
        """All open calls, but for what only a verdict needs."""
        none = np.empty(0)
        parts = [(part, np.flatnonzero(part.is_open)) for part in self._parts]
        return Answered(
            routed=self._ways.routed,
            way=np.concatenate([none.astype(np.int32), *(part.way[rows] for part, rows in parts)]),
            asked_s=np.concatenate([none, *(part.asked_s[rows] for part, rows in parts)]),
            latency_ms=np.concatenate([none, *(part.latency_ms[rows] for part, rows in parts)]),
            is_labelled=np.concatenate([none.astype(bool), *(part.is_labelled[rows] for part, rows in parts)]),
            told_s=np.concatenate([none, *(part.outcome[rows, 1] for part, rows in parts)]),
        )

    def has_any(self, rollout: str) -> bool:
        is_own = self._of_rollout(lambda own: own == rollout)
        return any(bool((part.is_open & is_own[part.way]).any()) for part in self._parts)

    def hand_out(self, rollout: str, is_held: Callable[[Floats, Numbers], Bools], most: int) -> Joined:
        """Unripe calls of a rollout in canonical order, until the first that is held back; no more than `most`, and those
        asked in the same instant. Those of other rollouts are ripe from now on.

        is_held: of when calls were asked, and what their shadows said.
        """
        is_own = self._of_rollout(lambda own: own == rollout)
        waiting: list[tuple[Part, Rows]] = []
        for part in self._parts:
            if part.is_unripe.any():
                part.is_unripe &= is_own[part.way]
                if (rows := np.flatnonzero(part.is_unripe)).size:
                    waiting.append((part, rows))
        if not waiting:
            return Joined.none(self._model, self._ways)
        asked_s = np.concatenate([part.asked_s[rows] for part, rows in waiting])
        held = np.concatenate([is_held(part.asked_s[rows], part.word[rows]) for part, rows in waiting])
        if held.all():
            return Joined.none(self._model, self._ways)
        until_s = float(asked_s[held].min()) if held.any() else math.inf
        if int((asked_s <= until_s).sum()) > most:
            until_s = min(until_s, float(np.partition(asked_s, most)[most]))
        waiting = [(part, rows[part.asked_s[rows] <= until_s]) for part, rows in waiting]
        return self._handed([(part, rows) for part, rows in waiting if rows.size], is_held)

    def pass_over(self) -> None:
        """No call is unripe any longer."""
        for part in self._parts:
            part.is_unripe[:] = False

    def take_back(self) -> None:
        """All that was handed out is unripe again, where its day is open."""
        is_any = self._of_rollout(lambda own: own is not None)
        for part in self._parts:
            part.is_unripe = part.is_open & is_any[part.way]
            part.is_judged &= ~part.is_unripe

    def close(self, start_s: float, end_s: float) -> Ints:
        """Let go of the calls asked then; the numbers of their ids."""
        first = self._parts[0].first
        is_closing = np.zeros(self._next - first, dtype=bool)
        for part, rows in self._rows(start_s, end_s):
            part.is_open[rows] = False
            is_closing[rows + (part.first - first)] = True
        self._parts = [part for part in self._parts if part.is_needed]
        left = self._parts[0].first if self._parts else self._next
        return self._serials.drop(lambda serials: is_closing[serials - first], left)

    def _handed(self, waiting: Sequence[tuple[Part, Rows]], is_held: Callable[[Floats, Numbers], Bools]) -> Joined:
        found = Joined.of([part.take(rows) for part, rows in waiting])
        order = found.order()
        held = is_held(found.asked_s[order], found.word[order])
        ready = order[: int(held.argmax())] if held.any() else order
        is_ready = np.zeros(len(found), dtype=bool)
        is_ready[ready] = True
        at = 0
        for part, rows in waiting:
            handed = rows[is_ready[at : at + rows.size]]
            part.is_unripe[handed], part.is_judged[handed] = False, True
            at += rows.size
        return found.take(ready)

    def _rows(self, start_s: float, end_s: float) -> Iterator[tuple[Part, Rows]]:
        for part in self._parts:
            yield part, np.flatnonzero(part.is_open & (part.asked_s >= start_s) & (part.asked_s < end_s))

    def _of_rollout(self, asked: Callable[[str | None], bool]) -> Bools:
        """By way."""
        return np.array([asked(routed.rollout) for routed in self._ways.routed], dtype=bool)


def _are_one(old: Part, young: Part) -> bool:
    """Whether the parts are better one: each call is moved a few times until its part is full. What lay between them may have
    been let go of.
    """
    is_next = old.first + old.size == young.first
    is_small = old.size < max(2 * young.size, SMALL)
    return is_next and is_small and old.size + young.size <= MOST
