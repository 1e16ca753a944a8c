"""Segments as files: their names, their frames, and how a reader knows that nobody writes to one any longer.

A frame is magic, length, crc32 seeded by the segment's name and the frame's number, and its entries in msgpack. A writer
holds an advisory lock on the segment it writes, which the kernel drops with the process: unlocked is sealed. Room that a
writer had reserved and not used reads as zeros behind the last frame. An undamaged entry that this Lockgate cannot read,
a newer one's say, is passed over and counted: it stops nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from lockgate.features import many_calls
from lockgate.records.prediction import LogLine, LogRow, lines_decoder

MAGIC = b"LGF1"
HEADER = struct.Struct("<4sII")
SUFFIX = ".seg"
_NAME = re.compile(r"(.+)-(\d{8})")
_parts_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_line_decoder: msgspec.msgpack.Decoder[LogLine] = msgspec.msgpack.Decoder(LogLine)
_UNREADABLE = (msgspec.DecodeError, RecursionError)


class Segment(NamedTuple):
    """Segments sort in the order their writers began, then as each writer filled them. worker: one writer's own name."""

    worker: str
    number: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem


class Frame(NamedTuple):
    """end: the byte behind it; unread: how many entries it holds besides that are none this Lockgate knows."""

    entries: list[LogRow]
    end: int
    unread: int = 0


def segment_name(worker: str, number: int) -> str:
    return f"{worker}-{number:08d}"


def began_at_s(name: str) -> float | None:
    """When a segment's writer began, which its name starts with; None for a name of another form."""
    began = name.partition("-")[0]
    return int(began) / 1e9 if len(began) == 20 and began.isdigit() else None


def segment_at(path: Path) -> Segment:
    """A name of another form is a worker's only segment."""
    found = _NAME.fullmatch(path.stem)
    return Segment(found[1], int(found[2]), path) if found else Segment(path.stem, 0, path)


def segments_in(directory: Path) -> list[Segment]:
    return sorted(segment_at(path) for path in directory.glob(f"*{SUFFIX}"))


def is_sealed(path: Path) -> bool:
    """Whether no writer holds the segment. Raises FileNotFoundError where it has gone."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def seed(name: str) -> int:
    """What the checksums of a segment's frames begin from: a frame of another segment does not fit."""
    return crc32(f"{name}{SUFFIX}:".encode())


def pack(seed: int, number: int, payload: bytes) -> bytes:
    return HEADER.pack(MAGIC, len(payload), crc32(payload, crc32(b"%d" % number, seed))) + payload


def frames(path: Path, at: int = 0, number: int = 0) -> Iterator[Frame]:
    """Whole, undamaged frames from byte `at`, where frame `number` begins; ends at the first that is neither."""
    own = seed(path.stem)
    with path.open("rb") as file:
        file.seek(at)
        while len(header := file.read(HEADER.size)) == HEADER.size:
            magic, size, checksum = HEADER.unpack(header)
            if magic != MAGIC:
                return
            payload = file.read(size)
            if len(payload) < size or crc32(payload, crc32(b"%d" % number, own)) != checksum:
                return
            at += HEADER.size + size
            number += 1
            entries, unread = _entries(payload)
            yield Frame(entries, at, unread)


def _entries(payload: bytes) -> tuple[list[LogRow], int]:
    """What can be read, and how many cannot; a payload that is no list at all counts as one."""
    with contextlib.suppress(*_UNREADABLE):
        return list(many_calls.entries(lines_decoder.decode(payload))), 0
    found: list[LogRow] = []
    parts: list[msgspec.Raw] = []
    with contextlib.suppress(*_UNREADABLE):
        parts = _parts_decoder.decode(payload)
    unread = 0
    for part in parts:
        try:
            found += many_calls.entries([_line_decoder.decode(part)])
        except _UNREADABLE:
            unread += 1
    return found, max(unread, 1)


def torn_bytes(path: Path, end: int) -> int:
    """How much was written behind the last whole frame, which ends at byte `end`; room only reserved does not count."""
    with path.open("rb") as file:
        file.seek(end)
        return len(file.read().rstrip(b"\0"))
