"""The prediction log on files: one append-only segment per writer, no lock between processes.

A frame is magic, length, crc32 seeded by the segment's name and the frame's number, and its entries in msgpack. `append`
returns after write(), with an fdatasync at most 50 ms behind: a `kill -9` loses nothing, a power cut at most that. A new
writer, or one whose write failed, always starts a new segment, so that nothing is ever written after a torn frame.
"""

from __future__ import annotations

import os
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry, entries_decoder, entry_encoder
from lockgate.store.ports import Cursor

MAGIC = b"LGF1"
HEADER = struct.Struct("<4sII")
SYNC_EVERY_S = 0.05
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class SegmentLog:
    """All segments under one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def writer(self) -> SegmentWriter:
        return SegmentWriter(self._directory)

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogEntry], Cursor]:
        """Segments in the order they were begun; the cursor holds the bytes and frames read of each."""
        places = dict(cursor or {})
        found: list[LogEntry] = []
        for path in sorted(self._directory.glob("*.seg")):
            at, number = places.get(path.name, 0), places.get(f"{path.name}#", 0)
            if path.stat().st_size <= at:
                continue
            for entries, end in _frames(path, at, number):
                found += entries
                number += 1
                places[path.name], places[f"{path.name}#"] = end, number
                if limit is not None and len(found) >= limit:
                    return found, places
        return found, places


class SegmentWriter:
    """One process's end. Threads may share it; processes may not."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._file: int | None = None
        self._number = 0
        self._name = ""
        self._dirty = threading.Event()
        self._closed = False
        self._syncer = threading.Thread(target=self._keep_synced, name="log-sync", daemon=True)
        self._syncer.start()

    def append(self, entries: Sequence[LogEntry]) -> None:
        """One frame for all entries. Raises StoreError when the disk refuses; the segment is then left for good."""
        if not entries:
            return
        payload = entry_encoder.encode(list(entries))
        with self._lock:
            try:
                self._write(payload)
            except OSError as error:
                self._leave()
                raise StoreError(
                    f"The prediction log in {self._directory} cannot be written: {error.strerror or error}.",
                    cure="Free some room there; calls are still answered.",
                ) from error
        self._dirty.set()

    def close(self) -> None:
        """Sync and end the segment. Entries appended later open a new one."""
        self._closed = True
        self._dirty.set()
        self._syncer.join(timeout=5)
        with self._lock:
            if self._file is not None:
                _sync(self._file)
            self._leave()

    def _write(self, payload: bytes) -> None:
        if self._file is None:
            self._begin()
        assert self._file is not None
        frame = HEADER.pack(MAGIC, len(payload), _checksum(self._name, self._number, payload)) + payload
        view = memoryview(frame)
        while view:
            view = view[os.write(self._file, view) :]
        self._number += 1

    def _begin(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}.seg"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._file = os.open(self._directory / self._name, flags, 0o644)
        self._number = 0

    def _leave(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _keep_synced(self) -> None:
        while not self._closed:
            self._dirty.wait()
            self._dirty.clear()
            with self._lock:
                held = os.dup(self._file) if self._file is not None else None
            if held is not None:
                try:
                    _sync(held)
                except OSError:
                    # What a failed sync leaves on the disk is unknown: nothing more goes into this segment.
                    with self._lock:
                        self._leave()
                finally:
                    os.close(held)
            time.sleep(SYNC_EVERY_S)


def _checksum(name: str, number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(f"{name}:{number}".encode()))


def _frames(path: Path, at: int, number: int) -> Iterator[tuple[list[LogEntry], int]]:
    """Whole, undamaged frames from byte `at`, each with the byte behind it; ends at the first that is neither."""
    with path.open("rb") as file:
        file.seek(at)
        while len(header := file.read(HEADER.size)) == HEADER.size:
            magic, size, checksum = HEADER.unpack(header)
            if magic != MAGIC:
                return
            payload = file.read(size)
            if len(payload) < size or _checksum(path.name, number, payload) != checksum:
                return
            at += HEADER.size + size
            number += 1
            yield entries_decoder.decode(payload), at
