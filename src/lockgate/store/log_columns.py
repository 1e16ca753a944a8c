"""Log entries as the columns of a table, and back. Made column by column: most of a compactor's time goes here."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogRow, Scalar, Window
from lockgate.store.log_catalogue import Listed

if TYPE_CHECKING:
    import polars as pl

KINDS: Mapping[str, type[Prediction] | type[Shadow] | type[Outcome] | type[Window]] = {
    "predictions": Prediction,
    "shadows": Shadow,
    "outcomes": Outcome,
    "windows": Window,
}
OF_CALLS = ("predictions", "shadows", "outcomes")  # those that have a call's id
CATALOGUE = "segments"
DAY_S = 86_400.0
_NUMBERS = {"asked_s", "answered_s", "value", "latency_ms", "share", "at_s", "received_s", "since_s", "until_s"}
_DATED_BY = {"outcomes": "at_s", "windows": "since_s"}  # the others by their question
_EPOCH = dt.date(1970, 1, 1)
_FIRST, _LAST = (dt.date(1, 1, 1) - _EPOCH).days, (dt.date(9999, 12, 31) - _EPOCH).days
_inputs_decoder = msgspec.json.Decoder(tuple[float | int | str | bool | dict[str, str] | None, ...])


class Placed(NamedTuple):
    """An entry and where it stood: its segment's name and its place among the segment's entries."""

    segment: str
    row: int
    entry: LogRow


class Stretch(NamedTuple):
    """Entries of one kind in one segment. rows: the place of each among the segment's entries."""

    segment: str
    rows: Sequence[int]
    entries: Sequence[LogRow]


def stretch(kind: str, segment: str, entries: Sequence[LogRow], *, model: str | None = None) -> Stretch:
    """Those entries of a segment that are of the kind, and of the model where one is named."""
    make = KINDS[kind]
    kinds = set(map(type, entries))
    if model is None and kinds == {make}:  # nearly always, and then there is nothing to look for
        return Stretch(segment, range(len(entries)), entries)
    rows = [row for row, entry in enumerate(entries) if isinstance(entry, make)] if make in kinds else []
    if model is not None:
        rows = [row for row in rows if entries[row].model == model]
    return Stretch(segment, rows, [entries[row] for row in rows])


def frame(name: str, rows: Sequence[Stretch] | Sequence[Listed]) -> pl.DataFrame:
    """Rows of a kind, or of the catalogue, as its table has them."""
    import polars as pl

    if name == CATALOGUE:
        listed = {field: [getattr(row, field) for row in rows] for field in Listed._fields}
        return pl.DataFrame(listed, schema=_schema(name), strict=True)
    return pl.DataFrame(_columns(name, cast(Sequence[Stretch], rows)), schema=_schema(name), strict=True)


def read(kind: str, rows: pl.DataFrame) -> list[Placed]:
    """The entries that a table's rows were made from."""
    make = KINDS[kind]
    # A partition cannot hold an empty text: it comes back as null.
    columns = {field: rows[field].fill_null("") if field == "model" else rows[field] for field in fields(kind)}
    values = [
        [inputs_of(text) for text in column.to_list()] if field == "inputs" else column.to_list()
        for field, column in columns.items()
    ]
    tag = make.__struct_config__.tag
    made = msgspec.convert(list(zip(repeat(tag), *values)), list[make])  # type: ignore[valid-type]
    return [Placed(*placed) for placed in zip(rows["segment"].to_list(), rows["row"].to_list(), made, strict=True)]


def fields(kind: str) -> tuple[str, ...]:
    return KINDS[kind].__struct_fields__


def date_of(at_s: float) -> dt.date | None:
    """The UTC date of a time; None where it lies outside the calendar."""
    day = math.floor(at_s / DAY_S) if math.isfinite(at_s) else math.nan
    return _EPOCH + dt.timedelta(days=day) if _FIRST <= day <= _LAST else None


def text_of(inputs: tuple[Scalar, ...]) -> str:
    """The inputs as a JSON list. JSON has no NaN and no infinity: they are written as {"float": "nan"}."""
    found = msgspec.json.encode(inputs)
    # Told by counting: looking at each value of each row that misses one took a third of a compactor's time.
    if b"null" in found and found.count(b"null") > inputs.count(None):
        found = msgspec.json.encode([{"float": str(value)} if _is_odd(value) else value for value in inputs])
    return found.decode()


def inputs_of(text: str) -> tuple[Scalar, ...]:
    found = _inputs_decoder.decode(text)
    return tuple(map(_plain, found)) if '{"float":' in text else cast(tuple[Scalar, ...], found)


def _schema(name: str) -> dict[str, Any]:
    import polars as pl

    text, whole = pl.String(), pl.Int64()
    if name == CATALOGUE:
        return {"worker": text, "number": whole, "name": text, "rows": whole, "torn": whole}
    special = {"flags": pl.List(text), "number": whole} | dict.fromkeys(_NUMBERS, pl.Float64())
    named = {field: special.get(field, text) for field in fields(name)}
    return {"date": pl.Date(), **named, "segment": text, "row": whole}


def _columns(kind: str, parts: Sequence[Stretch]) -> dict[str, Any]:
    import polars as pl

    entries = chain.from_iterable(part.entries for part in parts)
    values: Iterable[Sequence[Any]] = zip(*map(msgspec.structs.astuple, entries), strict=True)
    found: dict[str, Any] = dict.fromkeys(fields(kind), ()) | dict(zip(fields(kind), values, strict=False))
    if "flags" in found:
        found["flags"] = few(found["flags"], pl.List(pl.String)).alias("flags")
    if "inputs" in found:
        found["inputs"] = list(map(text_of, found["inputs"]))
    found["date"] = _dates(found[_DATED_BY.get(kind, "asked_s")])
    found["segment"] = list(chain.from_iterable(repeat(part.segment, len(part.rows)) for part in parts))
    return found | {"row": list(chain.from_iterable(part.rows for part in parts))}


def _dates(at_s: Sequence[float]) -> pl.Series:
    """`date_of` each."""
    import polars as pl

    days = np.floor(np.array(at_s, dtype=np.float64) / DAY_S)
    is_inside = (days >= _FIRST) & (days <= _LAST)
    dates = pl.Series("date", np.where(is_inside, days, 0).astype(np.int32)).cast(pl.Date)
    return dates if is_inside.all() else dates.to_frame().select(pl.when(pl.Series(is_inside)).then("date")).to_series()


def few(values: Sequence[str] | Sequence[tuple[str, ...]], dtype: Any) -> pl.Series:
    """A column made from its few different values: one value at a time is slow. dtype: of text, or of lists of it."""
    import polars as pl

    places = {one: place for place, one in enumerate(dict.fromkeys(values))}
    different = pl.Series([list(one) if isinstance(one, tuple) else one for one in places], dtype=dtype)
    if len(places) == 1:
        return different.new_from_index(0, len(values))
    return different.gather([places[one] for one in values])


def _is_odd(value: Scalar) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _plain(value: Scalar | dict[str, str]) -> Scalar:
    return float(value["float"]) if isinstance(value, dict) else value
