"""The last hours of the champion, put together from what the workers counted, for the watch over faults.

Pure: no clock, no store. Of each hour all windows are added as they come; what has come of an hour is judged while it grows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from lockgate.decide.faults.hour import HOUR_S, Hour, without_pairs
from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile

KEPT_S = UNITS_S["d"]
"""So much of what was judged is kept: sparse hours are counted together over as long."""
_refused_decoder = msgspec.json.Decoder(dict[str, int])


class FaultHours:
    """Of one version at a time."""

    def __init__(self) -> None:
        self._hours: dict[float, Profile] = {}
        self._refused: dict[float, Counter[str]] = defaultdict(Counter)
        self._counted: dict[float, set[tuple[str, int]]] = {}

    def feed(self, windows: Iterable[tuple[Window, Profile]]) -> None:
        """In any order; the same one again is nothing."""
        for window, profile in windows:
            hour_s, who = window.since_s, (window.who, window.number)
            counted = self._counted.setdefault(hour_s, set())
            if who in counted:
                continue
            counted.add(who)
            held, own = self._hours.get(hour_s), without_pairs(profile)
            self._hours[hour_s] = own if held is None else held + own
            if window.refused:
                self._refused[hour_s].update(_refused_decoder.decode(window.refused))

    def hours(self) -> list[Hour]:
        """In order."""
        none = Counter[str]()
        return [Hour(hour_s, self._hours[hour_s], self._refused.get(hour_s, none)) for hour_s in sorted(self._hours)]

    def forget(self, learnt_until_s: float) -> None:
        """But a day of them."""
        since_s = learnt_until_s - KEPT_S
        for hour_s in [hour_s for hour_s in self._hours if hour_s + HOUR_S <= since_s]:
            del self._hours[hour_s], self._counted[hour_s]
            self._refused.pop(hour_s, None)

    def clear(self) -> None:
        self._hours, self._counted = {}, {}
        self._refused.clear()
