"""The compactor: sealed segments become rows of Delta tables, once each, wherever it is killed.

Each table notes by worker the number of the last segment that is in it, as an application transaction in the commit that
brought the rows: a compactor that begins again passes over what a table has. The catalogue comes last, then the segments
are removed. A worker's segments are taken in order, so one number says it all.
"""

from __future__ import annotations

import fcntl
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lockgate.records.prediction import LogRow
from lockgate.store.frames import Segment, frames, is_sealed, segments_in, torn_bytes
from lockgate.store.log_catalogue import Listed
from lockgate.store.log_columns import CATALOGUE, KINDS, stretch
from lockgate.store.log_table import LogTables
from lockgate.store.ports import Compacted

BATCH_BYTES = 64 * 2**20
LOCK = "log.lock"
TORN, UNREAD = ".torn", ".unread"


class _Read(NamedTuple):
    """unread: entries of the segment that are none this Lockgate knows."""

    listed: Listed
    entries: list[LogRow]
    unread: int


class Compactor:
    def __init__(self, segments: Path, tables: LogTables) -> None:
        self._segments = segments
        self._tables = tables

    def run(self, *, may_go_on: Callable[[], bool] = lambda: True) -> Compacted:
        """Compact all that is sealed; nothing where another compactor is at work on this machine.

        may_go_on: asked before each batch, where a lease is renewed. Raises StoreError when the disk refuses.
        """
        found = Compacted()
        if not self._segments.is_dir():
            return found
        with _alone(self._tables.directory) as is_alone:
            if not is_alone:
                return found
            self._remove_listed()
            for batch in _batches(sealed(self._segments)):
                if not may_go_on():
                    break
                done = self._commit(batch)
                found = found.also(done)
            if found.segments:
                self._tables.tidy()
                self._tables.shorten()
        return found

    def oldest(self) -> str | None:
        """The sealed segment whose writer began first."""
        found = sealed(self._segments)
        return found[0].name if found else None

    def forget(self, model: str, before_s: float, *, kinds: Collection[str] = tuple(KINDS)) -> None:
        """Whole partitions, so no file is rewritten. Their files stay a week for readers that have begun."""
        with _alone(self._tables.directory) as is_alone:
            if is_alone:
                for kind in kinds:
                    self._tables.drop(kind, model, before_s)

    def _commit(self, batch: Sequence[Segment]) -> Compacted:
        read = [_read(segment) for segment in batch]
        listed = [part.listed for part in read]
        for kind in KINDS:
            self._append(kind, [(part.listed, stretch(kind, part.listed.name, part.entries)) for part in read])
        self._append(CATALOGUE, [(item, item) for item in listed])
        for segment, part in zip(batch, read, strict=True):
            _remove(segment.path, part)
        torn = tuple(item.name for item in listed if item.torn)
        unread = tuple((part.listed.name, part.unread) for part in read if part.unread)
        return Compacted(len(batch), sum(item.rows for item in listed), torn, unread)

    def _append(self, name: str, parts: Sequence[tuple[Listed, Any]]) -> None:
        """The parts of a batch that the table does not have yet, in one commit."""
        table = self._tables.create(name)
        known = {item.worker: table.transaction_version(item.worker) for item, _ in parts}
        fresh = [(item, rows) for item, rows in parts if item.number > _number(known[item.worker])]
        if len(fresh) < len(parts):  # an earlier compactor's commit, who may not have lived to sync it
            self._tables.outlive(name)
        if fresh:
            upto = {item.worker: item.number for item, _ in sorted(fresh)}
            self._tables.append(name, [rows for _, rows in fresh], upto)

    def _remove_listed(self) -> None:
        """What an earlier compactor listed, and was killed before it removed."""
        _, listed = self._tables.catalogue()
        last = {item.worker: item.number for item in listed}
        done = [item for item in segments_in(self._segments) if item.number <= last.get(item.worker, -1)]
        if done:
            self._tables.outlive(CATALOGUE)
        for segment in done:
            _remove(segment.path, _read(segment))


def sealed(directory: Path) -> list[Segment]:
    """Each worker's segments up to the first that is still written to."""
    by_worker: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments_in(directory):
        by_worker[segment.worker].append(segment)
    found: list[Segment] = []
    for segments in by_worker.values():
        for segment in segments:
            try:
                if not is_sealed(segment.path):
                    break
            except FileNotFoundError:  # another compactor took it, or its writer, for nothing was in it
                continue
            found.append(segment)
    return found


def _batches(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    batch: list[Segment] = []
    size = 0
    for segment in segments:
        batch.append(segment)
        size += segment.path.stat().st_size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(segment: Segment) -> _Read:
    entries: list[LogRow] = []
    end = unread = 0
    for frame in frames(segment.path):
        entries += frame.entries
        end = frame.end
        unread += frame.unread
    torn = torn_bytes(segment.path, end)
    return _Read(Listed(segment.worker, segment.number, segment.name, len(entries), torn), entries, unread)


def _number(version: int | None) -> int:
    return -1 if version is None else version


def _remove(path: Path, read: _Read) -> None:
    """What was not understood is kept for a person to look at: behind a damaged frame there may be whole ones, and a
    newer Lockgate may know entries that this one does not.
    """
    if read.unread:
        path.rename(path.with_suffix(UNREAD))
    elif read.listed.torn:
        path.rename(path.with_suffix(TORN))
    else:
        path.unlink()


@contextmanager
def _alone(directory: Path) -> Generator[bool]:
    """A lock that the kernel drops with the process: a killed compactor holds up nobody."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
