"""Aggregates for one row: events in, values out. The row half: needs numpy alone.

What an aggregate means stands in `lockgate.features.aggregate`; this and `lockgate.features.as_of` agree to the bit.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.aggregate import (
    FORGOTTEN,
    FUTURE_US,
    NO_HISTORY,
    NO_KEY,
    TOO_LARGE,
    Flag,
    Lane,
    lane,
    where,
)
from lockgate.features.one_row import to_function
from lockgate.features.running import Running
from lockgate.records import Aggregate, Event, Stream

Key = tuple[Any, ...]
Ints = NDArray[np.int64]
NEVER = math.inf
MANY = 8  # moments, for which arrays are quicker than one look after another
SWEEPS = 8  # of all events, in one retention


class Told(NamedTuple):
    """What an aggregate says: its value, None for null; and what to flag, where its default stands."""

    value: float | None
    flag: Flag | None


class Answers(NamedTuple):
    """Values for many moments, shape (n,), NaN for null; by place what to flag, where the default stands."""

    values: NDArray[np.float64]
    flags: dict[int, Flag]


class _Known(NamedTuple):
    """What was found at one moment, good until another: every read before a change is a comparison."""

    since_us: int
    until_us: float
    value: float | None
    flag: Flag | None


class _Cell:
    """One key's events, oldest first, and when they happened; their sums by column; what its readers found last."""

    __slots__ = ("events", "known", "sums", "times_us")

    def __init__(self, readers: int) -> None:
        self.events: list[Event] = []
        self.times_us: list[int] = []
        self.sums: dict[int, Running] = {}
        self.known: list[_Known | None] = [None] * readers

    def take(self, fresh: Sequence[Event]) -> None:
        for event in fresh:
            if not self.events or event >= self.events[-1]:  # as most come
                self.events.append(event)
                self.times_us.append(event.happened_us)
            else:
                place = bisect_right(self.events, event)
                self.events.insert(place, event)
                self.times_us.insert(place, event.happened_us)
                for running in self.sums.values():
                    running.cut(place)
        self.known = [None] * len(self.known)

    def forget(self, events: int) -> None:
        del self.events[:events], self.times_us[:events]
        for running in self.sums.values():
            running.forget(events)

    def running(self, place: int) -> Running:
        if place not in self.sums:
            self.sums[place] = Running(place)
        return self.sums[place]


class Windows:
    """The events of one source, held for the aggregates over it. For one thread at a time."""

    def __init__(self, stream: Stream, aggregates: Iterable[Aggregate], *, retention_us: int | None = None) -> None:
        """aggregates: all of this source, and of this very stream. retention_us: what happened longer before the newest event
        is forgotten, some time after: an eighth of it later, and a day, for an event may be dated as far ahead as that.
        """
        self._newest: Event | None = None
        self._times: list[tuple[int, int]] = []  # when each happened and was known
        self._lanes: dict[Lane, _Lane] = {}
        self._kept_us = None if retention_us is None else retention_us + retention_us // SWEEPS + FUTURE_US
        self._sweep_us = 0 if retention_us is None else retention_us // SWEEPS
        self.forgotten_us: float = -math.inf  # what happened before may be gone
        for aggregate in aggregates:
            own = lane(aggregate)
            if own not in self._lanes:
                self._lanes[own] = _Lane(stream, own, aggregate)

    def reader(self, aggregate: Aggregate) -> Reader:
        return Reader(self, self._lanes[lane(aggregate)], aggregate)

    def take(self, events: Iterable[Event]) -> None:
        """Events not taken before, in any order."""
        fresh = list(events)
        if not fresh:
            return
        newest = max(fresh)
        if self._newest is None or newest > self._newest:
            self._newest = newest
        fresh = [event for event in fresh if event.happened_us >= self.forgotten_us]
        for event in fresh:
            _put(self._times, (event.happened_us, event.known_us))
        for own in self._lanes.values():
            own.take(fresh)
        self._forget()

    def start_from(self, newest_us: int | None) -> int | None:
        """What happened before need not be taken at all, where the newest event is this old; None where all of it counts."""
        if self._kept_us is None or newest_us is None:
            return None
        self.forgotten_us = newest_us - self._kept_us
        return newest_us - self._kept_us

    def is_fresh(self, at_us: int, within_us: int | None) -> bool:
        """Whether the source had, by then, an event known that happened within that time before; any at all for None."""
        if self._newest is None:
            return False
        since = -math.inf if within_us is None else at_us - within_us
        if since <= self._newest.happened_us and self._newest.known_us < at_us:
            return True
        first = 0 if within_us is None else bisect_left(self._times, (at_us - within_us,))
        last = bisect_left(self._times, (at_us,))
        # From the newest back: nearly always the first one that is looked at was known.
        return any(self._times[place][1] < at_us for place in range(last - 1, first - 1, -1))

    def _forget(self) -> None:
        if self._kept_us is None or self._newest is None:
            return
        before_us = self._newest.happened_us - self._kept_us
        if before_us - self.forgotten_us <= self._sweep_us:
            return
        self.forgotten_us = before_us
        del self._times[: bisect_left(self._times, (before_us,))]
        for own in self._lanes.values():
            own.forget(before_us)


class _Lane:
    """The events of one lane by key."""

    def __init__(self, stream: Stream, own: Lane, aggregate: Aggregate) -> None:
        self.cells: dict[Key, _Cell] = {}
        self.readers = 0
        self.lag_us = 0  # the longest that any event took to be known
        self._key = _picker([stream.place(name) for name, _ in own.by])
        self._keeps = keeps(aggregate)

    def take(self, events: Sequence[Event]) -> None:
        fresh: dict[Key, list[Event]] = {}
        pick, keeps = self._key, self._keeps
        for event in events:
            key = pick(event.values)
            if None in key or (keeps is not None and not keeps(event)):
                continue  # without a key it is nobody's; it was refused when it came, unless the aggregate was declared later
            fresh.setdefault(key, []).append(event)
            self.lag_us = max(self.lag_us, event.known_us - event.happened_us)
        for key, own in fresh.items():
            cell = self.cells.get(key)
            if cell is None:
                cell = self.cells[key] = _Cell(self.readers)
            cell.take(own)

    def forget(self, before_us: int) -> None:
        for key, cell in [*self.cells.items()]:
            gone = bisect_left(cell.times_us, before_us)
            if gone == len(cell.events):
                del self.cells[key]
            elif gone:
                cell.forget(gone)

    def new_reader(self) -> int:
        self.readers += 1
        for cell in self.cells.values():
            cell.known.append(None)
        return self.readers - 1


class Reader:
    """One aggregate's values; from `Windows.reader`."""

    def __init__(self, windows: Windows, own: _Lane, aggregate: Aggregate) -> None:
        self._windows = windows
        self._lane, self._cells, self._place = own, own.cells, own.new_reader()
        self._window_us, self._default = aggregate.window_us, aggregate.default
        self._is_since, self._is_mean = aggregate.kind == "since", aggregate.kind == "mean"
        self._value = None if aggregate.column is None else aggregate.stream.place(aggregate.column)
        self._find = _finder(aggregate, self._value)
        self._is_sum = aggregate.kind in ("count", "sum", "mean")
        self._nothing = Told(0.0, None) if aggregate.kind == "count" else Told(aggregate.default, NO_HISTORY)
        self._no_key, self._forgotten = Told(aggregate.default, NO_KEY), Told(aggregate.default, FORGOTTEN)
        self._reach_us = NEVER if aggregate.window_us is None else aggregate.window_us

    def at(self, key: Key, at_us: int) -> Told:
        """The value for a question of that moment. key: the row's values, in the order of `Lane.by`; None for missing."""
        if None in key:
            return self._no_key
        if at_us - self._reach_us < self._windows.forgotten_us:
            return self._forgotten
        cell = self._cells.get(key)
        if cell is None:
            return self._nothing
        known = cell.known[self._place]
        if known is None or not known.since_us <= at_us <= known.until_us:
            known = cell.known[self._place] = self._look(cell, at_us)
        return self._told(known, at_us)

    def each(self, key: Key, moments_us: Sequence[int]) -> Answers:
        """What `at` says of each of these moments, which ascend: many at a time where that is quicker."""
        cell = None if None in key else self._cells.get(key)
        if cell is not None and len(moments_us) >= MANY and self._fits_arrays(moments_us[0]):
            found = self._many(cell, np.array(moments_us, dtype=np.int64))
            if found is not None:
                return found
        told = [self.at(key, at_us) for at_us in moments_us]
        values = np.array([math.nan if value is None else value for value, _ in told])
        return Answers(values, {place: flag for place, (_, flag) in enumerate(told) if flag is not None})

    def _fits_arrays(self, earliest_us: int) -> bool:
        """Whether the values are sums or counts of events that are known as soon as they happen, none of them forgotten."""
        is_kept = earliest_us - self._reach_us >= self._windows.forgotten_us
        return self._is_sum and not self._lane.lag_us and is_kept

    def _many(self, cell: _Cell, moments_us: Ints) -> Answers | None:
        """Sums or counts of windows over one cell, of which every event is known; None where int64 does not hold them."""
        assert self._window_us is not None
        low = bisect_left(cell.times_us, moments_us[0] - self._window_us)
        high = bisect_left(cell.times_us, moments_us[-1], low)
        times_us = np.array(cell.times_us[low:high], dtype=np.int64)
        first = np.searchsorted(times_us, moments_us - self._window_us)
        last = np.searchsorted(times_us, moments_us)
        if self._value is None:
            return Answers((last - first).astype(np.float64), {})
        sums = cell.running(self._value).many(cell.events, low, high, first, last)
        if sums is None:
            return None
        total, count = sums
        values = np.full(total.size, np.nan if self._default is None else self._default)
        has = count > 0
        values[has] = total[has] / count[has] if self._is_mean else total[has]
        return Answers(values, dict.fromkeys(np.flatnonzero(~has).tolist(), NO_HISTORY))

    def _told(self, known: _Known, at_us: int) -> Told:
        if known.value is None:
            return Told(self._default, known.flag)
        return Told((at_us - known.value) / 1e6 if self._is_since else known.value, None)

    def _look(self, cell: _Cell, at_us: int) -> _Known:
        """events[first:last] happened within the window, and some of them may not be known yet."""
        times_us = cell.times_us
        first = 0 if self._window_us is None else bisect_left(times_us, at_us - self._window_us)
        last = bisect_left(times_us, at_us, first)
        # What happens later is known later still.
        until_us: float = times_us[last] if last < len(times_us) else NEVER
        unknown = self._unknown(cell, first, last, at_us) if self._lane.lag_us else []
        return self._find(cell, _Stretch(first, last, unknown), at_us, until_us)

    def _unknown(self, cell: _Cell, first: int, last: int, at_us: int) -> list[Event]:
        """Those of events[first:last] that are not known yet: what happened longer ago than any event ever took is."""
        since = bisect_left(cell.times_us, at_us - self._lane.lag_us, first, last)
        return [event for event in cell.events[since:last] if event.known_us >= at_us]


class _Stretch(NamedTuple):
    """events[first:last], without those that are not known yet."""

    first: int
    last: int
    unknown: list[Event]


_Find = Callable[[_Cell, _Stretch, int, float], _Known]


def _finder(aggregate: Aggregate, place: int | None) -> _Find:
    if aggregate.window_us is None or aggregate.kind in ("last", "since"):
        return _last_of(place, NEVER if aggregate.window_us is None else aggregate.window_us)
    window_us, is_mean = aggregate.window_us, aggregate.kind == "mean"

    def find(cell: _Cell, own: _Stretch, at_us: int, until_us: float) -> _Known:
        first, last, unknown = own
        if first < last:
            until_us = min(until_us, cell.times_us[first] + window_us)
        if unknown:
            until_us = min(until_us, *(event.known_us for event in unknown))
        if place is None:
            return _Known(at_us, until_us, float(last - first - len(unknown)), None)
        running = cell.running(place)
        total = running.between(cell.events, first, last, but=unknown)
        if not total.values:
            return _Known(at_us, until_us, None, NO_HISTORY)
        found = running.rounded(total)
        if found is None:
            return _Known(at_us, until_us, None, TOO_LARGE)
        return _Known(at_us, until_us, found / total.values if is_mean else found, None)

    return find


def _last_of(place: int | None, window_us: float) -> _Find:
    """The last event, of those with a value where it is one that is asked for."""

    def find(cell: _Cell, own: _Stretch, at_us: int, until_us: float) -> _Known:
        for number in range(own.last - 1, own.first - 1, -1):
            event = cell.events[number]
            if event.known_us >= at_us:
                until_us = min(until_us, event.known_us)
                continue
            value: Any = event.happened_us if place is None else event.values[place]
            if value is not None:
                until_us = min(until_us, event.happened_us + window_us)
                return _Known(at_us, until_us, value if place is None else float(value), None)
        return _Known(at_us, until_us, None, NO_HISTORY)

    return find


def keeps(aggregate: Aggregate) -> Callable[[Event], bool] | None:
    """Whether an event meets the aggregate's condition; what is unknown is not met. None where there is no condition."""
    stream, tree = aggregate.stream, where(aggregate, aggregate.column or aggregate.kind)
    if tree is None:
        return None
    reads = {name: _read(place, stream.columns[name]) for place, name in enumerate(stream.names)}
    is_met = to_function(tree, reads, moments=False)
    return lambda event: is_met(event) is True


def _read(place: int, kind: str) -> str:
    """The Python that takes a value from an event; a time in seconds, as row expressions have it."""
    value = f"row.values[{place}]"
    return f"(None if {value} is None else {value} / 1e6)" if kind == "time" else value


def _picker(places: Sequence[int]) -> Callable[[tuple[Any, ...]], Key]:
    """What takes these of a row's values, always as a tuple."""
    if len(places) == 1:
        (only,) = places
        return lambda values: (values[only],)
    return itemgetter(*places) if places else lambda _: ()


def _put(held: list[Any], item: Any) -> None:
    """In order; most come in order already."""
    if not held or item >= held[-1]:
        held.append(item)
    else:
        insort(held, item)
