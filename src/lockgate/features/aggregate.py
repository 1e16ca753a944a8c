"""Aggregates: from what `lockgate.toml` declares to one definition, and what it means.

At the question's time t an aggregate sees its key's events that happened in [t - window, t) and were known before t; the same
for a table (`lockgate.features.as_of`) and for a row (`lockgate.features.windows`). So an event counts for every t in
(known, happened + window], and for no other.

- An event's null, and NaN, is no value: a sum, a mean and a last pass it over; a count counts the event.
- A sum is the one of real numbers, rounded once, and a mean that sum divided once: the order of events never matters, and
  one event of 1e300 spoils no later window. A sum beyond float64 is no value ("too large").
- The last event is the one that happened last; of several at that moment the one known last, of those the one with the
  greatest id.
- Where there is nothing to compute of, the default stands, or null. A count of nothing is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.features.expression import Expression, condition
from lockgate.records import Aggregate, AggregateSpec, ModelSpec, SourceSpec, Stream
from lockgate.records.duration import UNITS_S, seconds

Flag = Literal["no key", "no history", "too large", "stale", "forgotten"]
NO_KEY: Flag = "no key"
NO_HISTORY: Flag = "no history"
TOO_LARGE: Flag = "too large"
STALE: Flag = "stale"
FORGOTTEN: Flag = "forgotten"
FUTURE_US = round(UNITS_S["d"] * 1e6)
"""An event dated so much later than it came has a wrong clock behind it, or a wrong column."""
KEY_TYPES = ("int", "text", "bool")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Lane(NamedTuple):
    """Which events of a source an aggregate is of, and how they are told apart; several aggregates may share one.

    by: (event's column, row's column), in the order of the event's; a key's values stand in that order.
    """

    source: str
    by: tuple[tuple[str, str], ...]
    where: str | None


def lane(aggregate: Aggregate) -> Lane:
    return Lane(aggregate.source, tuple(sorted(aggregate.by.items())), aggregate.where)


def define(name: str, spec: AggregateSpec, sources: Mapping[str, SourceSpec]) -> Aggregate:
    """The definition that a declaration means. Raises SpecError where it and the source do not go together."""
    source = sources.get(spec.source)
    if source is None:
        raise SpecError(
            f"The aggregate {name!r} is of {unknown('source', spec.source, sources)}", cure="Declare it: [source.NAME]"
        )
    stream = source.stream
    window_us = None if spec.window is None else micros_of(spec.window)
    _refuse_other_columns(name, spec, stream)
    _refuse_forgotten(name, spec, source)
    found = Aggregate(
        source=spec.source,
        kind=spec.kind,
        column=spec.column,
        by=spec.keys,
        where=spec.where,
        window_us=window_us,
        default=spec.default,
        stream=stream,
    )
    _ = where(found, name)
    return found


def defined(spec: ModelSpec, sources: Mapping[str, SourceSpec]) -> dict[str, Aggregate]:
    """Every aggregate of a model by its column. Raises as `define` does."""
    return {name: define(name, own, sources) for name, own in spec.aggregates.items()}


def where(aggregate: Aggregate, name: str) -> Expression | None:
    """The condition an event must meet, as a tree. Raises SpecError where it cannot be read."""
    if aggregate.where is None:
        return None
    place = f"The `where` of the aggregate {name!r}"
    return condition(aggregate.where, aggregate.stream.columns, place=place)


def micros_of(duration: str) -> int:
    return round(seconds(duration) * 1e6)


def micros(seconds_since_1970: NDArray[np.float64]) -> NDArray[np.int64]:
    """The microseconds that such seconds were made of by one division: exact until the year 2242. No NaN may be in it."""
    near = np.rint(seconds_since_1970 * 1e6).astype(np.int64)
    for step in (-1, 1):
        is_other = (near / 1e6 != seconds_since_1970) & ((near + step) / 1e6 == seconds_since_1970)
        near = np.where(is_other, near + step, near)
    return near


def micro(seconds_since_1970: float) -> int:
    """The same of one moment."""
    near = round(seconds_since_1970 * 1e6)
    for step in (-1, 1):
        if near / 1e6 != seconds_since_1970 and (near + step) / 1e6 == seconds_since_1970:
            near += step
    return near


def refuse_changed(model: str, held: Mapping[str, Aggregate], declared: Mapping[str, Aggregate], *, by: str) -> None:
    """Raises SpecError where a name stands for one definition in `held` and for another in what is declared now.

    by: who holds to the former, in words.
    """
    for name, aggregate in held.items():
        other = declared.get(name)
        if other is not None and other.hash != aggregate.hash:
            raise SpecError(
                f"{name!r} of {model} has another definition in lockgate.toml ({other.hash[:8]}) than {by} "
                f"({aggregate.hash[:8]}): they differ in {', '.join(_differences(aggregate, other))}.",
                cure="Give the new definition a new name, and leave the old one until no version needs it.",
            )


def _differences(held: Aggregate, declared: Aggregate) -> list[str]:
    fields: Sequence[str] = Aggregate.__struct_fields__
    return [field for field in fields if getattr(held, field) != getattr(declared, field)]


def _refuse_other_columns(name: str, spec: AggregateSpec, stream: Stream) -> None:
    place = f"The aggregate {name!r}"
    named = {**dict.fromkeys(spec.keys, KEY_TYPES), **({spec.column: ("int", "float", "bool")} if spec.column else {})}
    for column, types in named.items():
        if column not in stream.columns:
            raise SpecError(f"{place} names {unknown('column', column, stream.columns)} of the source {spec.source!r}.")
        if stream.columns[column] not in types:
            raise SpecError(
                f"{place} cannot take {column!r}, which is {stream.columns[column]}.",
                cure=f"What goes there is {' or '.join(types)}.",
            )


def _refuse_forgotten(name: str, spec: AggregateSpec, source: SourceSpec) -> None:
    """What serving processes forget, training would still count."""
    if source.retention is None:
        return
    if spec.window is None:
        raise SpecError(
            f"The aggregate {name!r} looks back without end, and {spec.source!r} is kept for {source.retention}.",
            cure="Give it a window, or leave the source's retention out.",
        )
    if seconds(spec.window) > seconds(source.retention):
        raise SpecError(
            f"The aggregate {name!r} looks back {spec.window}, and {spec.source!r} is kept for {source.retention}.",
            cure="Keep the source as long as its longest window at least.",
        )
