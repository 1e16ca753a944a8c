"""Entries of the log as they came, field by field: each is looked at once, for its fields lie all over the memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress, repeat
from operator import is_
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry, LogRow, Window
from lockgate.records.unit_outcome import is_of_unit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
T = TypeVar("T", Prediction, Shadow, Outcome)
Entries = Sequence[Prediction] | Sequence[Shadow] | Sequence[Outcome]


class Came:
    """Entries of one kind, at least one. `of` gives a field of each, in their order."""

    __slots__ = ("_fields", "_numbers", "_places", "entries")

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        kind = type(entries[0])
        self._places = {name: place for place, name in enumerate(kind.__struct_fields__)}
        self._numbers: Ints | None = None
        self._fields: list[tuple[Any, ...]] = list(zip(*map(astuple, entries), strict=True))

    def __len__(self) -> int:
        return len(self.entries)

    def take(self, rows: Sequence[int]) -> Came:
        return Came([self.entries[row] for row in rows])  # type: ignore[arg-type] # of one kind, as all are

    def of(self, field: str) -> tuple[Any, ...]:
        return self._fields[self._places[field]]

    def floats(self, field: str) -> Floats:
        return np.array(self.of(field), dtype=np.float64)

    def numbers(self) -> Ints:
        """64 bits that stand for each id, as long as this process lives."""
        if self._numbers is None:
            self._numbers = np.fromiter(map(hash, self.of("id")), dtype=np.int64, count=len(self))
        return self._numbers


class Batch:
    """Rows of one model, as they came, and each kind's by itself; None where there is none of a kind. What came of a unit
    is of no call, and of no kind here. entries: all but windows.
    """

    __slots__ = ("calls", "entries", "outcomes", "shadows", "windows")

    def __init__(self, rows: Sequence[LogRow]) -> None:
        self.windows = [row for row in rows if isinstance(row, Window)]
        self.entries = entries = _of_calls(rows, has_windows=bool(self.windows))
        kinds = list(map(type, entries))
        calls = _of(Prediction, entries, kinds)
        shadows = _of(Shadow, entries, kinds) if len(calls) < len(kinds) else []
        told = _of(Outcome, entries, kinds) if len(calls) + len(shadows) < len(kinds) else []
        told = [outcome for outcome in told if not is_of_unit(outcome.id)]
        self.calls = Came(calls) if calls else None
        self.shadows = Came(shadows) if shadows else None
        self.outcomes = Came(told) if told else None


def _of_calls(rows: Sequence[LogRow], *, has_windows: bool) -> Sequence[LogEntry]:
    return [row for row in rows if not isinstance(row, Window)] if has_windows else rows  # type: ignore[return-value]


def _of(kind: type[T], entries: Sequence[LogEntry], kinds: Sequence[type]) -> list[T]:
    """Those of one kind. kinds: each entry's."""
    found: Iterable[LogEntry] = compress(entries, map(is_, kinds, repeat(kind)))
    return list(found)  # type: ignore[arg-type] # each was looked at


def is_each_once(rows: NDArray[np.intp], size: int) -> bool:
    """Whether no row stands twice. rows: in [0, size)."""
    last = np.empty(size, dtype=np.intp)
    places = np.arange(rows.size)
    last[rows] = places
    return bool((last[rows] == places).all())
