"""One writer at a time, across the processes of one machine: a lock on a folder, which leaves no file behind and which the
kernel drops with its holder.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lockgate.errors import Conflict, StoreError

WAIT_S = 300.0
_LOOK_AGAIN_S = 0.05


@contextmanager
def turn(folder: Path, what: str, *, wait_s: float = WAIT_S) -> Generator[None]:
    """Wait for the turn and hold it. Raises Conflict where another process still holds it after `wait_s`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{folder} cannot be opened: {error.strerror}.", cure="Free some room there.") from error
    try:
        give_up = time.monotonic() + wait_s
        while not _locked(place):
            if time.monotonic() > give_up:
                raise Conflict(
                    f"Another process has been at {what} for {wait_s:.0f} s.", cure="Wait for it to end, or end it."
                )
            time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        os.close(place)


def _locked(place: int) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
