"""What is looked at: one hour of one version's calls, counted so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from lockgate.records.profile import ColumnProfile, Profile

HOUR_S = 3600.0


class Hour(NamedTuple):
    """start_s: where the hour begins, event time. window: its rows over the reference's cells, growing while it lasts.

    refused: calls of this hour that the contract refused or set aside, by column; none of them is in the window. strange:
    by column the levels that the reference never had, with their rows, where somebody counted them.
    """

    start_s: float
    window: Profile
    refused: Mapping[str, int] = {}
    strange: Mapping[str, Mapping[str, int]] = {}

    @property
    def end_s(self) -> float:
        return self.start_s + HOUR_S

    @property
    def since_s(self) -> float:
        """Its first row; where the hour begins, if nobody told times."""
        return self.start_s if self.window.since_s is None else self.window.since_s

    @property
    def until_s(self) -> float:
        return self.end_s if self.window.until_s is None else self.window.until_s

    @property
    def of_day(self) -> int:
        """0 to 23, UTC."""
        return int(self.start_s // HOUR_S) % 24

    @property
    def of_days(self) -> tuple[int, ...]:
        """The hours of the day that its rows lie in: one, or those of a longer stretch."""
        first = int(self.start_s // HOUR_S)
        last = max(first, math.ceil(self.until_s / HOUR_S) - 1)
        return tuple(sorted({place % 24 for place in range(first, min(last, first + 23) + 1)}))

    @property
    def of_week(self) -> int:
        """0 to 167, UTC, counted from Thursday, as 1970 began."""
        return int(self.start_s // HOUR_S) % 168


def joined(hours: Iterable[Hour]) -> Hour:
    """Several hours as one stretch, which begins with the first. Raises SpecError where their cells are not the same."""
    first, *others = sorted(hours, key=lambda one: one.start_s)
    window, refused = first.window, dict(first.refused)
    strange = {column: dict(levels) for column, levels in first.strange.items()}
    for one in others:
        window = window + one.window
        for column, rows in one.refused.items():
            refused[column] = refused.get(column, 0) + rows
        for column, levels in one.strange.items():
            held = strange.setdefault(column, {})
            for level, rows in levels.items():
                held[level] = held.get(level, 0) + rows
    return Hour(first.start_s, window, refused, strange)


def without_pairs(profile: Profile) -> Profile:
    """No fault is one of two columns together, and pairs are most of what is added up."""
    return msgspec.structs.replace(profile, pairs=())


def pairs(reference: Profile, hour: Hour) -> Iterator[tuple[ColumnProfile, ColumnProfile]]:
    """Each column of the reference, and of the hour, which has the same cells."""
    return zip(reference.columns, hour.window.columns, strict=True)
