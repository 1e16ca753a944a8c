"""A version's windows on their way to its judge: of which hours there are any, which of them are whole, and which were taken.

Pure: no clock, no store. An hour is whole when its windows count as many calls as the log has of it, or when its last call
was answered so long ago that every process that lives has written what it counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lockgate.errors import SpecError, StoreError
from lockgate.monitor.came import Floats
from lockgate.records.drift import WindowsRead
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile, merged, read_profile, refuse_other_cells

HOUR_S = UNITS_S["h"]
# How long after an hour, by event time, calls of it may still come.
GRACE_S = 600.0
# How long after its last call was answered, by wall time, an hour is waited for: a process writes once a minute.
PATIENCE_S = 90.0
# What comes so long after its hour was taken is left out, and so are its windows forgotten.
LATE_S = UNITS_S["d"]


class Logged(NamedTuple):
    """The calls of an hour that the log has. answered_s: when the last of them was, by wall time."""

    calls: int = 0
    answered_s: float = -math.inf


class Taken(NamedTuple):
    """An hour, or what came late of earlier ones. profile: None where the hour has calls and no window."""

    until_s: float
    profile: Profile | None
    calls: int
    counted: int
    late: int
    windows: tuple[Window, ...]


class Hours:
    """Of one version."""

    def __init__(self) -> None:
        self._logged: dict[float, Logged] = {}
        self._windows: dict[tuple[str, int], tuple[Window, Profile]] = {}
        self.fresh: list[tuple[Window, Profile]] = []  # for others who read them too, until these take them

    def feed_calls(self, asked_s: Floats, answered_s: Floats) -> None:
        """Those that the version answered."""
        hours, places, counts = np.unique(np.floor(asked_s / HOUR_S), return_inverse=True, return_counts=True)
        last_s = np.full(hours.size, -np.inf)
        np.maximum.at(last_s, places, answered_s)
        for hour, calls, last in zip(hours.tolist(), counts.tolist(), last_s.tolist(), strict=True):
            before = self._logged.get(hour * HOUR_S, Logged())
            self._logged[hour * HOUR_S] = Logged(before.calls + calls, max(before.answered_s, last))

    def feed_windows(self, windows: Iterable[Window], reference: Profile) -> list[str]:
        """In any order; the same one again is nothing. Returns a sentence for each that cannot be judged."""
        problems: list[str] = []
        for window in windows:
            try:
                found = read_profile(window.profile, f"A window of version {window.version[:12]}, by {window.who},")
                refuse_other_cells(reference, found)
            except (SpecError, StoreError) as error:
                problems.append(str(error))
                continue
            self._windows[window.who, window.number] = (window, found)
            self.fresh.append((window, found))
        return problems

    def next_s(self, until_s: float) -> float:
        """Where the first hour from `until_s` on begins that has calls; inf where there is none."""
        hours = (*self._logged, *(window.since_s for window, _ in self._windows.values()))
        return min((hour_s for hour_s in hours if hour_s >= until_s), default=math.inf)

    def take(
        self, until_s: float, read: Mapping[str, WindowsRead], *, began_s: float, event_s: float, now_s: float
    ) -> list[Taken]:
        """The hours from `until_s` on that can be taken, in order; with the first of them what came late of earlier ones.

        read: what was taken before; began_s: windows that end before are never taken. Nothing is forgotten here: `forget` is
        called once it is written that they were taken.
        """
        waiting = [
            (window, profile)
            for window, profile in self._windows.values()
            if window.until_s > began_s and not _is_read(window, read)
        ]
        late = [pair for pair in waiting if until_s - LATE_S <= pair[0].since_s < until_s]
        by_hour: dict[float, list[tuple[Window, Profile]]] = {}
        for pair in waiting:
            if pair[0].since_s >= until_s:
                by_hour.setdefault(pair[0].since_s, []).append(pair)
        found: list[Taken] = []
        for hour_s in sorted({*by_hour, *(hour for hour in self._logged if hour >= until_s)}):
            own, logged = by_hour.get(hour_s, []), self._logged.get(hour_s, Logged())
            counted = sum(profile.rows for _, profile in own)
            if hour_s + HOUR_S + GRACE_S > event_s:
                break
            if counted < logged.calls and now_s < logged.answered_s + PATIENCE_S:
                break
            found.append(_taken(hour_s + HOUR_S, [*late, *own], logged.calls, counted))
            late = []
        return found

    def forget(self, until_s: float, read: Mapping[str, WindowsRead]) -> None:
        """The hours until then, and the windows that were taken."""
        self._logged = {hour_s: logged for hour_s, logged in self._logged.items() if hour_s >= until_s}
        self._windows = {key: pair for key, pair in self._windows.items() if not _is_done(pair[0], until_s, read)}


def also_read(read: Mapping[str, WindowsRead], windows: Sequence[Window], *, until_s: float) -> dict[str, WindowsRead]:
    """With these windows among those that were taken; a process of which none of the last day is left is forgotten."""
    found = dict(read)
    for window in windows:
        held = found.get(window.who) or WindowsRead(who=window.who, ranges=(), until_s=window.until_s)
        found[window.who] = WindowsRead(
            who=window.who,
            ranges=_with(held.ranges, window.number),
            until_s=max(held.until_s, window.until_s),
        )
    return {who: own for who, own in sorted(found.items()) if own.until_s > until_s - LATE_S}


def _taken(until_s: float, pairs: Sequence[tuple[Window, Profile]], calls: int, counted: int) -> Taken:
    # Counts are whole numbers, so that any order gives the same bits; this one is for the notes.
    ordered = sorted(pairs, key=lambda pair: (pair[0].since_s, pair[0].who, pair[0].number))
    profile = merged([profile for _, profile in ordered])
    windows = tuple(window for window, _ in ordered)
    if profile is None or not profile.rows:  # of calls that nobody counted nothing is said
        return Taken(until_s, None, 0, 0, 0, windows)
    return Taken(until_s, profile, calls, profile.rows, profile.rows - counted, windows)


def _is_read(window: Window, read: Mapping[str, WindowsRead]) -> bool:
    held = read.get(window.who)
    return held is not None and any(first <= window.number < end for first, end in held.ranges)


def _is_done(window: Window, until_s: float, read: Mapping[str, WindowsRead]) -> bool:
    return _is_read(window, read) or window.since_s < until_s - LATE_S


def _with(ranges: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    """Ranges that touch are one."""
    found: list[tuple[int, int]] = []
    for first, end in sorted([*ranges, (number, number + 1)]):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return tuple(found)
