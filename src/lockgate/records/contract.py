"""A contract: what a table or a row must satisfy before it is used."""

from __future__ import annotations

from typing import Literal

from lockgate.records.aggregate import Aggregate
from lockgate.records.column_type import ColumnType
from lockgate.records.record import Record

__all__ = ["Column", "ColumnType", "Contract", "OnBreak", "Origin", "Rule", "RuleKind", "Severity"]

OnBreak = Literal["refuse", "flag", "fall_back"]
Origin = Literal["declared", "inferred"]
RuleKind = Literal["missing", "not_finite", "range", "levels"]


class Severity(Record, frozen=True, kw_only=True):
    """What a break of each of a column's rules does; None leaves what stands otherwise (`Column.does`)."""

    missing: OnBreak | None = None
    not_finite: OnBreak | None = None
    range: OnBreak | None = None
    levels: OnBreak | None = None

    def of(self, kind: RuleKind) -> OnBreak | None:
        given: dict[RuleKind, OnBreak | None] = {
            "missing": self.missing,
            "not_finite": self.not_finite,
            "range": self.range,
            "levels": self.levels,
        }
        return given[kind]


class Column(Record, frozen=True, kw_only=True):
    """One column of a contract.

    low, high: inclusive range of a number, None where unbounded. range_origin: a person's range refuses a row, an
    inferred one flags it. levels: the known values of a text column, None where any value goes. on_break: what leaving
    the range or the levels does. severity: the same, rule by rule. is_known_before: false for what is learnt only after
    the question, which may never become a feature. aggregate: how it is computed, of a column that no table and no request
    brings.
    """

    name: str
    type: ColumnType
    is_nullable: bool = False
    low: float | None = None
    high: float | None = None
    range_origin: Origin = "inferred"
    levels: tuple[str, ...] | None = None
    on_break: OnBreak = "flag"
    severity: Severity = Severity()
    is_known_before: bool = True
    aggregate: Aggregate | None = None

    def does(self, kind: RuleKind) -> OnBreak:
        """What a break of this kind does: as declared for the kind; else a null, an infinity and a value outside a
        person's range refuse the row, and the rest is as `on_break` says.
        """
        own = self.severity.of(kind)
        if own is not None:
            return own
        is_strict = kind in ("missing", "not_finite") or (kind == "range" and self.range_origin == "declared")
        return "refuse" if is_strict else self.on_break


class Rule(Record, frozen=True, kw_only=True):
    """A condition over the columns of one row, as text: `arrives_at >= asked_at`. A null compared with anything is
    unknown, and what is unknown breaks nothing.
    """

    name: str
    check: str
    on_break: OnBreak = "refuse"


class Contract(Record, frozen=True, kw_only=True):
    """The columns of a model's table, the roles some of them have, and the rules between them.

    target: the outcome's column. unit, time, known: columns naming who is asked about, when it was asked, and when the
    outcome was known; None where there is none. keys: columns that together name a row once.
    """

    model: str
    columns: tuple[Column, ...]
    target: str
    unit: str | None = None
    time: str | None = None
    known: str | None = None
    keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    schema: int = 1

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def asked(self) -> tuple[Column, ...]:
        """The columns a row is answered from: all that is known when the question is asked."""
        return tuple(column for column in self.columns if column.is_known_before)

    @property
    def sent(self) -> tuple[Column, ...]:
        """The columns a request carries: those asked, less what is computed of events here."""
        return tuple(column for column in self.asked if column.aggregate is None)

    @property
    def aggregates(self) -> dict[str, Aggregate]:
        """What is computed of events, by column."""
        return {column.name: column.aggregate for column in self.columns if column.aggregate is not None}
