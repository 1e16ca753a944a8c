"""Cells being filled: one tally for each kind of column, each of which can be asked for what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.features.profiles import texts as written
from lockgate.features.profiles.numbers import BEYOND, Bools, Floats, Ints, Range, Room, Sums, cells, finite
from lockgate.records.profile import FEWEST_HASHES, ColumnProfile, Facet, Pair

Words = NDArray[np.uint64]
HOUR_S, DAY_S = 3600.0, 86400.0
HOURS, WEEKDAYS = 24, 7
_THURSDAY = 3  # 1970-01-01


class Bits:
    """Of each column of some rows, a bit a row: does it lie above its centre, and is it there at all."""

    def __init__(self, above: Words, there: Words | None) -> None:
        self.above, self.there = above, there

    @classmethod
    def stacked(cls, bits: Sequence[Bits], rows: int) -> Bits:
        """Of several columns, each counted alone."""
        if not bits:
            return cls(np.empty((0, 0), dtype=np.uint64), None)
        above = np.concatenate([one.above for one in bits])
        if all(one.there is None for one in bits):
            return cls(above, None)
        every = _packed(np.full((1, rows), fill_value=True))
        return cls(above, np.concatenate([every if one.there is None else one.there for one in bits]))


class Numbers:
    """Columns of numbers, counted over the same rows. columns: of which the first facet alone is filled."""

    def __init__(self, columns: Sequence[ColumnProfile], room: Room | None = None) -> None:
        self._columns = list(columns)
        moments = [column.moments for column in columns if column.moments is not None]
        self._centres = np.array([own.centre for own in moments], dtype=np.float64)
        self._edges = [np.array(column.facets[0].edges, dtype=np.float64) for column in columns]
        self._home = [int(np.searchsorted(edges, own.centre)) for edges, own in zip(self._edges, moments, strict=True)]
        self._counts = [np.zeros(edges.size + 1, dtype=np.int64) for edges in self._edges]
        self._sums = Sums([own.centre for own in moments], [own.unit for own in moments], room or Room())
        self._absent = np.zeros((4, len(columns)), dtype=np.int64)
        self._n = np.zeros(len(columns), dtype=np.int64)
        self._low = np.full(len(columns), np.inf)
        self._high = np.full(len(columns), -np.inf)

    def add(self, values: Floats, missing: Sequence[int], unseen: Sequence[int] | None = None) -> Bits:
        """values: shape (columns, rows), at least one row, at most AT_ONCE. NaN stands for what is missing, for what is
        unseen, and for itself; missing, unseen: how many of each column's NaN are the first two.
        """
        block, span = finite(values, self._centres)
        for place, edges in enumerate(self._edges):
            self._counts[place] += cells(block.values[place], edges)
            self._counts[place][self._home[place]] -= values.shape[1] - int(span.n[place])
        self._sums.add(block.values, span)
        self._note(values, block.there, span, missing, unseen)
        above = _packed(block.values > self._centres[:, np.newaxis])
        return Bits(above, None if block.there is None else _packed(block.there))

    def _note(
        self, values: Floats, there: Bools | None, span: Range, missing: Sequence[int], unseen: Sequence[int] | None
    ) -> None:
        self._n += span.n
        np.minimum(self._low, span.low, out=self._low)
        np.maximum(self._high, span.high, out=self._high)
        if there is None:
            return
        strange = np.zeros(len(missing), dtype=np.int64) if unseen is None else np.array(unseen, dtype=np.int64)
        nan = np.isnan(values).sum(axis=1)
        self._absent += np.stack(
            [np.array(missing, dtype=np.int64), nan - np.array(missing) - strange, (~there).sum(axis=1) - nan, strange]
        )

    def found(self) -> list[ColumnProfile]:
        return [self._found(place) for place in range(len(self._columns))]

    def _found(self, place: int) -> ColumnProfile:
        column = self._columns[place]
        assert column.moments is not None
        has_any = bool(self._n[place])
        missing, nan, infinite, unseen = self._absent[:, place].tolist()
        return msgspec.structs.replace(
            column,
            facets=(_filled(column.facets[0], self._counts[place]), *column.facets[1:]),
            missing=missing,
            nan=nan,
            infinite=infinite,
            unseen=unseen,
            moments=msgspec.structs.replace(
                column.moments,
                n=int(self._n[place]),
                sum=self._sums.sums[place],
                squares=self._sums.squares[place],
                low=float(self._low[place]) if has_any else None,
                high=float(self._high[place]) if has_any else None,
            ),
        )


class Pairs:
    """The pair matrix. names: the columns in the order in which their bits come."""

    WORDS = 64

    def __init__(self, pairs: Sequence[Pair], names: Sequence[str]) -> None:
        self._pairs = list(pairs)
        self._first = np.array([names.index(pair.first) for pair in pairs], dtype=np.int64)
        self._second = np.array([names.index(pair.second) for pair in pairs], dtype=np.int64)
        self._counts = np.zeros((len(pairs), 4), dtype=np.int64)

    def add(self, bits: Bits, rows: int) -> None:
        if not self._pairs:
            return
        both = self._ones_of(bits.above, bits.above)
        if bits.there is None:
            whole = _ones(bits.above)
            first, second, total = whole[self._first], whole[self._second], np.full(both.size, rows)
        else:
            first = self._ones_of(bits.above, bits.there)
            second = self._ones_of(bits.there, bits.above)
            total = self._ones_of(bits.there, bits.there)
        self._counts += np.stack([total - first - second + both, second - both, first - both, both], axis=1)

    def _ones_of(self, one: Words, other: Words) -> Ints:
        """Of each pair, the rows whose bit is set in both; some words at a time, so that they stay in the cache."""
        found = np.zeros(self._first.size, dtype=np.int64)
        for start in range(0, one.shape[1], self.WORDS):
            own = slice(start, start + self.WORDS)
            found += _ones(one[self._first, own] & other[self._second, own])
        return found

    def found(self) -> tuple[Pair, ...]:
        return tuple(
            Pair(first=pair.first, second=pair.second, counts=(a, b, c, d))
            for pair, (a, b, c, d) in zip(self._pairs, self._counts.tolist(), strict=True)
        )


class Booleans:
    """False and true."""

    def __init__(self, column: ColumnProfile) -> None:
        self._column = column
        self._counts = np.zeros(4, dtype=np.int64)

    def add(self, no: int, yes: int, missing: int, unseen: int = 0) -> None:
        self._counts += (no, yes, missing, unseen)

    def found(self) -> ColumnProfile:
        no, yes, missing, unseen = self._counts.tolist()
        facet = msgspec.structs.replace(self._column.facets[0], counts=(no, yes))
        return msgspec.structs.replace(self._column, facets=(facet,), missing=missing, unseen=unseen)


class Levels:
    """Of a category: rows by level."""

    def __init__(self, column: ColumnProfile) -> None:
        self._column = column
        levels = column.facets[0].levels
        self._cell = {level: cell for cell, level in enumerate(levels)} | dict.fromkeys(column.rare, len(levels))
        self._unseen = len(levels) + 1
        self._counts = [0] * (len(levels) + 2)
        self._missing = 0

    def add_counted(self, counts: Mapping[str, int], missing: int) -> None:
        self._missing += missing
        for level, rows in counts.items():
            self._counts[self._cell.get(level, self._unseen)] += rows

    def add_strange(self, rows: int) -> None:
        """Values of another type."""
        self._counts[self._unseen] += rows

    def found(self) -> ColumnProfile:
        facet = msgspec.structs.replace(self._column.facets[0], counts=tuple(self._counts[:-1]))
        return msgspec.structs.replace(
            self._column, facets=(facet,), missing=self._missing, unseen=self._counts[self._unseen]
        )


class Texts:
    """Of text and ids: by length, alphabet, and a word or the whole's hash."""

    AT_ONCE = 4096

    def __init__(self, column: ColumnProfile) -> None:
        self._column = column
        self._counts = [np.array(facet.counts, dtype=np.int64) for facet in column.facets]
        self._hashes = np.array(column.hashes, dtype=np.uint32)
        self._missing, self._unseen = column.missing, column.unseen

    def add(self, texts: Sequence[str], missing: int, unseen: int = 0) -> None:
        self._missing += missing
        self._unseen += unseen
        for start in range(0, len(texts), self.AT_ONCE):
            self._add(texts[start : start + self.AT_ONCE])

    def add_counted(self, counts: Mapping[str, int], missing: int) -> None:
        """Texts that came so many times each."""
        self._missing += missing
        if counts:
            self._add(list(counts), np.array(list(counts.values()), dtype=np.int64))

    def _add(self, texts: Sequence[str], times: Ints | None = None) -> None:
        is_text = self._column.kind == "text"
        shape = written.shapes(texts, with_words=is_text)
        own = {
            "length": np.searchsorted(_LENGTHS, shape.lengths.astype(np.float64)),
            "alphabet": shape.alphabets,
            "words": shape.words,
            "hash": shape.cells,
        }
        for place, facet in enumerate(self._column.facets):
            self._counts[place] += _weighed(own[facet.name], times, len(facet.counts))
        fresh = shape.hashes
        if self._hashes.size == FEWEST_HASHES:
            fresh = fresh[fresh < self._hashes[-1]]
        if fresh.size:
            self._hashes = np.unique(np.concatenate((self._hashes, fresh)))[:FEWEST_HASHES]

    def found(self) -> ColumnProfile:
        return msgspec.structs.replace(
            self._column,
            facets=tuple(map(_filled, self._column.facets, self._counts)),
            missing=self._missing,
            unseen=self._unseen,
            hashes=tuple(self._hashes.tolist()),
        )


class Times:
    """Moments by hour of the day and weekday, in UTC, and by how long before the row's own time they lie."""

    def __init__(self, column: ColumnProfile) -> None:
        self._column = column
        self._hours = np.zeros(HOURS, dtype=np.int64)
        self._weekdays = np.zeros(WEEKDAYS, dtype=np.int64)
        lag = column.facet("lag")
        inner = msgspec.structs.replace(column, facets=(lag,)) if lag is not None else None
        self._lag = None if inner is None else Numbers([inner])
        self._absent = np.zeros(4, dtype=np.int64)

    def add(self, values: Floats, at_s: Floats | None, missing: int, unseen: int = 0) -> None:
        """values, at_s: shape (rows,), seconds since 1970, NaN for what is missing or unseen and where a row has no time."""
        if not values.size:
            return
        told = values
        if self._lag is not None:
            told = np.full(values.size, np.nan) if at_s is None else at_s - values
            self._lag.add(told[np.newaxis], [missing], [unseen])
        there = values[np.abs(told) < BEYOND]
        if self._lag is None:
            nan = int(np.isnan(values).sum()) - missing - unseen
            self._absent += (missing, nan, values.size - there.size - missing - unseen - nan, unseen)
        self._hours += np.bincount(np.mod(np.floor(there / HOUR_S), HOURS).astype(np.int64), minlength=HOURS)
        day = np.mod(np.floor(there / DAY_S) + _THURSDAY, WEEKDAYS)
        self._weekdays += np.bincount(day.astype(np.int64), minlength=WEEKDAYS)

    def found(self) -> ColumnProfile:
        counted = (_filled(self._column.facets[0], self._hours), _filled(self._column.facets[1], self._weekdays))
        if self._lag is None:
            missing, nan, infinite, unseen = self._absent.tolist()
            return msgspec.structs.replace(
                self._column, facets=counted, missing=missing, nan=nan, infinite=infinite, unseen=unseen
            )
        (lag,) = self._lag.found()
        return msgspec.structs.replace(lag, facets=(*counted, *lag.facets))


def _filled(facet: Facet, counts: Ints) -> Facet:
    return msgspec.structs.replace(facet, counts=tuple(counts.tolist()))


def _weighed(cell: Ints, times: Ints | None, size: int) -> Ints:
    if times is None:
        return np.bincount(cell, minlength=size)
    return np.bincount(np.repeat(cell, times), minlength=size)


def _packed(bits: Bools) -> Words:
    """A bit a row, in whole words, the last of them filled up with noughts."""
    packed = np.packbits(bits, axis=1)
    words = np.zeros((len(bits), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)


def _ones(words: Words) -> Ints:
    found: Ints = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return found


_LENGTHS = np.array(written.LENGTHS)
