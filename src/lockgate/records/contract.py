"""A contract: what a table or a row must satisfy before it is used."""

from __future__ import annotations

from typing import Literal

from lockgate.records.record import Record

ColumnType = Literal["int", "float", "bool", "text", "time"]
OnBreak = Literal["refuse", "flag", "fall_back"]
Origin = Literal["declared", "inferred"]


class Column(Record, frozen=True, kw_only=True):
    """One column of a contract.

    low, high: inclusive range of a number, None where unbounded. range_origin: a person's range refuses a row, an
    inferred one flags it. levels: the known values of a text column, None where any value goes. is_known_before: false
    for what is learnt only after the question, which may never become a feature.
    """

    name: str
    type: ColumnType
    is_nullable: bool = False
    low: float | None = None
    high: float | None = None
    range_origin: Origin = "inferred"
    levels: tuple[str, ...] | None = None
    on_break: OnBreak = "flag"
    is_known_before: bool = True


class Contract(Record, frozen=True, kw_only=True):
    """The columns of a model's table, and the roles some of them have.

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
    schema: int = 1

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def asked(self) -> tuple[Column, ...]:
        """The columns a request carries: all that is known when the question is asked."""
        return tuple(column for column in self.columns if column.is_known_before)
