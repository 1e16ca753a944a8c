"""What the catalogue of compacted segments lists: one by one at first, in stretches where there are many.

A process that runs for a year seals half a million segments. Those of one worker that follow each other are listed as one, up
to as many rows as are read at once, so that the catalogue grows with the rows and not with the minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lockgate.records.prediction import LogRow
from lockgate.store.frames import segment_at, segment_name

# Rows that are read from the tables at once.
STRETCH = 100_000


class Seen(NamedTuple):
    """A table as it was read. version: -1 where there was none; changed_ns: when its log had last changed."""

    version: int
    changed_ns: int


class Listed(NamedTuple):
    """A compacted segment, or a stretch of one worker's that follow each other.

    number: of the last of them; name: of the first; rows: how many entries they held; torn: bytes behind whole frames.
    """

    worker: str
    number: int
    name: str
    rows: int
    torn: int

    @property
    def last(self) -> str:
        """The name of the last of them."""
        return segment_name(self.worker, self.number) if segment_at(Path(self.name)).worker != self.name else self.name


class Stood(NamedTuple):
    """An entry, and where it stood: the number of its worker's segment, and the row in that."""

    number: int
    row: int
    entry: LogRow


def stretches(listed: Sequence[Listed]) -> list[Listed]:
    """The same, with what follows each other put together up to the rows that are read at once. listed: in order."""
    found: list[Listed] = []
    for item in listed:
        before = found[-1] if found else None
        if before is not None and before.worker == item.worker and before.rows + item.rows <= STRETCH:
            found[-1] = Listed(item.worker, item.number, before.name, before.rows + item.rows, before.torn + item.torn)
        else:
            found.append(item)
    return found
