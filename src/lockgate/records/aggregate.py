"""An aggregate: a number that is computed of the events before a question, the same in training and while serving."""

from __future__ import annotations

import math
from typing import Literal

from lockgate.errors import SpecError
from lockgate.records.duration import seconds
from lockgate.records.record import Record, digest
from lockgate.records.source import Stream

AggregateKind = Literal["count", "sum", "mean", "last", "since"]
KINDS: tuple[AggregateKind, ...] = ("count", "sum", "mean", "last", "since")


class AggregateSpec(Record, frozen=True, kw_only=True):
    """One aggregate, as `lockgate.toml` declares it.

    Exactly one of count (how many events), sum, mean, last (of a column) and since (seconds since the last event). by: which
    events are a row's own, `{ event column = "row column" }`, or the names where they are the same; an empty list means all.
    where: a condition over the event's columns; an event of which it is unknown is left out. window: how far back, by when
    events happened; only last and since go without. default: what stands where there is nothing; null where left out.
    Raises SpecError for what cannot be.
    """

    source: str
    by: dict[str, str] | tuple[str, ...]
    count: bool = False
    sum: str | None = None
    mean: str | None = None
    last: str | None = None
    since: bool = False
    where: str | None = None
    window: str | None = None
    default: float | None = None

    def __post_init__(self) -> None:
        given = [kind for kind in KINDS if getattr(self, kind)]
        if len(given) != 1:
            raise SpecError(
                f"An aggregate is one of {', '.join(KINDS)}, and this one is {' and '.join(given) or 'none of them'}.",
                cure='Write count = true, sum = "column", mean = "column", last = "column" or since = true.',
            )
        if self.window is None and given[0] in ("count", "sum", "mean"):
            raise SpecError(f"A {given[0]} needs a window.", cure='Say how far back it looks: window = "1h"')
        if self.window is not None:
            seconds(self.window)
        if self.default is not None and not math.isfinite(self.default):
            raise SpecError(
                f"A default of {self.default} is no value.", cure="Give a number, or leave it out for null."
            )
        if self.count and self.default is not None and not float(self.default).is_integer():
            raise SpecError(f"A count is never {self.default}.", cure="Give a whole number as its default.")

    @property
    def kind(self) -> AggregateKind:
        return next(kind for kind in KINDS if getattr(self, kind))

    @property
    def column(self) -> str | None:
        """The event's column that it is of; None of count and since."""
        return self.sum or self.mean or self.last

    @property
    def keys(self) -> dict[str, str]:
        """By event column the row's column."""
        return self.by if isinstance(self.by, dict) else {name: name for name in self.by}


class Aggregate(Record, frozen=True, kw_only=True):
    """A definition as a contract holds it, with all that its values depend on: two that are equal give equal values.

    window_us: microseconds. by: event column to row column. stream: the shape of the source's events.
    """

    source: str
    kind: AggregateKind
    column: str | None = None
    by: dict[str, str]
    where: str | None = None
    window_us: int | None = None
    default: float | None = None
    stream: Stream

    @property
    def hash(self) -> str:
        """Names this definition: another hash is another feature."""
        return digest(self)

    @property
    def is_nullable(self) -> bool:
        """Whether it may be null: without a default it is, where there is nothing to compute it of."""
        return self.default is None
