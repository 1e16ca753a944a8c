"""The table half: a table in memory or a stream of frames, counted where the data is. Needs Polars.

Frames are gone through twice where cells must be cut (a sample, then the counting), once over cells that are given; memory
holds one stretch of rows and the sample, however long the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lockgate.errors import ContractError, SpecError, unknown
from lockgate.features.infer import column_type, prepared
from lockgate.features.profiles import cut, tally
from lockgate.features.profiles.columns import PREDICTION
from lockgate.features.profiles.numbers import AT_ONCE, Floats, Ints
from lockgate.features.profiles.tallies import Key, Tallies
from lockgate.records.column_type import ColumnType
from lockgate.records.profile import ColumnProfile, Kind, Profile

if TYPE_CHECKING:
    import polars as pl

BINS = cut.BINS
STRETCH = 2 * AT_ONCE
"""Rows whose texts are counted in one go."""
_KINDS: dict[ColumnType, tuple[Kind, ...]] = {
    "int": ("number",),
    "float": ("number",),
    "bool": ("boolean",),
    "text": ("category", "text", "id"),
    "time": ("time",),
}
_CURES: dict[Kind, str] = {
    "number": 'Cast it where the table is made: pl.col("{name}").cast(pl.Float64).',
    "boolean": 'Make it a boolean again: pl.col("{name}").cast(pl.Boolean).',
    "category": 'Make it text again: pl.col("{name}").cast(pl.String).',
    "text": 'Make it text again: pl.col("{name}").cast(pl.String).',
    "id": 'Make it text again: pl.col("{name}").cast(pl.String).',
    "time": 'Parse it as times: pl.col("{name}").str.to_datetime(time_zone="UTC").',
}


class Frames(NamedTuple):
    """A table as frames. every: gives them again, from the first row on, each time it is called, of the columns named.
    rows: how many there are, 0 where nobody has counted them.
    """

    schema: pl.Schema
    every: Callable[[Sequence[str]], Iterable[pl.DataFrame]]
    rows: int = 0


class Asked(NamedTuple):
    """columns: what is counted, all where left out. time: when a row was asked. prediction: what a version said."""

    columns: Sequence[str] | None = None
    time: str | None = None
    prediction: str | None = None
    bins: int = cut.BINS


class _Table(NamedTuple):
    """types: of each column that is counted. names: its name in the table by its key in the profile."""

    types: dict[str, ColumnType]
    names: dict[Key, str]
    notes: tuple[str, ...]


def reference(frames: Frames, asked: Asked) -> Profile:
    """Cells cut by these rows, and these rows counted into them.

    Raises SpecError for unknown names and settings, ContractError for a type that no contract knows.
    """
    if not cut.FEWEST_BINS <= asked.bins <= cut.MOST_BINS:
        raise SpecError(
            f"{asked.bins} bins are asked for.",
            cure=f"Ask for {cut.FEWEST_BINS} to {cut.MOST_BINS}; {cut.BINS} by default.",
        )
    table = _described(frames.schema, asked)
    sample = _sample(frames, table, asked.time)
    growing = {key: cut.Growing(*key) for key, name in table.names.items() if table.types[name] == "text"}
    columns = tuple(_cells(key, table.types[name], sample.get(name), asked) for key, name in table.names.items())
    numbers = [column for column in columns if column.kind == "number" and column.role == "input"]
    known = {name: values for name, values in sample.items() if values is not None}
    empty = Profile(rows=0, columns=columns, pairs=cut.pairs(numbers, known), time=asked.time)
    return _counted(frames, table, Tallies(empty, growing, alone=True), asked.time)


def window(frames: Frames, like: Profile, asked: Asked) -> Profile:
    """The same cells, counted over other rows. Raises ContractError where a column is missing or changed its type."""
    names: dict[Key, str] = {
        (own.name, own.role): own.name if own.role == "input" else asked.prediction or own.name for own in like.columns
    }
    given = Asked(columns=[name for (_, role), name in names.items() if role == "input"], time=like.time)
    absent = [name for name in names.values() if name not in frames.schema]
    if absent:
        raise ContractError(
            f"{unknown('column', absent[0], frames.schema)} The reference counts it.",
            cure="Bring it, or count a reference without it.",
            column=absent[0],
        )
    if like.time is not None and like.time not in frames.schema:
        raise ContractError(
            unknown("column", like.time, frames.schema), cure="Lags are told from it.", column=like.time
        )
    table = _described(frames.schema, given._replace(prediction=names.get((PREDICTION, "prediction"))))
    for own in like.columns:
        _refuse_other_type(own, names[own.name, own.role], table, frames.schema)
    return _counted(frames, table._replace(names=names), Tallies(cut.emptied(like), alone=True), like.time)


def in_memory(table: pl.DataFrame) -> Frames:
    def every(names: Sequence[str]) -> Iterator[pl.DataFrame]:
        own = table.select(names)
        for start in range(0, own.height, STRETCH):
            yield own.slice(start, STRETCH)

    return Frames(table.schema, every, table.height)


def streamed(rows: pl.LazyFrame) -> Frames:
    def every(names: Sequence[str]) -> Iterator[pl.DataFrame]:
        batches = rows.select(names).collect_batches(
            chunk_size=STRETCH, maintain_order=True, lazy=True, engine="streaming"
        )
        for batch in batches:
            for start in range(0, batch.height, STRETCH):
                yield batch.slice(start, STRETCH)

    return Frames(rows.collect_schema(), every)


def _described(schema: pl.Schema, asked: Asked) -> _Table:
    import polars as pl

    wanted = list(schema) if asked.columns is None else list(asked.columns)
    own = [name for name in (asked.time, asked.prediction) if name is not None]
    for name in (*wanted, *own):
        if name not in schema:
            raise SpecError(unknown("column", name, schema), cure="Name one that is there, or leave it out.")
    ready = prepared(pl.DataFrame(schema={name: schema[name] for name in dict.fromkeys((*wanted, *own))}))
    types: dict[str, ColumnType] = {name: column_type(name, dtype) for name, dtype in ready.table.schema.items()}
    if asked.time is not None and types[asked.time] != "time":
        raise SpecError(f"{asked.time!r} holds {schema[asked.time]}, not times.", cure="Parse it as dates first.")
    names: dict[Key, str] = {(name, "input"): name for name in wanted if name != asked.prediction}
    if asked.prediction is not None:
        names[PREDICTION, "prediction"] = asked.prediction
    return _Table(types, names, ready.notes)


def _refuse_other_type(own: ColumnProfile, name: str, table: _Table, schema: pl.Schema) -> None:
    import polars as pl

    if own.kind in _KINDS[table.types[name]] or isinstance(schema[name], pl.Null):
        return
    raise ContractError(
        f"Column {name!r} was a {own.kind} in the reference, and is {schema[name]} here.",
        cure=_CURES[own.kind].format(name=name),
        column=name,
    )


def _cells(key: Key, kind: ColumnType, sample: Floats | None, asked: Asked) -> ColumnProfile:
    name, role = key
    if kind == "text":
        return cut.text(name, is_id=True, role=role)  # its place; what it is shows once its values are counted
    if kind == "bool":
        return cut.boolean(name, role)
    if kind == "time":
        return cut.time(name, sample)
    assert sample is not None
    return cut.number(name, sample, bins=asked.bins, role=role)


def _sample(frames: Frames, table: _Table, time: str | None) -> dict[str, Floats | None]:
    """Numbers, and the lags of times, of one in 2**halvings rows."""
    names = [name for name in table.types if table.types[name] in ("int", "float", "time")]
    kept = _Kept(cut.fewest_halvings(frames.rows))
    if names:
        for frame in frames.every(names):
            kept.add(frame)
    rows = kept.rows()
    if rows is None:
        return dict.fromkeys(names, np.empty(0))
    ready = prepared(rows).table
    found: dict[str, Floats | None] = {name: _floats(ready[name], table.types[name]) for name in names}
    at_s = None if time is None else found[time]
    for name in names:
        own = found[name]
        if table.types[name] == "time" and own is not None:
            found[name] = None if at_s is None or name == time else at_s - own
    return found


class _Kept:
    """The sample, as it is found: halved when it is more than it may be."""

    def __init__(self, halvings: int) -> None:
        self._frames: list[pl.DataFrame] = []
        self._places: list[Ints] = []
        self._seen, self._halvings = 0, halvings

    def add(self, frame: pl.DataFrame) -> None:
        import polars as pl

        self._take(frame, np.arange(self._seen, self._seen + frame.height))
        self._seen += frame.height
        while sum(places.size for places in self._places) > cut.SAMPLE:
            self._halvings += 1
            frames, places = pl.concat(self._frames), np.concatenate(self._places)
            self._frames, self._places = [], []
            self._take(frames, places)

    def rows(self) -> pl.DataFrame | None:
        import polars as pl

        return pl.concat(self._frames) if self._frames else None

    def _take(self, frame: pl.DataFrame, places: Ints) -> None:
        kept = np.flatnonzero(cut.is_sampled(places, self._halvings))
        self._frames.append(frame[kept])
        self._places.append(places[kept])


def _counted(frames: Frames, table: _Table, into: Tallies, time: str | None) -> Profile:
    asked = [time] if time is not None else []
    names = list(dict.fromkeys([*table.names.values(), *asked]))
    seen = _Seen()
    for frame in frames.every(names):
        ready = prepared(frame.rechunk()).table
        at_s = None if time is None else _floats(ready[time], "time")
        seen.add(ready.height, at_s)
        _count_numbers(into, table, ready)
        _count_others(into, table, ready, at_s)
    notes = (*table.notes, *_infinities(into))
    return into.found(seen.rows, since_s=seen.since_s, until_s=seen.until_s, notes=notes)


class _Seen:
    """How many rows there were, and the first and the last moment."""

    def __init__(self) -> None:
        self.rows = 0
        self.since_s: float | None = None
        self.until_s: float | None = None

    def add(self, rows: int, at_s: Floats | None) -> None:
        self.rows += rows
        known = np.empty(0) if at_s is None else at_s[np.isfinite(at_s)]
        if known.size:
            least, most = float(known.min()), float(known.max())
            self.since_s = least if self.since_s is None else min(self.since_s, least)
            self.until_s = most if self.until_s is None else max(self.until_s, most)


def _count_numbers(into: Tallies, table: _Table, frame: pl.DataFrame) -> None:
    series = [frame[table.names[key]] for key in into.numbers]
    for start in range(0, frame.height if series else 0, AT_ONCE):
        own = [one.slice(start, AT_ONCE) for one in series]
        rows = own[0].len()
        bits = [
            group.add(_floats(one, "float")[np.newaxis], [one.null_count()])
            for group, one in zip(into.groups, own, strict=True)
        ]
        into.pairs.add(tally.Bits.stacked(bits, rows), rows)


def _count_others(into: Tallies, table: _Table, frame: pl.DataFrame, at_s: Floats | None) -> None:
    for key, booleans in into.booleans.items():
        own = frame[table.names[key]]
        yes = int(own.sum() or 0)
        booleans.add(own.len() - own.null_count() - yes, yes, own.null_count())
    for key, levels in into.levels.items():
        levels.add_counted(*_by_level(frame[table.names[key]]))
    for key, growing in into.growing.items():
        own = frame[table.names[key]]
        if growing.many is None:
            growing.add_counted(*_by_level(own))
        else:
            growing.many.add(_texts(own), own.null_count())
    for key, texts in into.texts.items():
        own = frame[table.names[key]]
        texts.add(_texts(own), own.null_count())
    for key, times in into.times.items():
        own = frame[table.names[key]]
        for start in range(0, own.len(), AT_ONCE):
            one = own.slice(start, AT_ONCE)
            moments = None if at_s is None else at_s[start : start + AT_ONCE]
            times.add(_floats(one, "time"), moments, one.null_count())


def _floats(series: pl.Series, kind: ColumnType) -> Floats:
    """float64, NaN for null; times as seconds since 1970."""
    import polars as pl

    if kind == "time" and not isinstance(series.dtype, pl.Null):
        micros = series.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64)
        return (micros.fill_null(float("nan")) if series.null_count() else micros).to_numpy() / 1e6
    numbers = series if series.dtype == pl.Float64 else series.cast(pl.Float64)
    return (numbers.fill_null(float("nan")) if series.null_count() else numbers).to_numpy()


def _texts(series: pl.Series) -> list[str]:
    import polars as pl

    return series.drop_nulls().cast(pl.String).to_list()


def _by_level(series: pl.Series) -> tuple[Mapping[str, int], int]:
    """How often each level comes, and how many rows have none."""
    import polars as pl

    counts = series.drop_nulls().rename("level").to_frame().group_by("level").agg(pl.len().alias("count"))
    return dict(counts.with_columns(pl.col("level").cast(pl.String)).iter_rows()), series.null_count()


def _infinities(into: Tallies) -> list[str]:
    found = [column for group in into.groups for column in group.found() if column.infinite]
    return [
        f"Column {column.name!r}: {column.infinite:,} infinite values, in a cell of their own and in no mean."
        for column in found
    ]
