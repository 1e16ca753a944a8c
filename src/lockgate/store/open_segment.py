"""One segment while it is written: its handle, its frames, and what of them is on the disk for certain."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from lockgate.store.frames import HEADER, MAGIC, SUFFIX, seed

# Room that durable frames are written into: a sync that need not note a new length is several times as quick.
RESERVED_BYTES = 16 * 2**20
_fallocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
# Every served call goes through these: looked up once.
_pack, _pwrite = HEADER.pack, os.pwrite


@dataclass(slots=True, eq=False)
class OpenSegment:
    """A segment being written. synced: its bytes that are on the disk for certain; unsynced: the payloads behind them;
    reserved: up to where the disk has promised room.
    """

    file: int
    path: Path
    born_s: float
    seed: int
    frames: int = 0
    size: int = 0
    synced: int = 0
    reserved: int = 0
    unsynced: list[bytes] = field(default_factory=list[bytes])

    @property
    def doubtful(self) -> int:
        """How many of its bytes may not be on the disk."""
        return self.size - self.synced

    def write(self, payload: bytes) -> None:
        """Raises OSError; a frame that was begun is cut off again where the disk lets us."""
        size = len(payload)
        frame = _pack(MAGIC, size, crc32(payload, crc32(b"%d" % self.frames, self.seed))) + payload
        try:
            written = _pwrite(self.file, frame, self.size)
            while written < len(frame):
                written += _pwrite(self.file, frame[written:], self.size + written)
        except OSError:
            self.cut(self.size)
            raise
        self.frames += 1
        self.size += len(frame)
        self.unsynced.append(payload)

    def reserve(self, count: int) -> None:
        """Room for that many bytes more, where the disk has it; it is written all the same where it has not."""
        if _fallocate is not None and self.size + count > self.reserved:
            with contextlib.suppress(OSError):
                _fallocate(self.file, self.size, count + RESERVED_BYTES)
            self.reserved = self.size + count + RESERVED_BYTES

    def cut(self, size: int) -> None:
        """Take off what lies behind: what was begun, what was reserved, or what is safe elsewhere."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.file, size)
        self.reserved = 0

    def taken(self) -> OpenSegment:
        """As it is now, under a handle of its own, to be synced while appends go on."""
        found = OpenSegment(
            os.dup(self.file), self.path, self.born_s, self.seed, self.frames, self.size, self.synced, 0, self.unsynced
        )
        self.unsynced, self.synced = [], self.size
        return found

    def let_go(self) -> None:
        """Whatever close() says, the handle is gone; what had to be safe was synced before."""
        with contextlib.suppress(OSError):
            os.close(self.file)

    def remove(self) -> None:
        """Leave nothing of it behind, where the disk lets us. Still locked: nobody takes it for sealed meanwhile."""
        self.cut(0)
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.let_go()

    def keep_synced(self) -> None:
        """Leave only what is on the disk for certain: the rest is safe elsewhere."""
        if self.synced:
            self.cut(self.synced)
            self.let_go()
        else:
            self.remove()


def begin(directory: Path, name: str) -> OpenSegment:
    """Locked before it has its name: a segment that can be seen without its lock is sealed. Raises OSError."""
    new = directory / f"{name}.new"
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = new.rename(new.with_suffix(SUFFIX))
    except OSError:
        os.close(file)
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    return OpenSegment(file, path, time.monotonic(), seed(name))


def sync_path(place: Path) -> None:
    """A file's bytes, or a folder's names. Raises OSError."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
