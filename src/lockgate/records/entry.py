"""The ledger's link: verdicts, moves, alarms and what persons say of them, spends, overrides and drills, each naming the one
before.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from lockgate.records.record import Record

EntryKind = Literal["verdict", "move", "alarm", "spend", "override", "drill", "acknowledgement"]
GENESIS = "0" * 64


class Entry(Record, frozen=True, kw_only=True):
    """Entry `number` (from 1) of a workspace's ledger. digest = SHA-256 over (previous, number, kind, subject, body)."""

    number: int
    previous: str
    digest: str
    kind: EntryKind
    model: str
    subject: str
    body: str
    written_s: float


def link(previous: str, number: int, kind: str, subject: str, body: str) -> str:
    """The digest of an entry: changing any earlier entry changes every later digest."""
    joined = "\n".join((previous, str(number), kind, subject, body))
    return hashlib.sha256(joined.encode()).hexdigest()
