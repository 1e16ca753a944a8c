"""All the tallies of one profile, by kind: what fills them differs by where rows come from, what they find does not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockgate.features.profiles.cut import Growing
from lockgate.features.profiles.numbers import Room
from lockgate.features.profiles.tally import Booleans, Levels, Numbers, Pairs, Texts, Times
from lockgate.records.profile import ColumnProfile, Profile, Role

Key = tuple[str, Role]


class Tallies:
    """cells: a profile with nothing in it. growing: texts of which the cells are not known yet. alone: numbers are counted
    a column at a time, which suits many rows; else all of them at once, which suits few.
    """

    def __init__(self, cells: Profile, growing: Mapping[Key, Growing] | None = None, *, alone: bool = False) -> None:
        self._cells = cells
        self.growing = dict(growing or {})
        own: dict[Key, ColumnProfile] = {
            (column.name, column.role): column
            for column in cells.columns
            if (column.name, column.role) not in self.growing
        }
        numbers = {key: column for key, column in own.items() if column.kind == "number"}
        self.numbers = list(numbers)
        together = [[column] for column in numbers.values()] if alone else [list(numbers.values())]
        room = Room()
        self.groups = [Numbers(columns, room) for columns in together if columns]
        self.pairs = Pairs(cells.pairs, [name for name, _ in self.numbers])
        self.booleans = {key: Booleans(column) for key, column in own.items() if column.kind == "boolean"}
        self.levels = {key: Levels(column) for key, column in own.items() if column.kind == "category"}
        self.texts = {key: Texts(column) for key, column in own.items() if column.kind in ("text", "id")}
        self.times = {key: Times(column) for key, column in own.items() if column.kind == "time"}

    def found(self, rows: int, *, since_s: float | None, until_s: float | None, notes: tuple[str, ...] = ()) -> Profile:
        found = {(c.name, c.role): c for group in self.groups for c in group.found()}
        for tallies in (self.booleans, self.levels, self.texts, self.times, self.growing):
            found |= {key: tally.found() for key, tally in tallies.items()}
        return msgspec.structs.replace(
            self._cells,
            rows=rows,
            columns=tuple(found[column.name, column.role] for column in self._cells.columns),
            pairs=self.pairs.found(),
            since_s=since_s,
            until_s=until_s,
            notes=notes,
        )
