"""Claims, gates, evidence and verdicts. Times are seconds since 1970, UTC."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from lockgate.records.record import Record


class Ruling(StrEnum):
    PASS = "pass"
    UNDECIDED = "undecided"
    VOID = "void"
    FAIL = "fail"


Claim = Literal["better", "not worse", "safe", "harmful", "degraded", "drifted"]
Question = Literal["harm", "worth"]
Guarantee = Literal["exact", "calibrated", "not measured"]


class Gate(Record, frozen=True, kw_only=True):
    """A claim, its alpha, and what it is about.

    margin: the difference that does not matter, in the metric's own units, or as a ratio where `measure` counts
    failures. alpha: None where no test has measured the error rate of the method yet; the verdict then says so.
    """

    name: str
    question: Question
    claim: Claim
    measure: str
    method: str
    margin: float
    alpha: float | None
    guarantee: Guarantee


class Evidence(Record, frozen=True, kw_only=True):
    """What a verdict rests on; enough to recompute it.

    estimate, low, high: the difference (challenger minus champion, positive is worse) and its interval where the method
    has one. log_e: natural log of the e-value for the claim. n, events: calls and failures per arm, champion first.
    blocks: days counted. path: log e after each look, for the drawing. detail: further named figures.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    log_e: float | None = None
    n: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    blocks: int = 0
    block: str = ""
    design_effect: float | None = None
    lag1: float | None = None
    coverage: float | None = None
    since_s: float | None = None
    until_s: float | None = None
    path: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    history: tuple[float, ...] = ()
    detail: dict[str, float] = {}


class Verdict(Record, frozen=True, kw_only=True):
    """A ruling with its gate, evidence, time and reason; written once.

    at_s: event time of the evidence; written_s: wall time. sentence: for a person. subject: what was judged, versions'
    ids or a column. rollout: the rollout it guards, None for an offline gate or a monitor.
    """

    id: str
    model: str
    ruling: Ruling
    gate: Gate
    evidence: Evidence
    subject: tuple[str, ...]
    sentence: str
    at_s: float
    written_s: float
    rollout: str | None = None
    schema: int = 1
