"""A table of events, held to what `lockgate.features.event` holds them to when they are sent. Needs Polars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lockgate.errors import Conflict, ContractError, unknown
from lockgate.features.aggregate import FUTURE_US, lane, where
from lockgate.features.infer import column_type
from lockgate.features.table_expression import to_polars
from lockgate.records import Aggregate, Event, Stream
from lockgate.records.source import EXACT, Values

if TYPE_CHECKING:
    import polars as pl


def held(
    source: str, stream: Stream, table: pl.DataFrame, *, now_us: int, aggregates: Iterable[Aggregate] = ()
) -> pl.DataFrame:
    """The events in the source's own types, each once. An event that comes twice counts once; a NaN is a null.

    Raises ContractError naming the column and the first row that cannot be an event, Conflict where one id has two contents.
    """
    import polars as pl

    typed = _typed(source, stream, table)
    here, now = pl.col, pl.lit(now_us + FUTURE_US).cast(pl.Datetime("us", "UTC"))
    known = stream.known or stream.time
    for name in dict.fromkeys((stream.key, stream.time, known)):
        _refuse(source, typed, here(name).is_null(), name, "has no {name!r}, which every event has")
    if stream.known is not None:
        _refuse(source, typed, here(known) < here(stream.time), known, f"was known before it happened ({stream.time})")
    _refuse(source, typed, here(known) > now, known, "lies more than a day ahead: {name} is in the future")
    for name, kind in stream.columns.items():
        if kind == "float":
            _refuse(source, typed, here(name).is_infinite(), name, "has an infinite {name!r}")
        if kind == "int":
            _refuse(source, typed, here(name).abs() >= EXACT, name, "has a {name!r} of 2**53 or more, which is text")
    for aggregate in {lane(aggregate): aggregate for aggregate in aggregates}.values():
        tree = where(aggregate, aggregate.column or aggregate.kind)
        for name in aggregate.by:
            is_lacking = here(name).is_null() if tree is None else here(name).is_null() & to_polars(tree)
            _refuse(source, typed, is_lacking, name, "has no {name!r}, by which events are told apart")
    return _once(source, stream, typed)


def frame(stream: Stream, events: Iterable[Values]) -> pl.DataFrame:
    """What events that were kept say, as such a table."""
    import polars as pl

    schema: dict[str, Any] = {name: _dtype("int" if kind == "time" else kind) for name, kind in _kinds(stream)}
    found = pl.DataFrame(list(events), schema=schema, orient="row")
    return found.with_columns(
        pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        for name, kind in _kinds(stream)
        if kind == "time"
    )


def events(stream: Stream, table: pl.DataFrame) -> list[Event]:
    """Such a table as events."""
    import polars as pl

    whole = table.select(
        pl.col(name).dt.epoch("us") if kind == "time" else pl.col(name) for name, kind in _kinds(stream)
    )
    key, time = stream.place(stream.key), stream.place(stream.time)
    known = time if stream.known is None else stream.place(stream.known)
    return [Event(row[time], row[known], row[key], row) for row in whole.iter_rows()]


def _kinds(stream: Stream) -> list[tuple[str, str]]:
    return [(name, stream.columns[name]) for name in stream.names]


def _dtype(kind: str) -> Any:
    import polars as pl

    types: dict[str, Any] = {"int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean, "text": pl.String}
    return types.get(kind, pl.Datetime("us", "UTC"))


def _typed(source: str, stream: Stream, table: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    for name, kind in stream.columns.items():
        if name not in table.columns:
            said = f"The table has no column {name!r}, which the source {source} declares as {kind}."
            raise ContractError(said, cure=f"Its columns are: {', '.join(table.columns)}.", column=name)
        found = column_type(name, table.schema[name])
        if found != kind and not isinstance(table.schema[name], pl.Null):
            raise ContractError(
                f"Column {name!r} of the table is {found} ({table.schema[name]}), and the source {source} says {kind}.",
                cure="Cast it where the table is made; Lockgate does not cast silently.",
                column=name,
            )
    for name in table.columns:
        if name not in stream.columns:
            raise ContractError(
                f"{unknown('column', name, stream.columns)} The source {source} does not declare it.",
                cure="Drop it, or declare it.",
                column=name,
            )
    columns = [pl.col(name).cast(_dtype(kind), strict=True) for name, kind in _kinds(stream)]
    floats = [name for name, kind in _kinds(stream) if kind == "float"]
    return table.select(columns).with_columns(pl.col(name).fill_nan(None) for name in floats)


def _refuse(source: str, table: pl.DataFrame, broken: pl.Expr, name: str, said: str) -> None:
    import polars as pl

    rows = table.select(pl.arg_where(broken.fill_null(value=False))).to_series()
    if rows.len():
        what = said.format(name=name)
        raise ContractError(
            f"Row {rows[0]} of the events of {source} {what}; {rows.len():,} rows in all.",
            cure="Mend or drop such rows where the table is made.",
            column=name,
            row=int(rows[0]),
        )


def _once(source: str, stream: Stream, table: pl.DataFrame) -> pl.DataFrame:
    if not table[stream.key].is_duplicated().any():
        return table
    whole = table.unique(maintain_order=True)
    twice = whole.filter(whole[stream.key].is_duplicated())
    if twice.height:
        raise Conflict(
            f"Event {twice[stream.key][0]!r} of {source} comes twice with different contents.",
            cure="An id is one event's alone; a correction is an event of its own.",
        )
    return whole
