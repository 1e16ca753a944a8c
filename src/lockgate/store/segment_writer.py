"""One process's end of the prediction log: buffered or durable, always into a segment of its own.

A buffered append returns after write(), with an fdatasync at most 50 ms behind: a `kill -9` loses nothing, a power cut at
most that. A durable one returns after fdatasync: what queued up while the last one ran goes into one frame. A segment is
sealed at 64 MiB or 60 s; one whose write or sync failed is left for good, and what was not synced is written again in
another, so that nothing is ever written after a torn frame. Where that fails too, the disk is left alone for a while.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.features import many_calls
from lockgate.records.prediction import LogLine, entry_encoder, lines_decoder
from lockgate.store.frames import HEADER, segment_name
from lockgate.store.open_segment import OpenSegment, begin, sync_path

SYNC_EVERY_S = 0.05
SEAL_BYTES = 64 * 2**20
SEAL_S = 60.0
# How long a disk is left alone that refused twice running; doubled each time, up to the second.
PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
# The bytes and the segments that may wait for such a disk to come back; beyond them appends are refused.
MOST_DOUBTFUL, MOST_LEFT = 16 * 2**20, 200
# The timer aims before the 50 ms, for a thread is woken late on a busy machine.
_AIM_S = 0.6 * SYNC_EVERY_S
fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has it not
# Every served call goes through it: looked up once.
_encode = entry_encoder.encode


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
    refusal, None once something was written and synced again; unsafe: by model, the entries that were appended and had
    no place on the disk when the writer was closed.
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
        self._open: OpenSegment | None = None
        self._left: list[OpenSegment] = []
        self._failed: list[OpenSegment] = []  # to be written again; held, so that nobody takes them for sealed
        self._pause_s = self._not_before_s = 0.0
        self._made: list[Path] = []  # folders that may not outlive a power cut yet
        self._queue: list[_Waiting] = []
        self._served: list[_Waiting] = []  # on the disk, and not told yet; whoever has the turn
        self._is_dirty = self._is_idle = self._closed = False
        self._due_s = 0.0
        self.poisoned = 0
        self.problem: str | None = None
        self.unsafe: Mapping[str, int] = {}
        self._syncer = threading.Thread(target=self._keep_synced, name="log-sync", daemon=True)
        self._syncer.start()

    def append(self, entries: Sequence[LogLine], *, durable: bool = False) -> None:
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
        with self._turn:
            failed, self._failed = self._failed, []
            payloads = [payload for segment in failed for payload in segment.unsynced]
            lost = (many_calls.entries(lines_decoder.decode(payload)) for payload in payloads)
            self.unsafe = Counter(entry.model for entries in lost for entry in entries)
            for segment in failed:
                segment.let_go()

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
        for segment in (self._open, *self._left, *self._failed):
            if segment is not None:
                segment.let_go()
        self._open, self._left, self._failed = None, [], []

    def _append_durably(self, entries: Sequence[LogLine]) -> None:
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
        if self._failed and self._is_too_much():
            raise self._standing()
        segment = self._open
        try:
            if segment is None or segment.size >= self._seal_bytes:
                self._seal()
                segment = self._open = self._begin()
            if durable:
                segment.reserve(len(payload) + HEADER.size)
            segment.write(payload)
        except OSError as error:
            self._poison()
            raise self._refused(error) from error

    def _poison(self) -> None:
        if self._open is None:
            return
        self.poisoned += 1
        if self._open.frames:
            self._seal()
        else:  # on a full disk every try begins one
            self._open.remove()
            self._open = None

    def _begin(self) -> OpenSegment:
        if not self._directory.is_dir():
            self._made += [place for place in (self._directory, *self._directory.parents) if not place.exists()]
            self._directory.mkdir(parents=True, exist_ok=True)
        segment = begin(self._directory, segment_name(self._worker, self._number))
        self._number += 1
        return segment

    def _is_too_much(self) -> bool:
        """Whether no more may wait for a disk that takes nothing."""
        doubtful = [one for one in (self._open, *self._left, *self._failed) if one is not None]
        return len(doubtful) > MOST_LEFT or sum(one.doubtful for one in doubtful) > MOST_DOUBTFUL

    def _is_old(self, segment: OpenSegment) -> bool:
        return time.monotonic() - segment.born_s >= self._seal_s

    def _seal(self) -> None:
        """No more frames into this one; it is synced and let go of at the next round."""
        if self._open is not None:
            if self._open.reserved:
                self._open.cut(self._open.size)
            self._left.append(self._open)
            self._open = None
            self._wake.notify()

    def _refused(self, error: OSError) -> StoreError:
        self.problem = f"The prediction log in {self._directory} cannot be written: {error.strerror or error}."
        return self._standing()

    def _standing(self) -> StoreError:
        """The refusal that the disk last answered with."""
        return StoreError(self.problem or "", cure="Free some room there; calls are still answered.")

    def _keep_synced(self) -> None:
        while not self._closed:
            with self._lock:
                while not self._is_due():
                    self._wait()
            self._take_turn()

    def _is_due(self) -> bool:
        if self._closed or self._queue:
            return True
        if time.monotonic() < self._not_before_s:
            return False
        if self._left or self._failed or (self._open is not None and self._is_old(self._open)):
            return True
        return self._is_dirty and time.monotonic() >= self._due_s

    def _wait(self) -> None:
        """Until something may be due. An append wakes a syncer that is idle; one that is at work looks by itself."""
        now_s = time.monotonic()
        if now_s < self._not_before_s:
            self._wake.wait(self._not_before_s - now_s)
            return
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
            refusal, self._is_dirty = self._refused(error), True
        self._tell()
        for item in waiting:
            item.refusal = refusal
        self._served = waiting

    def _keep(self, waiting: Sequence[_Waiting]) -> StoreError | None:
        # What failed goes first: while the disk takes nothing, nothing else is begun on it.
        if self._failed and not self._recover() and not self._closed:
            return self._standing()
        payload = _joined(waiting)
        with self._lock:
            refusal = self._put_waiting(payload) if waiting else None
            self._is_dirty, self._due_s = False, time.monotonic() + _AIM_S
            if self._open is not None and self._is_old(self._open):
                self._seal()
            held = self._open
            synced = held.taken() if held is not None and held.unsynced else None
            left, self._left = self._left, []
        # Those of the last round wake while the disk works on this one: before, they would take turns from it.
        self._tell()
        for segment in left if synced is None else (*left, synced):
            self._settle(segment)
        if not self._failed:
            if synced is not None:
                self.problem = None
            return refusal
        return refusal if self._recover() else self._given_up(payload) or refusal

    def _put_waiting(self, payload: bytes) -> StoreError | None:
        try:
            try:
                self._put(payload, durable=True)
            except StoreError:
                self._put(payload)  # a segment can go bad while the disk is well: once more, in a new one
        except StoreError as error:
            return error
        return None

    def _settle(self, segment: OpenSegment) -> None:
        """Sync and close. What a failed sync leaves on the disk is unknown: all of it is to be written again."""
        try:
            if segment.unsynced:
                self._sync(segment.file)
                if segment.synced == 0:
                    self._sync_folders()  # else a power cut could take the file's name
        except OSError as error:
            self._fail(segment, error)
        else:
            segment.let_go()

    def _sync_folders(self) -> None:
        sync_path(self._directory)
        while self._made:
            sync_path(self._made[-1].parent)
            self._made.pop()

    def _fail(self, segment: OpenSegment, error: OSError) -> None:
        with self._lock:
            # A later sync of the same file may say that all is well: nothing more goes into it, nor is it asked again.
            if self._open is not None and self._open.path == segment.path:
                self._seal()
            for left in self._left:
                if left.path == segment.path:
                    segment.unsynced += left.unsynced
                    segment.size = left.size
                    left.let_go()
            self._left = [left for left in self._left if left.path != segment.path]
            self._failed.append(segment)
            self.poisoned += 1
            self._refused(error)

    def _recover(self) -> bool:
        """Write all that is not safe into a fresh segment, and cut it off them once that is safe under its name."""
        now_s = time.monotonic()
        if now_s < self._not_before_s and not self._closed:
            return False
        fresh: OpenSegment | None = None
        try:
            with self._lock:
                # All there is, in the order it came; what comes from now on goes behind it. A reader who has seen that
                # comes back to no earlier segment.
                self._seal()
                doubtful = sorted((*self._failed, *self._left), key=lambda segment: segment.path)
                fresh = self._begin()
                for segment in doubtful:
                    for payload in segment.unsynced:
                        fresh.write(payload)
            self._sync(fresh.file)
            self._sync_folders()
        except OSError as error:
            if fresh is not None:
                fresh.remove()
            self._refused(error)
            self._pause_s = min(max(2 * self._pause_s, PAUSE_S), LONGEST_PAUSE_S)
            self._not_before_s = time.monotonic() + self._pause_s
            return False
        for segment in doubtful:
            segment.keep_synced()
        fresh.let_go()
        with self._lock:
            self._left = [segment for segment in self._left if segment not in doubtful]
            self._failed, self._pause_s, self._not_before_s, self.problem = [], 0.0, 0.0, None
        return True

    def _given_up(self, payload: bytes) -> StoreError | None:
        """The refusal for those who wait for it, where the disk did not take it: they keep it themselves."""
        for segment in self._failed:
            kept = [one for one in segment.unsynced if one is not payload]
            if len(kept) == len(segment.unsynced):
                continue
            segment.unsynced = kept
            if not kept:
                self._failed = [one for one in self._failed if one is not segment]
                segment.keep_synced()
            return self._standing()
        return None


def _joined(waiting: Sequence[_Waiting]) -> bytes:
    return _list_of(sum(item.count for item in waiting)) + b"".join(item.body for item in waiting)


def _list_of(count: int) -> bytes:
    """The header of a list in msgpack: github.com/msgpack/msgpack/blob/master/spec.md, "array format family"."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2) if count < 1 << 16 else b"\xdd" + count.to_bytes(4)
