"""How each process's end of the prediction log is, as a small file per process that the loop reads.

The file takes its one page when the process starts and is written in place from then on, for the moment in which there is
most to tell is the one in which the disk is full. A checksum tells a reader that came in the middle. The writer holds an
advisory lock on it: what is found unlocked was left by a process that has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import struct
import time
from collections.abc import Collection
from pathlib import Path
from zlib import crc32

from lockgate.errors import StoreError
from lockgate.records import decode, encode
from lockgate.records.log_trouble import TOGETHER, LogNotice
from lockgate.store.ports import Told

NOTICES = "notices"
PAGE = 4096
SUFFIX = ".notice"
_HEADER = struct.Struct("<II")
_TRIES = 5


class NoticeFile:
    """One process's own. A disk that refuses to make the file is asked again each time."""

    def __init__(self, directory: Path) -> None:
        self.process = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}"
        self._path = directory / f"{self.process}{SUFFIX}"
        self._file: int | None = None
        self._is_well = True
        self._is_closed = False
        self.tell(LogNotice(process=self.process, pid=os.getpid()))

    def tell(self, notice: LogNotice) -> bool:
        if self._is_closed:
            return False
        try:
            if self._file is None:
                self._file = self._made(_page(notice))
            else:
                os.pwrite(self._file, _page(notice), 0)
        except OSError:
            return False
        self._is_well = notice.is_well
        return True

    def close(self) -> None:
        if self._file is not None and self._is_well:
            self._path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """After a fork, in the child: the file is the parent's, and would stay locked for as long as the child lives."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._is_closed = None, True

    def _made(self, page: bytes) -> int:
        """Locked and written before it has its name."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(file, page, 0)
            new.rename(self._path)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        return file


class NoticeFiles:
    """Those of all processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> list[Told]:
        found = (_read(path) for path in sorted(self._directory.glob(f"*{SUFFIX}")))
        return [told for told in found if told is not None]

    def forget(self, processes: Collection[str]) -> None:
        for process in processes:
            (self._directory / f"{process}{SUFFIX}").unlink(missing_ok=True)


def _page(notice: LogNotice) -> bytes:
    """As long as the file, whatever it says: with very many models their counts are put together."""
    body = encode(notice)
    if len(body) > PAGE - _HEADER.size:
        together = {name: {TOGETHER: sum(getattr(notice, name).values())} for name in ("waiting", "dropped")}
        problem = notice.problem and notice.problem[:1000]
        body = encode(
            LogNotice(
                process=notice.process,
                pid=notice.pid,
                poisoned=notice.poisoned,
                problem=problem,
                since_s=notice.since_s,
                **together,
            )
        )
    return (_HEADER.pack(len(body), crc32(body)) + body).ljust(PAGE, b"\0")


def _read(path: Path) -> Told | None:
    """None where it has gone, or is no notice."""
    try:
        with path.open("rb") as file:
            is_gone = _is_unlocked(file.fileno())
            for _ in range(_TRIES):
                page = os.pread(file.fileno(), PAGE, 0)
                size, checksum = _HEADER.unpack_from(page.ljust(_HEADER.size, b"\0"))
                body = page[_HEADER.size : _HEADER.size + size]
                if body and crc32(body) == checksum:
                    return Told(decode(LogNotice, body), is_gone)
                time.sleep(0.001)
    except (OSError, StoreError):
        return None
    return None


def _is_unlocked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
