"""Events in one SQLite file, which every process reads and adds to; a write-ahead log, so that nobody waits for a reader."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lockgate.errors import Conflict, StoreError
from lockgate.records import Event
from lockgate.records.source import Values
from lockgate.store.ports import Taken

FILE = "events.db"
WAIT_S = 5.0  # for another that writes
_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id NOT NULL,
    happened INTEGER NOT NULL,
    known INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (source, id)
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS by_time ON events (source, happened)"
_PUT = "INSERT INTO events (source, id, happened, known, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_HELD = "SELECT happened, known, body FROM events WHERE source = ? AND id = ?"
# +source: not by the index of sources, which would look at every event of one for the few that are new
_READ = "SELECT place, happened, known, id, body FROM events WHERE +source = ? AND place > ? ORDER BY place"
_READ_SINCE = _READ.replace("+source", "source").replace("ORDER", "AND happened >= ? ORDER")
_BODIES = "SELECT body FROM events WHERE +source = ? ORDER BY place"
_NEWEST = "SELECT MAX(happened) FROM events WHERE source = ?"
# From the newest back, by the index of sources: the first that was known is the one.
_NEWEST_BEFORE = (
    "SELECT happened FROM events WHERE source = ? AND happened < ? AND known < ? ORDER BY happened DESC LIMIT 1"
)
_LAST = "SELECT MAX(place) FROM events"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Values]).decode
_ARRAY = b"\xdd"  # of msgpack: as many items as the next four bytes say
_NO_FILE = -1
T = TypeVar("T")


class EventStore:
    """One process's connections: one that adds, one that reads. Safe to use from many threads, which take turns."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._adding, self._reading = threading.Lock(), threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._version: int | None = None

    def add(self, source: str, events: Sequence[Event]) -> Taken:
        rows = [(source, event.id, event.happened_us, event.known_us, _encode(event.values)) for event in events]
        with self._adding, self._told("written"):
            connection = self._writer = self._writer or self._made()
            with _transaction(connection):
                before = connection.total_changes
                connection.executemany(_PUT, rows)
                kept = connection.total_changes - before
                if kept < len(rows):  # some were there: each must be what it is now
                    self._refuse_other(connection, source, rows)
        return Taken(kept, len(rows) - kept)

    def read(self, source: str, after: int = 0, *, since_us: int | None = None) -> tuple[list[Event], int]:
        def look(connection: sqlite3.Connection) -> tuple[list[Event], int]:
            asked: tuple[Any, ...] = (source, after) if since_us is None else (source, after, since_us)
            connection.execute("BEGIN")  # both looks at one moment
            try:
                found = connection.execute(_READ if since_us is None else _READ_SINCE, asked).fetchall()
                last = connection.execute(_LAST).fetchone()[0]
            finally:
                connection.execute("COMMIT")
            values = _decoded([row[4] for row in found])
            return [Event(row[1], row[2], row[3], own) for row, own in zip(found, values, strict=True)], last or after

        return self._looked(look) or ([], after)

    def values(self, source: str) -> list[Values]:
        def look(connection: sqlite3.Connection) -> list[bytes]:
            return [body for (body,) in connection.execute(_BODIES, (source,))]

        return _decoded(self._looked(look) or [])

    def newest_us(self, source: str, *, known_before_us: int | None = None) -> int | None:
        asked = (source,) if known_before_us is None else (source, known_before_us, known_before_us)
        found = self._looked(
            lambda c: c.execute(_NEWEST if known_before_us is None else _NEWEST_BEFORE, asked).fetchone()
        )
        return None if found is None else found[0]

    def has_news(self) -> bool:
        def look(connection: sqlite3.Connection) -> bool:
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
            is_new, self._version = version != self._version, version
            return is_new

        found = self._looked(look)
        if found is None:  # nobody has added anything yet
            found, self._version = self._version != _NO_FILE, _NO_FILE
        return found

    def close(self) -> None:
        with self._adding, self._reading:
            for connection in (self._writer, self._reader):
                if connection is not None:
                    connection.close()
            self._writer = self._reader = None

    def _looked(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `look` finds, without waiting for anybody; None where there is no file yet, which a reader does not make."""
        with self._reading, self._told("read"):
            if self._reader is None:
                if not self._file.exists():
                    return None
                asked = f"{self._file.absolute().as_uri()}?mode=rw"
                self._reader = sqlite3.connect(
                    asked, uri=True, timeout=0, isolation_level=None, check_same_thread=False
                )
                self._version = None
            return look(self._reader)

    def _made(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._file, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_TABLE)
            connection.execute(_INDEX)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _told(self, what: str) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._forget(what)
            raise StoreError(
                f"The events in {self._file} cannot be {what}: {error}.",
                cure="Free some room there, or wait for who holds it; what was sent again counts once.",
            ) from error

    def _forget(self, what: str) -> None:
        """A connection that failed may be to a file that is gone: the next asks anew."""
        name = "_writer" if what == "written" else "_reader"
        connection: sqlite3.Connection | None = getattr(self, name)
        setattr(self, name, None)
        if connection is not None:
            connection.close()

    @staticmethod
    def _refuse_other(connection: sqlite3.Connection, source: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            if connection.execute(_HELD, row[:2]).fetchone() != row[2:]:
                raise conflict(source, row[1])


def _decoded(bodies: Sequence[bytes]) -> list[Values]:
    """All in one go: a call for each takes three times as long."""
    return _decode(b"".join((_ARRAY, len(bodies).to_bytes(4, "big"), *bodies)))


def conflict(source: str, event: int | str) -> Conflict:
    return Conflict(
        f"Event {event!r} of {source} was kept before with another content.",
        cure="An id is one event's alone; a correction is an event of its own.",
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
