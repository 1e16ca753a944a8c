"""A fault: what broke, of which column, how urgent it is, the judgement behind it, and the next command."""

from __future__ import annotations

from typing import Literal

import msgspec

from lockgate.decide.faults.hour import Hour
from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.records.alarm import Severity
from lockgate.records.duration import minute
from lockgate.records.evidence import Guarantee
from lockgate.records.profile import Profile
from lockgate.records.record import Record
from lockgate.stats import tails

Kind = Literal[
    "missing",
    "infinite",
    "unseen",
    "type",
    "unit",
    "stuck",
    "constant",
    "zeros",
    "shuffled",
    "late",
    "stale",
    "doubled",
    "silent",
    "contract",
]
SURE = 0.05  # of either end of the share that is drawn
COLUMNS = "lockgate data skew {model}"
STATUS = "lockgate status"


class Fault(Record, frozen=True, kw_only=True):
    """column: empty where it is of the whole stream. next: a command, with {model} in it. fewest: rows that must be seen
    without it before it is over.
    """

    kind: Kind
    column: str
    severity: Severity
    judgement: Judgement
    next: str
    fewest: int

    @property
    def about(self) -> str:
        """What tells its alarm from others of the model."""
        return f"{self.kind} {self.column}".strip()

    @property
    def sentence(self) -> str:
        return self.judgement.sentence


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a test has seen. rows, bad: counted; bar: what is held to be usual, as a rate; log_p: natural log of the chance of
    a false word, or minus that of an e-value; alpha: what it had to fall under, 0 where it is a fact.
    """

    rows: int
    bad: int
    bar: float
    log_p: float
    alpha: float
    method: str
    guarantee: Guarantee = "exact"
    detail: dict[str, float] = {}


def fault(
    kind: Kind,
    column: str,
    hour: Hour,
    found: Found,
    sentence: str,
    *,
    severity: Severity = "ticket",
    following: str = COLUMNS,
    fewest: int = 1,
) -> Fault:
    """sentence: without its end; since when is said here."""
    gate = Gate(
        name=f"{kind} of {column}" if column else kind,
        question="harm",
        claim="broken",
        measure=column or kind,
        method=found.method,
        margin=found.bar,
        alpha=found.alpha,
        guarantee=found.guarantee,
    )
    evidence = Evidence(
        n=(found.rows,),
        events=(found.bad,),
        estimate=found.bad / found.rows if found.rows else 0.0,
        low=tails.lowest(found.rows, found.bad, delta=SURE),
        high=tails.highest(found.rows, found.bad, delta=SURE) if found.rows else 0.0,
        log_e=-found.log_p if found.log_p else None,
        since_s=hour.since_s,
        until_s=hour.until_s,
        detail=found.detail,
    )
    judgement = Judgement(
        ruling=Ruling.FAIL, gate=gate, evidence=evidence, sentence=f"{sentence}; since {minute(hour.since_s)}."
    )
    return Fault(
        kind=kind, column=column, severity=severity, judgement=judgement, next=following, fewest=max(1, fewest)
    )


def urgency(reference: Profile, column: str, *, breaks: bool) -> Severity:
    """A page where answers break and the model is not known to leave the column alone."""
    return "page" if breaks and reference.importance.get(column, 1.0) > 0 else "ticket"


def heard(one: Fault, reference: Profile) -> Fault:
    """A column that the version does not read wakes nobody, unless calls are refused for it; where nobody measured what it
    reads, each is taken to be read.
    """
    inputs = {column.name for column in reference.columns if column.role == "input"}
    is_read = not reference.importance or one.column in reference.importance or one.column not in inputs
    if is_read or one.kind == "contract":
        return one
    said = f"{one.sentence} The champion does not read it, so nobody is called."
    judgement = msgspec.structs.replace(one.judgement, sentence=said)
    return msgspec.structs.replace(one, severity="note", judgement=judgement)


def part(bad: int, rows: int) -> str:
    """Of how many how many: all 52 rows, 12 of 52 rows (23 %)."""
    return f"all {rows:,} rows" if bad == rows else f"{bad:,} of {rows:,} rows ({bad / rows:.1%})"
