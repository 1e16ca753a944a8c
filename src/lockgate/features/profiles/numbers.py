"""Numbers put into cells and summed, many rows at a time: the one kernel of a table's profile and of a worker's.

Sums are of whole numbers small enough that float64 holds them exactly, so that no order of rows, batches or workers
changes a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.records.profile import FINER

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
AT_ONCE = 1 << 16
"""Rows that are summed in one go, and no more: so many of the largest summands reach 2**53, and are exact still."""
BEYOND = 1e144  # whose square's square is still a float64
SPAN = 7  # bits of d in units of the spread; what lies further out is summed as Python integers
FINE = 30  # bits below the spread
_MANY = 2048
_FAR = 2.0 ** (SPAN + FINE)
_HALF = 1 << 2 * FINER - 1


class Block(NamedTuple):
    """Some rows of some columns, ready to be counted. values: shape (columns, rows), finite; what was not stands at its
    column's centre. there: the same shape, None where all are finite.
    """

    values: Floats
    there: Bools | None


class Range(NamedTuple):
    """Of each column: rows that are finite, the least and the greatest of them (infinite where there is none)."""

    n: Ints
    low: Floats
    high: Floats


def finite(values: Floats, centres: Floats) -> tuple[Block, Range]:
    """values: shape (columns, rows), at least one row; centres: shape (columns,)."""
    low, high = values.min(axis=1), values.max(axis=1)
    if bool(((low > -BEYOND) & (high < BEYOND)).all()):  # false of NaN
        n = np.full(len(values), values.shape[1], dtype=np.int64)
        return Block(values, None), Range(n, low + 0.0, high + 0.0)
    there = np.abs(values) < BEYOND
    low = values.min(axis=1, where=there, initial=np.inf)
    high = values.max(axis=1, where=there, initial=-np.inf)
    filled = np.where(there, values, centres[:, np.newaxis])
    return Block(filled, there), Range(there.sum(axis=1), low + 0.0, high + 0.0)


def cells(values: Floats, edges: Floats) -> Ints:
    """How many lie in each cell. values: shape (rows,), no NaN; edges: ascending, cell j is (edges[j-1], edges[j]]."""
    if values.size < _MANY:
        return np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1)
    below = np.empty(edges.size + 2, dtype=np.int64)
    below[0], below[-1] = 0, values.size
    is_below = np.empty(values.size, dtype=np.bool_)
    for place, edge in enumerate(edges.tolist(), 1):  # a comparison is some forty times faster than a search
        np.less_equal(values, edge, out=is_below)
        below[place] = np.count_nonzero(is_below)
    return np.diff(below)


class Room:
    """Memory to reckon in, one for all columns, so that it stays in the cache."""

    def __init__(self) -> None:
        self._held = np.empty(0)

    def two(self, columns: int, rows: int) -> tuple[Floats, Floats]:
        size = columns * rows
        if self._held.size < 2 * size:
            self._held = np.empty(2 * size)
        return self._held[:size].reshape(columns, rows), self._held[size : 2 * size].reshape(columns, rows)


class Sums:
    """Sums and sums of squares of several columns' distances from their centres; units as `records.Moments` has them."""

    def __init__(self, centres: Sequence[float], units: Sequence[int], room: Room) -> None:
        self._centres = np.array(centres, dtype=np.float64)
        self._finer = np.ldexp(1.0, [-unit for unit in units])
        self._units = list(units)
        self.sums = [0] * len(self._units)
        self.squares = [0] * len(self._units)
        self._room = room

    def add(self, values: Floats, span: Range) -> None:
        """values: shape (columns, rows), finite, of at most AT_ONCE rows; span: their least and greatest."""
        distance, whole = self._room.two(*values.shape)
        np.subtract(values, self._centres[:, np.newaxis], out=distance)
        with np.errstate(over="ignore"):
            np.multiply(distance, self._finer[:, np.newaxis], out=distance)
            furthest = np.maximum(span.high - self._centres, self._centres - span.low) * self._finer
        for column in np.flatnonzero(furthest >= _FAR).tolist():
            self._take_far(values[column], distance[column], column)
        np.rint(distance, out=whole)
        fine = whole.sum(axis=1)
        np.multiply(distance, 2.0**-FINER, out=distance)
        np.rint(distance, out=whole)
        coarse = np.vecdot(whole, whole)
        for column, (own, square) in enumerate(zip(fine.tolist(), coarse.tolist(), strict=True)):
            self.sums[column] += int(own)
            self.squares[column] += int(square)

    def _take_far(self, values: Floats, distance: Floats, column: int) -> None:
        """Summed as long integers, for float64 would not hold their sum; nought is left in their place.

        Their squares are rounded after they were taken: of values so far from the centre, and close to each other, nothing
        would be left of the spread otherwise.
        """
        is_far = np.abs(distance) >= _FAR
        if np.isfinite(distance[is_far]).all():
            far = [int(one) for one in np.rint(distance[is_far]).tolist()]
        else:  # too far for a float64 to count its units
            gaps = (values[is_far] - self._centres[column]).tolist()
            far = [_units(gap, self._units[column]) for gap in gaps]
        self.sums[column] += sum(far)
        self.squares[column] += sum((one * one + _HALF) >> 2 * FINER for one in far)
        distance[is_far] = 0.0


def _units(value: float, unit: int) -> int:
    """The nearest whole number of units of 2**unit; halves to even, as numpy has it."""
    above, below = value.as_integer_ratio()
    return round(Fraction(above << max(0, -unit), below << max(0, unit)))
