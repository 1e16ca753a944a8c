"""A guard's end of the workspace's prediction log: one writer for each process and workspace, opened at the first entry."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records import LogSpec
from lockgate.records.prediction import LogEntry
from lockgate.serve.logbook import Logbook
from lockgate.store.log_notices import NOTICES, NoticeFile
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.serving_file import ServingFile

TELL_EVERY_S = 60.0
LOOK_S = 0.5
_log = logging.getLogger("lockgate.guard")


class GuardLog:
    """The log of one workspace as one process writes it; guards of the same workspace share it."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "log"
        self._home = home
        self._lock = threading.Lock()
        self._writer: SegmentWriter | None = None
        self._book: Logbook | None = None
        self._teller: NoticeFile | None = None
        self._stop = threading.Event()
        self._durable: frozenset[str] = frozenset()
        self._unwritable = 0
        self._tell_at_s = 0.0

    @property
    def spilled(self) -> int:
        """Entries that wait in memory for a disk that refused."""
        return self._book.spilled if self._book else 0

    @property
    def dropped(self) -> int:
        """Entries that were lost, since this process began."""
        return (self._book.dropped if self._book else 0) + self._unwritable

    @property
    def problem(self) -> str | None:
        """Why the disk last refused; None while it takes what it is given."""
        return self._book.problem if self._book else None

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Never raises: what the disk refuses waits, up to a bound, and is counted beyond it."""
        try:
            (self._book or self._opened()).append(entries)
        except Exception:  # noqa: BLE001
            # An answer is there already, and what became of its record must not take it back.
            self._unwritable += len(entries)
            self._tell("An entry could not be written into the prediction log.", is_error=True)
            return
        if self._book is not None and self._book.spilled:
            self._tell(f"{self.problem} {self.spilled} entries wait, {self.dropped} were dropped.")

    async def append_async(self, entries: Sequence[LogEntry]) -> None:
        """The same; a model whose log is durable waits for the disk in a thread."""
        try:
            if self._book is None:
                self._opened()
            if self._durable and any(entry.model in self._durable for entry in entries):
                await asyncio.to_thread(self.append, entries)
                return
        except Exception:  # noqa: BLE001 - no segment or no thread to be had: it is tried here, and counted where it fails
            self._tell("The prediction log could not be opened, or no thread for it.", is_error=True)
        self.append(entries)

    def close(self) -> None:
        """One last try for what waits; the segment is sealed. An entry that comes later opens another."""
        with self._lock:
            book, self._book, self._writer, self._teller = self._book, None, None, None
            self._stop.set()
        if book is not None:
            book.close()

    def _opened(self) -> Logbook:
        with self._lock:
            if self._book is None:
                modes = self._modes()
                self._durable = frozenset(name for name, mode in modes.items() if mode.mode == "durable")
                self._writer = SegmentWriter(self.directory)
                self._teller, self._stop = NoticeFile(self._home / NOTICES), threading.Event()
                self._book = Logbook(self._writer, modes=modes, teller=self._teller)
                look = threading.Thread(target=_look, args=(self._book, self._stop), name="log-look", daemon=True)
                look.start()
            return self._book

    def _modes(self) -> dict[str, LogSpec]:
        """As lockgate.toml says; buffered where that cannot be known, for an entry in time is worth more."""
        try:
            return {name: serving.log for name, serving in ServingFile(self._home).read().items()}
        except StoreError as error:
            self._tell(f"{error} Every model is logged buffered.")
            return {}

    def _tell(self, problem: str, *, is_error: bool = False) -> None:
        if time.monotonic() >= self._tell_at_s:
            self._tell_at_s = time.monotonic() + TELL_EVERY_S
            _log.warning("%s", problem, exc_info=is_error)

    def before_fork(self) -> None:
        self._lock.acquire()
        if self._writer is not None:
            self._writer.hold()

    def after_fork_in_parent(self) -> None:
        if self._writer is not None:
            self._writer.let_go()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """The segment is the parent's; so is what waits in memory, which the parent writes."""
        if self._writer is not None:
            self._writer.leave()
        if self._teller is not None:
            self._teller.leave()
        self._lock = threading.Lock()
        self._book = self._writer = self._teller = None
        self._unwritable = 0


def _look(book: Logbook, stop: threading.Event) -> None:
    """What waits is tried again and told while no call comes."""
    while not stop.wait(LOOK_S):
        try:
            book.look()
        except Exception:  # noqa: BLE001 - what waits is tried again at the next
            _log.exception("The prediction log could not be looked at.")


_logs: dict[Path, GuardLog] = {}
_held: list[GuardLog] = []  # while a fork is under way
_forking = threading.Lock()  # one thread at a time: two would hold half of the logs each


def log_of(home: Path) -> GuardLog:
    """This process's log of a workspace, by its `.lockgate` folder; closed when the process exits."""
    return _logs.setdefault(home.resolve(), GuardLog(home.resolve()))


def _before_fork() -> None:
    _forking.acquire()
    _held[:] = _logs.values()
    for log in _held:
        log.before_fork()


def _after_fork_in_parent() -> None:
    for log in _held:
        log.after_fork_in_parent()
    _held.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking  # noqa: PLW0603 - a lock that was taken by a thread of the parent's is of no use here
    for log in _held:
        log.after_fork_in_child()
    _held.clear()
    _forking = threading.Lock()


def _close() -> None:
    for log in _logs.values():
        log.close()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
