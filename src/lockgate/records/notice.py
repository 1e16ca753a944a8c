"""A notice: one sentence for a person, with the command to run next. It says what the ledger holds, and adds nothing."""

from __future__ import annotations

from lockgate.records.alarm import Severity
from lockgate.records.record import Record


class Notice(Record, frozen=True, kw_only=True):
    """id: of what it tells, a move, verdict, alarm or override: told again it is the same notice. severity: "page" wakes
    somebody. Times: at_s event time, written_s wall time, seconds since 1970.
    """

    id: str
    model: str
    kind: str
    severity: Severity
    sentence: str
    next: str
    at_s: float
    written_s: float
    schema: int = 1
