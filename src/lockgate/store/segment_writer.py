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
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records.prediction import LogEntry, entry_encoder
from lockgate.store.frames import SUFFIX, pack, segment_name

SYNC_EVERY_S = 0.05
SEAL_BYTES = 64 * 2**20
SEAL_S = 60.0
# The timer aims before the 50 ms, for a thread is woken late on a busy machine.
_AIM_S = 0.6 * SYNC_EVERY_S
fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(slots=True)
class _Open:
    """A segment being written. synced: its bytes that are on the disk for certain; unsynced: the payloads behind them."""

    file: int
    name: str
    born_s: float
    frames: int = 0
    size: int = 0
    synced: int = 0
    unsynced: list[bytes] = field(default_factory=list[bytes])

    def write(self, payload: bytes) -> None:
        """Raises OSError; a frame that was begun is cut off again where the disk lets us."""
        frame = pack(self.name, self.frames, payload)
        view = memoryview(frame)
        try:
            while view:
                view = view[os.write(self.file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.file, self.size)
            raise
        self.frames += 1
        self.size += len(frame)
        self.unsynced.append(payload)


@dataclass(slots=True)
class _Waiting:
    """An append that waits for the disk. body: its entries in msgpack, without the header of the list."""

    count: int
    body: bytes
    done: Future[None] = field(default_factory=Future[None])


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
        self._wake = threading.Condition()
        self._turn = threading.Lock()  # whoever syncs; always taken before the other
        self._open: _Open | None = None
        self._left: list[_Open] = []
        self._queue: list[_Waiting] = []
        self._dirty_at: float | None = None
        self._closed = False
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
        payload = entry_encoder.encode(list(entries))
        with self._wake:
            self._put(payload)
            if self._dirty_at is None:
                self._dirty_at = time.monotonic()
                self._wake.notify()

    def close(self) -> None:
        """Sync and seal. Entries appended later open a new segment."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._syncer.join(timeout=5)
        with self._wake:
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
        waiting = _Waiting(len(entries), entry_encoder.encode(list(entries))[len(_list_of(len(entries))) :])
        with self._wake:
            self._queue.append(waiting)
        # Alone, a caller syncs for itself: two wake-ups of a thread can take longer than the disk.
        if self._turn.acquire(blocking=False):
            try:
                self._round()
            finally:
                self._turn.release()
        elif self._closed:
            self._take_turn()
        with self._wake:
            if self._queue:
                self._wake.notify()
        waiting.done.result()

    def _put(self, payload: bytes) -> None:
        """One frame into the open segment, or a new one. Under the lock."""
        if self._open is not None and (self._open.size >= self._seal_bytes or self._is_old(self._open)):
            self._seal()
        try:
            if self._open is None:
                self._open = self._begin()
            self._open.write(payload)
        except OSError as error:
            self._poison(error)
            raise self._refusal(error) from error

    def _begin(self) -> _Open:
        """Locked before it has its name: a segment that can be seen without its lock is sealed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        name = segment_name(self._worker, self._number)
        new = self._directory / f"{name}.new"
        file = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(new.with_suffix(SUFFIX))
        except OSError:
            os.close(file)
            raise
        self._number += 1
        return _Open(file, name, time.monotonic())

    def _is_old(self, segment: _Open) -> bool:
        return time.monotonic() - segment.born_s >= self._seal_s

    def _seal(self) -> None:
        """No more frames into this one; it is synced and let go of at the next round."""
        if self._open is not None:
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
            with self._wake:
                while not self._is_due():
                    self._wake.wait(self._patience_s())
            self._take_turn()

    def _is_due(self) -> bool:
        if self._closed or self._queue or self._left or (self._open is not None and self._is_old(self._open)):
            return True
        return self._dirty_at is not None and time.monotonic() - self._dirty_at >= _AIM_S

    def _patience_s(self) -> float | None:
        """Until something is due that no append announces."""
        if self._dirty_at is not None:
            return max(0.0, self._dirty_at + _AIM_S - time.monotonic())
        if self._open is not None:
            return max(0.0, self._open.born_s + self._seal_s - time.monotonic())
        return None

    def _take_turn(self) -> None:
        with self._turn:
            self._round()

    def _round(self) -> None:
        """Write what waits as one frame, sync, let sealed segments go, and tell those who wait."""
        with self._wake:
            waiting, self._queue = self._queue, []
        refusal: StoreError | None
        try:
            refusal = self._keep(waiting)
        except OSError as error:  # no handle left, say: what was not synced stays due
            refusal = self._refusal(error)
            self.problem, self._dirty_at = str(refusal), time.monotonic()
        for item in waiting:
            item.done.set_exception(refusal) if refusal else item.done.set_result(None)

    def _keep(self, waiting: Sequence[_Waiting]) -> StoreError | None:
        with self._wake:
            refusal = self._put_together(waiting)
            self._dirty_at = None
            if self._open is not None and self._is_old(self._open):
                self._seal()
            synced, left = self._sync_held(), self._left
            self._left = []
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
                self._put(payload)
            except StoreError:
                self._put(payload)  # a segment can go bad while the disk is well: once more, in a new one
        except StoreError as error:
            return error
        return None

    def _sync_held(self) -> _Open | None:
        """The open segment as it is now, under a handle of its own, so that appends go on while it is synced."""
        held = self._open
        if held is None or not held.unsynced:
            return None
        taken = _Open(os.dup(held.file), held.name, held.born_s, held.frames, held.size, held.synced, held.unsynced)
        held.unsynced, held.synced = [], held.size
        return taken

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
        with self._wake:
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
