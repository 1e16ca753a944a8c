"""Aggregates for a table: every row's value as it was known at the row's own time. The table half: needs Polars.

What an aggregate means stands in `lockgate.features.aggregate`; this and `lockgate.features.windows` agree to the bit.
Counts, sums and means are two running sums and two searches: an event counts from when it was known until it has left the
window, so the value at t is what was known before t less what had left before t. Last and since are one as-of join.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features import exact
from lockgate.features.aggregate import NO_HISTORY, NO_KEY, STALE, TOO_LARGE, Lane, lane, where
from lockgate.features.table_expression import to_polars
from lockgate.records import Aggregate, Stream

if TYPE_CHECKING:
    import polars as pl

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_PLACE, _ASKED, _HAPPENED, _KNOWN, _ID, _VALUE, _RANK = "place", "asked", "happened", "known", "id", "value", "rank"


class Computed(NamedTuple):
    """columns: one for each aggregate, a row for each row asked. flags: rows by flag, `name: no history` say."""

    columns: pl.DataFrame
    flags: dict[str, int]


class _Found(NamedTuple):
    """values: NaN where there is none. lacks: why, by flag."""

    values: Floats
    lacks: dict[str, Bools]


def computed(
    rows: pl.DataFrame,
    time: str,
    aggregates: Mapping[str, Aggregate],
    events: Mapping[str, pl.DataFrame],
    *,
    stale_after_us: Mapping[str, int | None],
) -> Computed:
    """Each aggregate of each row. Rows out are rows in, in their order: a row without a history keeps its row.

    rows: with the column `time`, in UTC, and the columns that aggregates tell events by. events, stale_after_us: by source;
    the events as `event_table.held` gives them.
    """
    import polars as pl

    asked = _micros(rows[time])
    has_time = rows[time].is_not_null().to_numpy()
    asked = np.where(has_time, asked, 0)
    lanes: dict[Lane, _Laned] = {}
    streams = {aggregate.source: aggregate.stream for aggregate in aggregates.values()}
    stale = {
        source: _is_stale(events[source], stream, asked, stale_after_us[source]) & has_time
        for source, stream in streams.items()
    }
    columns: list[pl.Series] = []
    flags: dict[str, int] = {}
    for name, aggregate in aggregates.items():
        own, table = lane(aggregate), events[aggregate.source]
        if own not in lanes:
            lanes[own] = _Laned(rows, asked, table, own, aggregate)
        found = lanes[own].values(aggregate)
        is_keyed = lanes[own].is_keyed & has_time
        columns.append(_column(name, aggregate, found, is_keyed))
        lacks = {NO_KEY: ~is_keyed} | {flag: own_rows & is_keyed for flag, own_rows in found.lacks.items()}
        for flag, of_rows in {**lacks, STALE: stale[aggregate.source]}.items():
            if of_rows.any():
                flags[f"{name}: {flag}"] = int(of_rows.sum())
    return Computed(pl.DataFrame(columns), flags)


def _column(name: str, aggregate: Aggregate, found: _Found, is_keyed: Bools) -> pl.Series:
    import polars as pl

    is_absent = ~is_keyed
    for of_rows in found.lacks.values():
        is_absent = is_absent | of_rows
    values = pl.Series(name, np.where(is_absent, np.nan, found.values)).fill_nan(None)
    if aggregate.default is not None:
        values = values.fill_null(aggregate.default)
    return values.cast(pl.Int64) if aggregate.kind == "count" else values


class _Laned:
    """The rows and the events of one lane, told apart by key. is_keyed: shape (rows,), false where a row lacks its key."""

    def __init__(self, rows: pl.DataFrame, asked: Ints, events: pl.DataFrame, own: Lane, aggregate: Aggregate) -> None:
        import polars as pl

        self._asked, self._stream = asked, aggregate.stream
        tree = where(aggregate, aggregate.column or aggregate.kind)
        self._events = events if tree is None else events.filter(to_polars(tree))
        # Where nothing tells events apart they all have one key.
        one = [pl.repeat(0, pl.len(), dtype=pl.Int64).alias("key0")]
        keys = [pl.col(name).alias(f"key{number}") for number, (name, _) in enumerate(own.by)] or one
        asked_by = [pl.col(name).alias(f"key{number}") for number, (_, name) in enumerate(own.by)] or one
        self._own_keys, self._row_keys = self._events.select(keys), rows.select(asked_by)
        self._row_keys = self._row_keys.cast(self._own_keys.schema)
        self.is_keyed: Bools = ~self._row_keys.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
        self._codes: tuple[Ints, Ints] | None = None

    def values(self, aggregate: Aggregate) -> _Found:
        if aggregate.kind in ("last", "since"):
            return self._last(aggregate)
        return self._totals(aggregate)

    def _totals(self, aggregate: Aggregate) -> _Found:
        """Of events known before t, less those that had left the window before t. An event that was known only once it had
        left it never counts.
        """
        assert aggregate.window_us is not None  # the spec asks for one
        own, asked_by = self._coded()
        happened, known = self._times()
        values, counts = None, known < happened + aggregate.window_us
        if aggregate.column is not None:
            values, has_value = _numbers(self._events, aggregate.column)
            counts = counts & has_value
        if not counts.all():
            own, happened, known = own[counts], happened[counts], known[counts]
            values = None if values is None else values[counts]
        came_by = _Moments(own, known)
        left_by = came_by if known is happened else _Moments(own, happened)
        # What happened before t - window had left by t.
        came, left = came_by.before(asked_by, self._asked), left_by.before(asked_by, self._asked - aggregate.window_us)
        number = np.where(asked_by < 0, 0, came - left)
        if values is None:
            return _Found(number.astype(np.float64), {})
        nothing = number == 0
        added = values[came_by.order]
        taken = added if left_by is came_by else values[left_by.order]
        sums = exact.between(added, np.where(nothing, 0, came), taken, np.where(nothing, 0, left))
        is_large = np.isnan(sums)
        if aggregate.kind == "mean":
            sums = sums / np.where(nothing, 1, number)
        return _Found(sums, {NO_HISTORY: nothing, TOO_LARGE: is_large})

    def _last(self, aggregate: Aggregate) -> _Found:
        import polars as pl

        clocks = {_HAPPENED: self._stream.time} | ({_KNOWN: self._stream.known} if self._stream.known else {})
        past, ids = (
            self._events.select(_us(column, name) for name, column in clocks.items()),
            self._events[self._stream.key],
        )
        past = past.with_columns(*self._own_keys)
        if aggregate.column is not None:
            value = self._events[aggregate.column].cast(pl.Float64).alias(_VALUE)
            past = past.with_columns(value)
            if value.null_count():
                past, ids = past.filter(value.is_not_null()), ids.filter(value.is_not_null())
        past = _latest(past, ids, self._own_keys.columns)
        asked = self._row_keys.with_columns(pl.Series(_ASKED, self._asked)).with_row_index(_PLACE).sort(_ASKED)
        joined = asked.join_asof(
            past,
            left_on=_ASKED,
            right_on=_KNOWN if self._stream.known else _HAPPENED,
            by=self._own_keys.columns,
            allow_exact_matches=False,
            check_sortedness=False,  # Polars cannot check it under `by`; both are sorted above
        ).sort(_PLACE)
        happened = joined[_HAPPENED]
        is_lacking = happened.is_null().to_numpy()
        when = happened.fill_null(0).to_numpy()
        if aggregate.window_us is not None:
            is_lacking = is_lacking | (when < self._asked - aggregate.window_us)
        values = (self._asked - when) / 1e6 if aggregate.column is None else joined[_VALUE].fill_null(0.0).to_numpy()
        return _Found(values, {NO_HISTORY: is_lacking})

    def _coded(self) -> tuple[Ints, Ints]:
        """A number for each key, of the events and of the rows; -1 of a row whose key no event has."""
        if self._codes is None:
            keys = self._own_keys.unique().with_row_index("code")
            self._codes = _joined(self._own_keys, keys), _joined(self._row_keys, keys)
        return self._codes

    def _times(self) -> tuple[Ints, Ints]:
        happened = _micros(self._events[self._stream.time])
        return happened, happened if self._stream.known is None else _micros(self._events[self._stream.known])


def _joined(rows: pl.DataFrame, keys: pl.DataFrame) -> Ints:
    import polars as pl

    codes = rows.join(keys, on=rows.columns, how="left", maintain_order="left")["code"]
    return codes.cast(pl.Int64).fill_null(-1).to_numpy()


class _Moments:
    """Events ordered by (key, moment), and how many of them lie before a key's moment.

    Counted from the first event of all: in the difference of two such counts over the same events other keys fall out.
    """

    def __init__(self, codes: Ints, moments: Ints) -> None:
        self._low, self._high = int(moments.min(initial=2**62)), int(moments.max(initial=-(2**62)))
        span, keys = max(self._high - self._low, 0) + 2, int(codes.max(initial=0)) + 1
        # Where key and moment do not fit into 64 bits together, moments are counted instead.
        self._ranked = None if span * keys < 2**62 else np.unique(moments)
        self._span = span if self._ranked is None else self._ranked.size + 1
        self._combined = self._of(codes, moments)
        self._sorted: Ints | None = None

    @property
    def order(self) -> Ints:
        return np.argsort(self._combined, kind="stable")

    def before(self, codes: Ints, moments: Ints) -> Ints:
        """How many events lie before each of these moments; those of earlier keys count too."""
        if not self._combined.size:
            return np.zeros(codes.size, dtype=np.int64)
        self._sorted = np.sort(self._combined) if self._sorted is None else self._sorted
        asked = self._of(np.maximum(codes, 0), np.clip(moments, self._low, self._high + 1))
        order = np.argsort(asked)  # a search in order finds what it needs in the cache
        found = np.empty(asked.size, dtype=np.int64)
        found[order] = np.searchsorted(self._sorted, asked[order])
        return found

    def _of(self, codes: Ints, moments: Ints) -> Ints:
        own = moments - self._low if self._ranked is None else np.searchsorted(self._ranked, moments)
        return codes * self._span + own


def _latest(past: pl.DataFrame, ids: pl.Series, keys: list[str]) -> pl.DataFrame:
    """By the clock of knowing, with each event the last to happen of all its key's that are known by then."""
    import polars as pl

    ordered = past[_in_order(past, ids)]
    if _KNOWN not in past.columns:
        return ordered
    rank = pl.int_range(pl.len(), dtype=pl.Int64).alias(_RANK)
    known = ordered.select(_KNOWN, *keys, rank).sort(_KNOWN)
    known = known.with_columns(pl.col(_RANK).cum_max().over(keys))
    values = [name for name in (_HAPPENED, _VALUE) if name in ordered.columns]
    return known.with_columns(ordered[name].gather(known[_RANK]) for name in values)


def _in_order(past: pl.DataFrame, ids: pl.Series) -> pl.Series:
    """Places of events as they happened; those of one moment by when they were known, then by id. To sort by one column takes
    a third of what three take, so the others are looked at only where the first leaves it open.
    """
    import polars as pl

    order = past[_HAPPENED].arg_sort()
    moment = past[_HAPPENED].gather(order)
    is_next = moment[1:] == moment[:-1]
    if not is_next.any():
        return order
    is_open = np.concatenate([is_next.to_numpy(), [False]]) | np.concatenate([[False], is_next.to_numpy()])
    places = np.flatnonzero(is_open)
    among = order[places]
    by = [name for name in (_HAPPENED, _KNOWN) if name in past.columns]
    settled = past[among].select(*by).with_columns(ids[among].alias(_ID), among.alias(_PLACE)).sort(*by, _ID)[_PLACE]
    whole = order.to_numpy().copy()
    whole[places] = settled.to_numpy()
    return pl.Series(whole)


def _is_stale(events: pl.DataFrame, stream: Stream, asked: Ints, stale_after_us: int | None) -> Bools:
    """Whether no event that happened within that time before the question was known by then; any at all for None."""
    happened = _micros(events[stream.time])
    known = happened if stream.known is None else _micros(events[stream.known])
    if stale_after_us is None or not known.size:
        return np.asarray(asked <= known.min(initial=np.iinfo(np.int64).max), dtype=np.bool_)
    order = np.argsort(known, kind="stable")
    newest = np.maximum.accumulate(happened[order])
    place = np.searchsorted(known[order], asked)
    stale: Bools = (place == 0) | (newest[np.maximum(place - 1, 0)] < asked - stale_after_us)
    return stale


def _numbers(events: pl.DataFrame, column: str) -> tuple[Floats, Bools]:
    import polars as pl

    own = events[column].cast(pl.Float64)
    return own.fill_null(0.0).to_numpy(), own.is_not_null().to_numpy()


def _us(column: str, name: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).dt.epoch("us").alias(name)


def _micros(times: pl.Series) -> Ints:
    return times.dt.epoch("us").fill_null(0).to_numpy()
