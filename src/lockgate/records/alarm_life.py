"""How the alarms of one cause stand, and what a person says of one."""

from __future__ import annotations

import hashlib

from lockgate.errors import SpecError
from lockgate.records.alarm import Cause, Severity
from lockgate.records.record import Record


class Acknowledgement(Record, frozen=True, kw_only=True):
    """That a person has seen an alarm and wants to hear no more of it; written once, in the ledger.

    until_s: wall time until when it is snoozed, seconds since 1970; None for as long as it lasts. at_s: event time;
    written_s: wall time. Raises SpecError without a name or a reason.
    """

    id: str
    model: str
    alarm: str
    by: str
    reason: str
    until_s: float | None
    at_s: float
    written_s: float
    schema: int = 1

    def __post_init__(self) -> None:
        for name, value in (("name", self.by), ("reason", self.reason)):
            if not value.strip():
                raise SpecError(
                    f"To answer the alarm {self.alarm} takes a {name}.",
                    cure="Say why: --reason '...'; it is written into the ledger." if name == "reason" else "Say who.",
                )


class AlarmLife(Record, frozen=True, kw_only=True):
    """The last alarm of one cause: there is one record of a cause, and its next alarm replaces it.

    id: of the alarm that opened it. severity, sentence, next: as a person was told last. times: how often it was raised
    since it opened. since_s, last_s, until_s: when it opened, was raised last, and was over, as its alarms say it; None
    while it lasts. acknowledged: what a person said of it, None where it may be told again.
    """

    id: str
    model: str
    cause: Cause
    about: str
    version: str | None
    severity: Severity
    sentence: str
    next: str
    since_s: float
    last_s: float
    until_s: float | None = None
    times: int = 1
    acknowledged: Acknowledgement | None = None
    schema: int = 1

    @property
    def is_open(self) -> bool:
        return self.until_s is None

    @property
    def key(self) -> str:
        return cause_key(self.model, self.cause, self.about)


def cause_key(model: str, cause: str, about: str) -> str:
    """What tells the causes of alarms apart; columns have names of any length."""
    return hashlib.blake2b(f"{model}\x1f{cause}\x1f{about}".encode(), digest_size=16).hexdigest()


def acknowledgement_id(alarm: str, by: str, now_s: float) -> str:
    return f"k{hashlib.blake2b(f'{alarm}/{by}/{now_s!r}'.encode(), digest_size=4).hexdigest()}"
