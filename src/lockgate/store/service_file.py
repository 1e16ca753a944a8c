"""How one host's service does, as its control process saw it last: a small file, replaced whole. A record in a database that
several hosts share would be the last one's alone.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records.record import decode, encode
from lockgate.records.service import Service

FILE = "service.json"
FRESH_S = 30.0
"""Older than this it says how things were, not how they are."""


def write(home: Path, found: Service | None) -> None:
    """None takes it away: nobody serves. Raises StoreError where the disk refuses."""
    file = home / FILE
    fresh = home / f".{FILE}.{secrets.token_hex(4)}"
    try:
        if found is None:
            file.unlink(missing_ok=True)
            return
        fresh.write_bytes(encode(found))
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StoreError(f"{file} cannot be written: {error.strerror}.", cure="Free some room.") from error


def read(home: Path, *, now_s: float) -> Service | None:
    """None where nobody serves, or nobody has said how for a while."""
    try:
        found = decode(Service, (home / FILE).read_bytes())
    except (OSError, StoreError):
        return None
    return found if abs(now_s - found.at_s) <= FRESH_S else None
