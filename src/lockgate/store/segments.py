"""The prediction log on files: append-only segments, each written by one process, no lock between them.

Light enough for a serving process: what has been compacted into tables is read by `log_union`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lockgate.records.prediction import LogRow
from lockgate.store.frames import Segment, frames, segments_in
from lockgate.store.ports import Cursor
from lockgate.store.segment_writer import SegmentWriter


class SegmentLog:
    """All segments under one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def writer(self) -> SegmentWriter:
        return SegmentWriter(self.directory)

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogRow], Cursor]:
        """Worker by worker, each in the order written."""
        places = Places(cursor)
        return places.read(segments_in(self.directory), limit), places.cursor


class Places:
    """Where a reading stands: by worker, the segment it is in, and of that the rows, frames and bytes already read.

    Rows are what tables know as well, so that a place holds whether its segment has been compacted meanwhile or not.
    """

    def __init__(self, cursor: Cursor | None) -> None:
        self.cursor = dict(cursor or {})

    def of(self, worker: str) -> tuple[int, int]:
        """The segment's number and the rows read of it; (-1, 0) for a worker not seen yet."""
        return self.cursor.get(worker, -1), self.cursor.get(f"{worker} rows", 0)

    def put(self, worker: str, number: int, rows: int, *, frames: int = 0, end: int = 0) -> None:
        self.cursor |= {worker: number, f"{worker} rows": rows, f"{worker} frames": frames, f"{worker} bytes": end}

    def read(self, segments: Sequence[Segment], limit: int | None) -> list[LogRow]:
        """What the files hold behind the places, which move along. Raises FileNotFoundError where one has gone."""
        found: list[LogRow] = []
        for segment in segments:
            number, rows = self.of(segment.worker)
            if number > segment.number:
                continue
            is_here = number == segment.number
            rows = rows if is_here else 0
            done = self.cursor.get(f"{segment.worker} frames", 0) if is_here else 0
            end = self.cursor.get(f"{segment.worker} bytes", 0) if is_here else 0
            if segment.path.stat().st_size <= end:
                continue
            for frame in frames(segment.path, end, done):
                found += frame.entries
                done, rows, end = done + 1, rows + len(frame.entries), frame.end
                self.put(segment.worker, segment.number, rows, frames=done, end=end)
                if limit is not None and len(found) >= limit:
                    return found
        return found
