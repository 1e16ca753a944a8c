"""Events as they are sent: decoded strictly, errors that name the event and its column. Needs msgspec alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from lockgate.errors import ContractError
from lockgate.features.aggregate import EPOCH, FUTURE_US, MICROSECOND, lane
from lockgate.features.windows import keeps
from lockgate.records import Aggregate, Event, Stream
from lockgate.records.source import EXACT

_TYPES: dict[str, Any] = {
    "int": Annotated[int, msgspec.Meta(gt=-EXACT, lt=EXACT)],
    "float": float,
    "bool": bool,
    "text": str,
    "time": Annotated[datetime, msgspec.Meta(tz=True)],
}
_JSON: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "exclusiveMinimum": -EXACT, "exclusiveMaximum": EXACT},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}


class EventType:
    """Decodes `{"events": [{...}]}` of one source. aggregates: those over it; an event may not lack what they tell it by."""

    def __init__(self, source: str, stream: Stream, aggregates: Iterable[Aggregate] = ()) -> None:
        self._source, self._stream = source, stream
        row: Any = _row(stream)
        self._type = row
        self._row: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._type)
        self._body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Events", [("events", list[row])], forbid_unknown_fields=True)
        )
        self._times = tuple(place for place, name in enumerate(stream.names) if stream.columns[name] == "time")
        self._floats = tuple(place for place, name in enumerate(stream.names) if stream.columns[name] == "float")
        self._key, self._time = stream.place(stream.key), stream.place(stream.time)
        self._known = self._time if stream.known is None else stream.place(stream.known)
        own = {lane(aggregate): aggregate for aggregate in aggregates}.values()
        self._keyed = [(keeps(one), [(name, stream.place(name)) for name in one.by]) for one in own]

    def decode(self, body: bytes, *, now_us: int) -> list[Event]:
        """The events of a body. Raises ContractError naming the event's place in it and the column; msgspec.DecodeError for
        what is no JSON at all.
        """
        try:
            sent: list[Any] = self._body.decode(body).events
        except msgspec.ValidationError as error:
            raise self._named(body, error) from error
        return self._events(sent, now_us)

    def hold(self, rows: Iterable[Mapping[str, object]], *, now_us: int) -> list[Event]:
        """The same of rows as objects; NaN is missing here, and 2.0 a whole number."""
        sent: list[Any] = []
        for number, row in enumerate(rows):
            try:
                sent.append(msgspec.convert(self._plain(row), self._type))
            except msgspec.ValidationError as error:
                raise self._refused(number, error) from error
        return self._events(sent, now_us)

    def _plain(self, row: Mapping[str, object]) -> dict[str, object]:
        found = dict(row)
        for name, value in row.items():
            if isinstance(value, float) and math.isnan(value):
                found[name] = None
            elif isinstance(value, float) and self._stream.columns.get(name) == "int" and value.is_integer():
                found[name] = int(value)
        return found

    def _events(self, sent: Sequence[Any], now_us: int) -> list[Event]:
        found = [self._event(msgspec.structs.astuple(row)) for row in sent]
        for number, event in enumerate(found):
            self._check(number, event, now_us)
        return found

    def _event(self, row: tuple[Any, ...]) -> Event:
        values = list(row)
        for place in self._times:
            values[place] = None if row[place] is None else (row[place] - EPOCH) // MICROSECOND
        return Event(values[self._time], values[self._known], values[self._key], tuple(values))

    def _check(self, number: int, event: Event, now_us: int) -> None:
        stream = self._stream
        said = f"Event {number} of {self._source}, {event.id!r},"
        if event.known_us < event.happened_us:
            raise ContractError(
                f"{said} was known before it happened: {stream.known} lies before {stream.time}.",
                cure="One of the two clocks is wrong, or the columns are the wrong way round.",
                column=stream.known,
                row=number,
            )
        if event.known_us > now_us + FUTURE_US:
            is_late = event.happened_us > now_us + FUTURE_US
            raise ContractError(
                f"{said} lies more than a day ahead: {stream.time if is_late else stream.known} is in the future.",
                cure="Look at the clock or the time zone that it was written with.",
                column=stream.time if is_late else stream.known,
                row=number,
            )
        for place in self._floats:
            value = event.values[place]
            if isinstance(value, float) and math.isinf(value):
                name = stream.names[place]
                raise ContractError(
                    f"{said} has an infinite {name!r}.",
                    cure="Send null where it has no value.",
                    column=name,
                    row=number,
                )
        self._refuse_unkeyed(number, event, said)

    def _refuse_unkeyed(self, number: int, event: Event, said: str) -> None:
        for is_own, by in self._keyed:
            lacking = next((name for name, place in by if event.values[place] is None), None)
            if lacking is not None and (is_own is None or is_own(event)):
                raise ContractError(
                    f"{said} has no {lacking!r}, by which events are told apart.",
                    cure=f'Send it with one, or leave such events out: where = "is_not_null({lacking})".',
                    column=lacking,
                    row=number,
                )

    def _named(self, body: bytes, error: msgspec.ValidationError) -> ContractError:
        """The decoder names the column; which event it was is found by reading each alone."""
        try:
            rows = msgspec.json.decode(body, type=_Raw).events
        except msgspec.ValidationError:
            return ContractError(f"{error}.", cure='Send {"events": [{...}]}.', column=_column_in(str(error)))
        for number, row in enumerate(rows):
            try:
                self._row.decode(row)
            except msgspec.ValidationError as own:
                return self._refused(number, own)
        return ContractError(f"{error}.")

    def _refused(self, number: int, error: msgspec.ValidationError) -> ContractError:
        column = _column_in(str(error))
        is_null = "got `null`" in str(error) and column in (self._stream.key, self._stream.time, self._stream.known)
        said = f"has no {column!r}, which every event has" if is_null else str(error)
        cure = f"The columns of {self._source}: {', '.join(f'{n} ({t})' for n, t in self._stream.columns.items())}."
        if column is not None and self._stream.columns.get(column) == "int" and "2**53" not in said:
            cure += f" Whole numbers lie below {EXACT:,}; a longer one is a name, and text."
        joint = " " if is_null else ": "
        return ContractError(f"Event {number} of {self._source}{joint}{said}.", cure=cure, column=column, row=number)


def json_schema(stream: Stream) -> dict[str, Any]:
    """What a body of events looks like, as JSON Schema (draft 2020-12)."""
    never_null = (stream.key, stream.time, stream.known)
    columns: dict[str, Any] = {}
    for name, kind in stream.columns.items():
        found = dict(_JSON[kind])
        columns[name] = found if name in never_null else found | {"type": [found["type"], "null"]}
    event = {"type": "object", "properties": columns, "required": list(columns), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"events": {"type": "array", "items": event}},
        "required": ["events"],
        "additionalProperties": False,
    }


class _Raw(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


def _row(stream: Stream) -> Any:
    """Fields are numbered and renamed, for a column may be called anything. All columns are sent, null for no value."""
    never_null = (stream.key, stream.time, stream.known)
    kinds: list[Any] = [_TYPES[stream.columns[name]] for name in stream.names]
    fields: list[Any] = [
        (f"f{number}", kind if name in never_null else kind | None)
        for number, (name, kind) in enumerate(zip(stream.names, kinds, strict=True))
    ]
    names = {f"f{number}": name for number, name in enumerate(stream.names)}
    return msgspec.defstruct("Event", fields, rename=names, forbid_unknown_fields=True, kw_only=True)


def _column_in(message: str) -> str | None:
    """The column in msgspec's words: in backticks where it is missing or unknown, else at the end of the path."""
    if "field `" in message:
        return message.split("field `", 1)[1].split("`", 1)[0]
    path = message.rpartition(" - at `$")[2].rstrip("`")
    return path.rpartition(".")[2] or None if " - at `$" in message else None
