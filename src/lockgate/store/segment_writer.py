"""One process's end of the prediction log: buffered or durable, always into a segment of its own.

A buffered append returns after write(), with an fdatasync at most 50 ms behind: a `kill -9` loses nothing, a power cut at
most that. A durable one returns after fdatasync: what queued up while the last one ran goes into one frame. A segment is
sealed at 64 MiB or 60 s; one whose write or sync failed is left for good, and what was not synced is written again in
the next, so that nothing is ever written after a torn frame.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry, entry_encoder
from lockgate.store.frames import HEADER, MAGIC, SUFFIX, seed, segment_name

SYNC_EVERY_S = 0.05
SEAL_BYTES = 64 * 2**20
SEAL_S = 60.0
# Room that durable frames are written into: a sync that need not note a new length is several times as quick.
RESERVED_BYTES = 16 * 2**20
# The timer aims before the 50 ms, for a thread is woken late on a busy machine.
_AIM_S = 0.6 * SYNC_EVERY_S
fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has neither of these two
_fallocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
# Every served call goes through these: looked up once.
_encode, _pack, _pwrite = entry_encoder.encode, HEADER.pack, os.pwrite


@dataclass(slots=True)
class _Open:
    """A segment being written. synced: its bytes that are on the disk for certain; unsynced: the payloads behind them;
    reserved: up to where the disk has promised room.
    """

    file: int
    name: str
    born_s: float
    seed: int
    frames: int = 0
    size: int = 0
    synced: int = 0
    reserved: int = 0
    unsynced: list[bytes] = field(default_factory=list[bytes])

    def write(self, payload: bytes) -> None:
        """Raises OSError; a frame that was begun is cut off again where the disk lets us."""
        size = len(payload)
        frame = _pack(MAGIC, size, crc32(payload, crc32(b"%d" % self.frames, self.seed))) + payload
        try:
            written = _pwrite(self.file, frame, self.size)
            while written < len(frame):
                written += _pwrite(self.file, frame[written:], self.size + written)
        except OSError:
            self.cut()
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

    def cut(self) -> None:
        """Behind the last frame: what was begun, and what was reserved."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.file, self.size)
        self.reserved = 0

    def taken(self) -> _Open:
        """As it is now, under a handle of its own, to be synced while appends go on."""
        file = os.dup(self.file)
        found = _Open(file, self.name, self.born_s, self.seed, self.frames, self.size, self.synced, 0, self.unsynced)
        self.unsynced, self.synced = [], self.size
        return found


class _Waiting:
    """An append that waits for the disk. body: its entries in msgpack, without the header of the list."""

    __slots__ = ("body", "count", "gate", "refusal")

    def __init__(self, count: int, body: bytes) -> None:
        self.count, self.body = count, body
        self.refusal: StoreError | None = None
        self.gate = threading.Lock()  # the lightest thing that a thread can wait for
        self.gate.acquire()


class SegmentWriter:
    """Threads may share it; processes may not. poisoned: segments left because the disk refused; problem: the last such
    refusal, None once something was written and synced again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seal_bytes: int = SEAL_BYTES,
        seal_s: float = SEAL_S,
        sync: Callable[[int], None] = fdatasync,
    ) -> None:
        self._directory = directory
        self._sync = sync
        self._seal_bytes, self._seal_s = seal_bytes, seal_s
        self._worker = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}"
        self._number = 0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)  # the syncer's, while it has nothing to do
        self._turn = threading.Lock()  # whoever syncs; always taken before the other
        self._open: _Open | None = None
        self._left: list[_Open] = []
        self._queue: list[_Waiting] = []
        self._served: list[_Waiting] = []  # on the disk, and not told yet; whoever has the turn
        self._is_dirty = self._is_idle = self._closed = False
        self._due_s = 0.0
        self.poisoned = 0
        self.problem: str | None = None
        self._syncer = threading.Thread(target=self._keep_synced, name="log-sync", daemon=True)
        self._syncer.start()

    def append(self, entries: Sequence[LogEntry], *, durable: bool = False) -> None:
        """Keep all entries or none. Raises StoreError when the disk refuses; the segment is then left for good."""
        if not entries:
            return
        if durable:
            self._append_durably(entries)
            return
        payload = _encode(entries)
        with self._lock:
            self._put(payload)
            if not self._is_dirty:
                self._is_dirty = True
                if self._is_idle:
                    self._wake.notify()

    def close(self) -> None:
        """Sync and seal. Entries appended later open a new segment."""
        with self._lock:
            self._closed = True
            self._wake.notify()
        self._syncer.join(timeout=5)
        with self._lock:
            self._seal()
        self._take_turn()

    def hold(self) -> None:
        """Before a fork: no write and no sync is under way until `let_go`, so that the child sees every open handle."""
        self._turn.acquire()
        self._wake.acquire()

    def let_go(self) -> None:
        """After a fork, in the parent."""
        self._wake.release()
        self._turn.release()

    def leave(self) -> None:
        """After a fork, in the child: its copies of the handles are closed, else the parent's segments would stay locked
        for as long as the child lives. Nothing is written or synced; the child makes a writer of its own.
        """
        for segment in (self._open, *self._left):
            if segment is not None:
                os.close(segment.file)
        self._open, self._left = None, []

    def _append_durably(self, entries: Sequence[LogEntry]) -> None:
        waiting = _Waiting(len(entries), _encode(entries)[len(_list_of(len(entries))) :])
        with self._lock:
            self._queue.append(waiting)
        # Alone, a caller syncs for itself: two wake-ups of a thread can take longer than the disk.
        if self._turn.acquire(blocking=False):
            try:
                self._round()
                self._tell()
            finally:
                self._turn.release()
        elif self._closed:
            self._take_turn()
        if self._queue:
            with self._lock:
                self._wake.notify()
        waiting.gate.acquire()
        if waiting.refusal is not None:
            raise waiting.refusal

    def _put(self, payload: bytes, *, durable: bool = False) -> None:
        """One frame into the open segment, or a new one. Under the lock."""
        segment = self._open
        try:
            if segment is None or segment.size >= self._seal_bytes:
                self._seal()
                segment = self._open = self._begin()
            if durable:
                segment.reserve(len(payload) + HEADER.size)
            segment.write(payload)
        except OSError as error:
            self._poison(error)
            raise self._refusal(error) from error

    def _begin(self) -> _Open:
        """Locked before it has its name: a segment that can be seen without its lock is sealed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        name = segment_name(self._worker, self._number)
        new = self._directory / f"{name}.new"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(new.with_suffix(SUFFIX))
        except OSError:
            os.close(file)
            raise
        self._number += 1
        return _Open(file, name, time.monotonic(), seed(name))

    def _is_old(self, segment: _Open) -> bool:
        return time.monotonic() - segment.born_s >= self._seal_s

    def _seal(self) -> None:
        """No more frames into this one; it is synced and let go of at the next round."""
        if self._open is not None:
            if self._open.reserved:
                self._open.cut()
            self._left.append(self._open)
            self._open = None
            self._wake.notify()

    def _poison(self, error: OSError) -> None:
        if self._open is not None:
            self.poisoned += 1
        self.problem = str(self._refusal(error))
        self._seal()

    def _refusal(self, error: OSError) -> StoreError:
        return StoreError(
            f"The prediction log in {self._directory} cannot be written: {error.strerror or error}.",
            cure="Free some room there; calls are still answered.",
        )

    def _keep_synced(self) -> None:
        while not self._closed:
            with self._lock:
                while not self._is_due():
                    self._wait()
            self._take_turn()

    def _is_due(self) -> bool:
        if self._closed or self._queue or self._left or (self._open is not None and self._is_old(self._open)):
            return True
        return self._is_dirty and time.monotonic() >= self._due_s

    def _wait(self) -> None:
        """Until something may be due. An append wakes a syncer that is idle; one that is at work looks by itself."""
        now_s = time.monotonic()
        if self._is_dirty or now_s < self._due_s:
            self._wake.wait(max(0.0, self._due_s - now_s))
            return
        self._is_idle = True
        self._wake.wait(None if self._open is None else max(0.0, self._open.born_s + self._seal_s - now_s))
        self._is_idle = False
        self._due_s = time.monotonic() + _AIM_S

    def _take_turn(self) -> None:
        with self._turn:
            self._round()
            while self._queue:
                self._round()
            self._tell()

    def _tell(self) -> None:
        """Let those go on whose entries are safe."""
        served, self._served = self._served, []
        for item in served:
            item.gate.release()

    def _round(self) -> None:
        """Write what waits as one frame, sync, and let sealed segments go."""
        with self._lock:
            waiting, self._queue = self._queue, []
        refusal: StoreError | None
        try:
            refusal = self._keep(waiting)
        except OSError as error:  # no handle left, say: what was not synced stays due
            refusal = self._refusal(error)
            self.problem, self._is_dirty = str(refusal), True
        self._tell()
        for item in waiting:
            item.refusal = refusal
        self._served = waiting

    def _keep(self, waiting: Sequence[_Waiting]) -> StoreError | None:
        with self._lock:
            refusal = self._put_together(waiting)
            self._is_dirty, self._due_s = False, time.monotonic() + _AIM_S
            if self._open is not None and self._is_old(self._open):
                self._seal()
            held, left = self._open, self._left
            synced = held.taken() if held is not None and held.unsynced else None
            self._left = []
        # Those of the last round wake while the disk works on this one: before, they would take turns from it.
        self._tell()
        for segment in left:
            refusal = self._settle(segment) or refusal
        if synced is not None:
            poisoned = self.poisoned
            refusal = self._settle(synced) or refusal
            if self.poisoned == poisoned:
                self.problem = None
        return refusal

    def _put_together(self, waiting: Sequence[_Waiting]) -> StoreError | None:
        if not waiting:
            return None
        payload = _list_of(sum(item.count for item in waiting)) + b"".join(item.body for item in waiting)
        try:
            try:
                self._put(payload, durable=True)
            except StoreError:
                self._put(payload)  # a segment can go bad while the disk is well: once more, in a new one
        except StoreError as error:
            return error
        return None

    def _settle(self, segment: _Open) -> StoreError | None:
        """Sync and close. What a failed sync leaves on the disk is unknown: all of it is written again elsewhere."""
        try:
            if segment.unsynced:
                self._sync(segment.file)
                if segment.synced == 0:
                    self._sync_directory()  # else a power cut could take the file's name
            return None
        except OSError as error:
            return self._write_again(segment, error)
        finally:
            os.close(segment.file)

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _write_again(self, segment: _Open, error: OSError) -> StoreError | None:
        with self._lock:
            if self._open is not None and self._open.name == segment.name:
                self._seal()
            for left in self._left:
                if left.name == segment.name:
                    # Frames that came in meanwhile lie behind the ones that failed; they go along.
                    segment.unsynced += left.unsynced
                    left.unsynced = []
            self.poisoned += 1
            self.problem = str(self._refusal(error))
            try:
                for payload in segment.unsynced:
                    self._put(payload)
                assert self._open is not None
                self._sync(self._open.file)
            except (OSError, StoreError) as second:
                return second if isinstance(second, StoreError) else self._refusal(second)
            self._open.unsynced, self._open.synced = [], self._open.size
        with contextlib.suppress(OSError):
            os.ftruncate(segment.file, segment.synced)
        return None


def _list_of(count: int) -> bytes:
    """The header of a list in msgpack: github.com/msgpack/msgpack/blob/master/spec.md, "array format family"."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2) if count < 1 << 16 else b"\xdd" + count.to_bytes(4)
