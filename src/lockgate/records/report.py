"""A report: what was found out about one model on one table, before anybody trusts it with traffic."""

from __future__ import annotations

from typing import Literal

from lockgate.records.contract import Contract
from lockgate.records.evidence import Ruling, Verdict
from lockgate.records.record import Record
from lockgate.records.slice import Slice
from lockgate.records.spec import Task
from lockgate.records.version import Benchmark, Library, Parity

Grade = Literal["stop", "warn", "note"]
FindingKind = Literal[
    "leak",
    "future_column",
    "duplicates",
    "shift",
    "contract",
    "calibration",
    "library",
    "unseen_class",
    "missing_column",
    "identifier",
    "constant",
    "slice",
    "baseline",
    "rows",
]


class Score(Record, frozen=True, kw_only=True):
    """A metric on the tested rows with both ends of its interval at 95 %; None where rows cannot give one."""

    metric: str
    value: float
    low: float | None
    high: float | None
    direction: Literal["up", "down"]
    method: str


class Alternative(Record, frozen=True, kw_only=True):
    metric: str
    reason: str


class Proposal(Record, frozen=True, kw_only=True):
    """The metric to judge by, why, and what else would make sense; is_asked: a person named it."""

    metric: str
    reason: str
    is_asked: bool
    alternatives: tuple[Alternative, ...]


class Rival(Record, frozen=True, kw_only=True):
    """A baseline on the same rows. what: how it answers, in words; verdict: the model against it."""

    name: str
    what: str
    scores: tuple[Score, ...]
    verdict: Verdict


class Bin(Record, frozen=True, kw_only=True):
    """One bin of the calibration curve: rows, their mean prediction, and what came true, with its 95 % interval."""

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


class CurvePoint(Record, frozen=True, kw_only=True):
    """The metric's loss on the held-out rows after training on so many rows."""

    rows: int
    loss: float


class SliceLoss(Record, frozen=True, kw_only=True):
    """The model's own mean loss on one slice, with its 95 % interval."""

    column: str
    level: str
    rows: int
    loss: float
    low: float
    high: float


class Finding(Record, frozen=True, kw_only=True):
    """Something a person should know. grade: "stop", the figures cannot be trusted; "warn", look before you go on; "note"."""

    kind: FindingKind
    grade: Grade
    sentence: str
    cure: str = ""
    column: str | None = None


class Report(Record, frozen=True, kw_only=True):
    """ruling: pass where the model is shown better than `best`, the best baseline; fail where it is not even ahead of it;
    undecided between; void where a finding of grade "stop" says that the figures cannot be trusted. rows: of the table;
    tested: those the figures rest on; split: which they are, in words.
    by: what was taken as independent (row, day, a column). slice_metric: the loss that slices are read in; slices: the
    model against `best`, weakest: where its own loss is highest. next: what to do, most urgent first.
    """

    name: str
    task: Task
    target: str
    classes: tuple[str, ...]
    format: str
    library: Library | None
    rows: int
    tested: int
    split: str
    by: str
    proposal: Proposal
    scores: tuple[Score, ...]
    rivals: tuple[Rival, ...]
    best: str
    ruling: Ruling
    sentence: str
    slices: tuple[Slice, ...] = ()
    slice_metric: str = ""
    weakest: tuple[SliceLoss, ...] = ()
    calibration: tuple[Bin, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    benchmark: Benchmark | None = None
    parity: Parity | None = None
    findings: tuple[Finding, ...] = ()
    contract: Contract | None = None
    next: tuple[str, ...] = ()
    schema: int = 1
