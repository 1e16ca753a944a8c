"""Datasets as tables, and events that aggregates are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lockgate.records import (
    DatasetRef,
    Event,
)
from lockgate.records.source import Values

if TYPE_CHECKING:
    import polars as pl


class Cleaned(NamedTuple):
    """What was deleted, or would be: files, and their bytes."""

    files: int = 0
    size_bytes: int = 0


class Tables(Protocol):
    """Immutable versions of tables."""

    def turn(self, table: str) -> AbstractContextManager[object]:
        """One writer at a time: whoever compares with the newest version and then writes holds it for both. Raises Conflict
        where another holds it for minutes.
        """
        ...

    def write(self, table: str, rows: pl.DataFrame) -> DatasetRef:
        """The rows, in this order, as the table's next version, replacing what it held. Of two writers at once either both
        make a version or one gets a Conflict; no version is lost.
        """
        ...

    def read(self, ref: DatasetRef) -> pl.DataFrame:
        """That version, digest checked, its rows in the order written. Raises StoreError where its files are not those
        referred to, NotFound where they were cleaned away.
        """
        ...

    def scan(self, ref: DatasetRef) -> pl.LazyFrame:
        """The same, nothing read but what is asked for."""
        ...

    def schema(self, ref: DatasetRef) -> Mapping[str, pl.DataType]:
        """That version's columns and their types, none of its rows read; raises as `read` does."""
        ...

    def is_kept(self, ref: DatasetRef) -> bool:
        """Whether that version can still be read."""
        ...

    def clean(self, table: str, keep: Collection[DatasetRef], *, dry_run: bool) -> Cleaned:
        """Delete the rows of every version but the newest and those to keep; what they share stays. Raises StoreError where
        one to keep is not there, and deletes nothing then.
        """
        ...


class Taken(NamedTuple):
    """What became of events. known_before: of these, how many were there already, with the same content."""

    kept: int
    known_before: int


class Events(Protocol):
    """The events of every source, each exactly once; any number of processes add and read."""

    def add(self, source: str, events: Sequence[Event]) -> Taken:
        """All of them, or none; once it returns, a `kill -9` loses none of them, nor does a power cut.

        Raises Conflict where an id is there with another content, StoreError when the outside refuses.
        """
        ...

    def read(self, source: str, after: int = 0, *, since_us: int | None = None) -> tuple[list[Event], int]:
        """The source's events behind that place, in the order they were added, and the place to go on from.

        since_us: leave out what happened before. Raises StoreError when the outside refuses.
        """
        ...

    def values(self, source: str) -> list[Values]:
        """What every event of a source says, in the order they were added; raises as `read` does."""
        ...

    def newest_us(self, source: str, *, known_before_us: int | None = None) -> int | None:
        """When the newest of them happened, of those that had happened and were known by then; raises as `read` does."""
        ...

    def has_news(self) -> bool:
        """Whether somebody added anything since this was asked before, in this process; true when it is asked first. It
        waits for nobody; raises as `read` does.
        """
        ...

    def close(self) -> None: ...
