"""Skew: what a logged call was answered from, or with, that the table path has otherwise."""

from __future__ import annotations

from typing import Literal

from lockgate.records.evidence import Ruling
from lockgate.records.prediction import Scalar
from lockgate.records.record import Record

SkewKind = Literal["answer", "feature", "column"]


class Skewed(Record, frozen=True, kw_only=True):
    """One thing that differs. kind: a version's answer, one of the features it is given, or a column of the calls beside a
    table's. calls: compared; differ: how many of them differ; first: the earliest call that does, with what was logged of it
    and what the table path says. largest: the largest difference of numbers, None of others. relation: how the one follows
    from the other where it does, "logged = 1.8 x table + 32".
    """

    kind: SkewKind
    column: str
    version: str | None
    calls: int
    differ: int
    first: str
    logged: Scalar
    table: Scalar
    largest: float | None
    relation: str = ""
    sentence: str

    @property
    def share(self) -> float:
        return self.differ / self.calls


class SkewReport(Record, frozen=True, kw_only=True):
    """What came of comparing logged calls with the table path. calls: replayed, by version; beside: found in the table, 0
    where none was given; left_out: calls that could not be compared, by reason; since_s, until_s: event time of the calls.
    ruling: pass, fail where anything differs, undecided where too few calls could be compared.
    """

    model: str
    calls: dict[str, int]
    beside: int
    left_out: dict[str, int]
    skewed: tuple[Skewed, ...]
    ruling: Ruling
    sentence: str
    next: str
    since_s: float | None = None
    until_s: float | None = None
    schema: int = 1
