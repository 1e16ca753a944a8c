"""Claims, gates, evidence and verdicts. Times are seconds since 1970, UTC."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from lockgate.records.policy import Look
from lockgate.records.record import Record
from lockgate.records.slice import Slice

# Raised whenever the same records would give other bits: a verdict is replayed by the engine that gave it, or not at all.
ENGINE = 2


class Ruling(StrEnum):
    PASS = "pass"
    UNDECIDED = "undecided"
    VOID = "void"
    FAIL = "fail"


Claim = Literal["better", "not worse", "safe", "harmful", "degraded", "drifted", "skewed", "broken"]
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

    estimate, low, high: the difference (challenger minus champion, positive is worse), or the ratio of rates where a
    policy watched one, and its interval where the method has one. log_e, log_e_other: natural log of the e-values for the
    claim, and for the opposite one. n, events: calls and failures per arm, champion first; exposure: calls that the
    challenger answered; extra_events: how many more of them failed than at the champion's rate. blocks: days counted.
    path, looks: the evidence as it grew, for the drawing. shares: the challenger's shares and the calls under each.
    forecast: calls, or blocks, that the plan foretold. horizon_s: how old a call was before it counted; late: calls that
    came behind the watermark and were left out. slices: named parts of the
    rows. digest: of the data, in canonical order. detail: further named figures.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    log_e: float | None = None
    log_e_other: float | None = None
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
    looks: tuple[Look, ...] = ()
    shares: tuple[tuple[float, int], ...] = ()
    exposure: int = 0
    extra_events: float | None = None
    forecast: float | None = None
    horizon_s: float | None = None
    late: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    digest: str = ""
    engine: int = ENGINE
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

    @property
    def move(self) -> Literal["roll_back", "promote", "hold"]:
        """What the traffic should do on it: undecided and void evidence moves nothing."""
        moves: dict[Ruling, Literal["roll_back", "promote"]] = {Ruling.FAIL: "roll_back", Ruling.PASS: "promote"}
        return moves.get(self.ruling, "hold")
