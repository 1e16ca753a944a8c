"""Numbers by series and labels, and what a process tells of itself: the form that is written, read back and added up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from lockgate.telemetry.families import FAMILIES

MOST = 2_000
"""Label sets of one series: whatever a caller can make up must not grow without end. What comes beyond is told together."""
OTHER = "(other)"
Labels = tuple[str, ...]
Row = tuple[Labels, list[float]]
Rows = dict[str, list[Row]]
ByName = dict[str, dict[Labels, list[float]]]


class Totals:
    """Counters, or gauges of one moment. Not for several threads at once."""

    def __init__(self, rows: Rows | None = None) -> None:
        self.by_name: ByName = {}
        self.take(rows or {})

    def add(self, name: str, labels: Labels, numbers: Sequence[float]) -> None:
        """Add to what there is, number by number."""
        cells = self.by_name.setdefault(name, {})
        cell = cells.get(labels)
        if cell is None and len(cells) >= MOST:
            labels = (OTHER,) * len(labels)
            cell = cells.get(labels)
        if cell is None:
            cells[labels] = list(numbers)
        else:
            cell[:] = [a + b for a, b in zip(cell, numbers, strict=True)]

    def take(self, rows: Rows) -> None:
        """Add all that another process wrote; a series that this release does not know is passed over."""
        for name, found in rows.items():
            family = FAMILIES.get(name)
            for labels, numbers in found:
                if family and len(labels) == len(family.labels) and len(numbers) == family.width:
                    self.add(name, labels, numbers)

    def versions(self) -> set[str]:
        """Every version that has a series."""
        return {
            labels[place]
            for name, cells in self.by_name.items()
            if (place := FAMILIES[name].version_at) is not None
            for labels in cells
        }

    def drop(self, versions: Collection[str]) -> None:
        """Forget what is told by these versions; series without a version keep their sums."""
        for name, cells in self.by_name.items():
            place = FAMILIES[name].version_at
            if place is not None:
                for labels in [labels for labels in cells if labels[place] in versions]:
                    del cells[labels]

    def rows(self) -> Rows:
        return {name: list(cells.items()) for name, cells in self.by_name.items()}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One process's file. process: what it does; counted: since it started; gauges: at `at_s`, seconds since 1970."""

    process: str
    at_s: float
    counted: Rows
    gauges: Rows
    schema: int = 1


class Past(msgspec.Struct, kw_only=True):
    """The sum of all processes that have ended. folded: names of files that are in it and may lie there still. retired:
    when a version was first seen without traffic, seconds since 1970.
    """

    counted: Rows = {}
    folded: list[str] = []
    retired: dict[str, float] = {}
    schema: int = 1
