"""The events of one process: what it takes in, and the windows over them that it keeps at the newest of the store."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from lockgate.errors import StoreError
from lockgate.features.aggregate import micros_of
from lockgate.features.windows import Reader, Windows
from lockgate.records import Aggregate, Event, SourceSpec, Stream
from lockgate.store.ports import Events, Taken

LOOK_EVERY_S = 0.005
GRACE_S = 1.0  # a store that is away for so long is a source that is stale
_log = logging.getLogger("lockgate.serve")


class Online:
    """The store as one process sees it. What it adds itself is news at once, what others add within 5 ms; where the store is
    away, what was seen last stands. Safe to use from many threads.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._away_s: float | None = None
        self.news = 0
        self.problem: str | None = None

    def add(self, source: str, events: Sequence[Event]) -> Taken:
        """Raises as the port does."""
        taken = self._events.add(source, events)
        self._next_s = 0.0
        return taken

    def look(self) -> int:
        """A number that is another whenever there is something new to read."""
        if time.monotonic() >= self._next_s:
            with self._lock:
                self._next_s = time.monotonic() + LOOK_EVERY_S
                try:
                    self.news += self._events.has_news()
                    self.came_back()
                except StoreError as error:
                    self.was_refused(error)
        return self.news

    def seen_of_late(self) -> int | None:
        """That number without a look at the store, which may hold up who asks; None where it is time for one."""
        return None if time.monotonic() >= self._next_s else self.news

    def read(self, source: str, after: int, since_us: int | None) -> tuple[list[Event], int]:
        return self._events.read(source, after, since_us=since_us)

    def newest_us(self, source: str) -> int | None:
        return self._events.newest_us(source)

    def came_back(self) -> None:
        self._away_s = self.problem = None

    def was_refused(self, error: StoreError) -> None:
        if self._away_s is None:
            self._away_s = time.monotonic()
            _log.warning("%s Answers go on with the events seen until now.", error)
        self.problem = str(error)

    @property
    def is_away(self) -> bool:
        """Whether the store has been away for longer than a moment."""
        return self._away_s is not None and time.monotonic() - self._away_s > GRACE_S

    def close(self) -> None:
        self._events.close()


class Followed:
    """The windows over one source, followed from the store. For one thread at a time."""

    def __init__(
        self, name: str, stream: Stream, aggregates: Iterable[Aggregate], spec: SourceSpec | None, online: Online
    ) -> None:
        """spec: what lockgate.toml says of the source now; None where it does not name it any more."""
        self._name, self._online = name, online
        self._stale_after_us = None if spec is None or spec.stale_after is None else micros_of(spec.stale_after)
        retention = None if spec is None or spec.retention is None else micros_of(spec.retention)
        self._windows = Windows(stream, aggregates, retention_us=retention)
        self._place = 0
        self._seen: int | None = None
        self._since_us: int | None = None

    def reader(self, aggregate: Aggregate) -> Reader:
        return self._windows.reader(aggregate)

    def follow(self) -> None:
        """Takes what is new; where the store refuses, what was taken stands, and the next call asks again."""
        news = self._online.look()
        if news == self._seen:
            return
        try:
            if self._seen is None:
                self._since_us = self._windows.start_from(self._online.newest_us(self._name))
            events, self._place = self._online.read(self._name, self._place, self._since_us)
        except StoreError as error:
            self._online.was_refused(error)
            return
        self._windows.take(sorted(events))
        self._seen, self._since_us = news, None

    @property
    def is_current(self) -> bool:
        """Whether all is taken that the last look found, which is not long ago. It waits for nothing."""
        return self._seen is not None and self._seen == self._online.seen_of_late()

    def is_stale(self, at_us: int) -> bool:
        if self._seen is None or self._online.is_away:
            return True
        return not self._windows.is_fresh(at_us, self._stale_after_us)


def followed(aggregates: Iterable[Aggregate], sources: Mapping[str, SourceSpec], online: Online) -> dict[str, Followed]:
    """One for each source that they are of."""
    by_source: dict[str, list[Aggregate]] = {}
    for aggregate in aggregates:
        by_source.setdefault(aggregate.source, []).append(aggregate)
    return {
        name: Followed(name, own[0].stream, own, sources.get(name), online) for name, own in sorted(by_source.items())
    }
