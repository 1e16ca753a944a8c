"""How many connections each worker of a server holds, in a file that they map: who has more than another waits for it.

An account to be polite by, and nothing more: where it is missing or wrong, connections are taken all the same.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from pathlib import Path

FILE = "connections"
CLOSED = 2**62
"""Of a worker that takes none: nobody waits for it."""
AHEAD = 1  # so many more than another has are no lead


class Shares:
    """One worker's own place, and a look at the others'. Whole numbers of eight bytes, each written by one process alone."""

    def __init__(self, cells: memoryview | None = None, place: int = 0) -> None:
        self._cells, self._place = cells, place

    @classmethod
    def of(cls, home: Path, place: int) -> Shares:
        """Those of the server whose supervisor laid them out; of a worker alone where there are none."""
        with contextlib.suppress(OSError, ValueError), (home / FILE).open("r+b") as file:
            cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
            if place < len(cells):
                return cls(cells, place)
        return cls()

    def tell(self, held: int) -> None:
        """How many this worker holds now."""
        if self._cells is not None:
            self._cells[self._place] = held

    def close(self) -> None:
        """This worker takes none any more, whatever it is told after."""
        self.tell(CLOSED)
        self._cells = None

    @property
    def is_ahead(self) -> bool:
        """Whether this worker holds more than another that takes connections too."""
        return self._cells is not None and self._cells[self._place] > min(self._cells) + AHEAD


def lay_out(home: Path, workers: int) -> None:
    """A fresh account, by the supervisor. Those who still map an older one keep that."""
    fresh = home / f".{FILE}"
    with contextlib.suppress(OSError):  # a disk that is full: they take connections as they come
        home.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(struct.pack(f"{workers}q", *[CLOSED] * workers))
        fresh.replace(home / FILE)


def clear(home: Path, place: int) -> None:
    """The worker at this place has died."""
    Shares.of(home, place).close()
