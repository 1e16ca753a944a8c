"""A source: a stream of events, and the clocks that they carry."""

from __future__ import annotations

from typing import NamedTuple

from lockgate.errors import SpecError, unknown
from lockgate.records.column_type import ColumnType
from lockgate.records.duration import seconds
from lockgate.records.record import Record

EXACT = 2**53
"""Whole numbers of an event lie below it, for every path computes with float64: beyond, two of them may be one."""

Values = tuple[float | int | bool | str | None, ...]


class Event(NamedTuple):
    """One event. happened_us, known_us: microseconds since 1970, UTC; id: text or a whole number, one event's alone; values:
    in the order of `Stream.names`, times in microseconds since 1970, missing as None.

    Events compare by when they happened, then by when they were known, then by id: an order that does not depend on the
    order in which they came.
    """

    happened_us: int
    known_us: int
    id: int | str
    values: Values


class Stream(Record, frozen=True, kw_only=True):
    """The shape of a source's events. key: the column of the event's id; time: when it happened; known: when it was known,
    where that is another moment. columns: every column, by name, with its type. Raises SpecError for what cannot be.
    """

    key: str
    time: str
    known: str | None = None
    columns: dict[str, ColumnType]

    def __post_init__(self) -> None:
        roles: dict[str, tuple[str | None, tuple[str, ...]]] = {
            "key": (self.key, ("int", "text")),
            "time": (self.time, ("time",)),
            "known": (self.known, ("time",)),
        }
        for role, (name, types) in roles.items():
            if name is None:
                continue
            if name not in self.columns:
                raise SpecError(
                    f"A source's {role}: {unknown('column', name, self.columns)}", cure="Name one of columns."
                )
            if self.columns[name] not in types:
                raise SpecError(
                    f"A source's {role}, {name!r}, is {self.columns[name]}.", cure=f"It is {' or '.join(types)}."
                )
        if self.known == self.time:
            raise SpecError(
                f"A source's time and known are both {self.time!r}.",
                cure="Leave known out where an event is known when it happens.",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in the order of an event's values."""
        return tuple(sorted(self.columns))

    def place(self, name: str) -> int:
        return self.names.index(name)


class SourceSpec(Record, frozen=True, kw_only=True):
    """An event stream, as `lockgate.toml` declares it.

    key, time, known, columns: as in `Stream`. stale_after: how long after its newest event a source counts as stopped, so
    that what is computed from it is flagged; left out, only a source without any event is. retention: how much of it serving
    processes keep in memory, counted back from the newest event; all of it where left out. table: a file or a Delta table of
    its events, beside those that were sent. Raises SpecError for what cannot be.
    """

    key: str
    time: str
    known: str | None = None
    columns: dict[str, ColumnType]
    stale_after: str | None = None
    retention: str | None = None
    table: str | None = None

    def __post_init__(self) -> None:
        for duration in (self.stale_after, self.retention):
            if duration is not None:
                seconds(duration)
        _ = self.stream

    @property
    def stream(self) -> Stream:
        return Stream(key=self.key, time=self.time, known=self.known, columns=self.columns)
