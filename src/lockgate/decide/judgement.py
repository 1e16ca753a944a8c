"""A judgement: a ruling with its gate, its evidence and its reason. With an id and a time it becomes a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.records import Evidence, Gate, Record, Ruling

SEVERITY = (Ruling.PASS, Ruling.UNDECIDED, Ruling.VOID, Ruling.FAIL)


class Judgement(Record, frozen=True, kw_only=True):
    ruling: Ruling
    gate: Gate
    evidence: Evidence
    sentence: str


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """The gravest ruling; none at all is undecided, never pass."""
    return max(rulings, key=SEVERITY.index, default=Ruling.UNDECIDED)
