"""What is bet on: each set of cells of a reference profile is a line, with its bets and its part of the alarm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.records.profile import ColumnProfile, Facet, FacetName, Pair, Profile, Role, refuse_other_cells
from lockgate.stats import score_bet
from lockgate.stats.score_bet import Bets

Ints = NDArray[np.int64]

# Cells that say when a row came, or who it was about: a window of an hour can never have the hours of a year, and one user's
# rows come together. They are counted and shown, and nothing is bet on them.
NOT_BET_ON: dict[str, tuple[FacetName, ...]] = {"time": ("hour", "weekday"), "id": ("hash",)}
BESIDE = ("missing", "not a number", "infinite", "unseen")
# How much of the alarm, and of delta, belongs to the pairs, where there are any.
SHARE_PAIRS = 0.2


class Line(NamedTuple):
    """One set of cells. item: its column's or pair's place in `Lines.items`; weight: its part of the alarm, all sum to 1.

    facet: None of a pair. reference: rows by cell; for a column's first line the cells end with those of BESIDE.
    """

    item: int
    facet: FacetName | None
    weight: float
    bets: Bets
    reference: Ints


class Lines(NamedTuple):
    """items: every column, then every pair, as the reference has them."""

    items: tuple[ColumnProfile | Pair, ...]
    lines: tuple[Line, ...]
    columns: int

    @property
    def bets(self) -> list[Bets]:
        return [line.bets for line in self.lines]

    @property
    def weights(self) -> NDArray[np.float64]:
        return np.array([line.weight for line in self.lines], dtype=np.float64)


def drawn_up(reference: Profile, eps: float = score_bet.EPS, delta: float = score_bet.DELTA) -> Lines:
    """The bets of every column and pair of a reference. eps: total variation that does not matter; delta: chance that the
    reference misleads any of them. Raises SpecError for a reference without rows, or without a column to bet on.
    """
    if not reference.rows:
        raise SpecError(
            "A reference without rows cannot be bet against.", cure="Profile the rows the model was made on."
        )
    pairs = [pair for pair in reference.pairs if sum(pair.counts)]
    columns = [column for column in reference.columns if column.rows]
    told = [(place, facets) for place, column in enumerate(columns) if (facets := _bet_on(reference, column))]
    if not told:
        raise SpecError("The reference has no column that can be bet on.", cure="Profile the model's inputs.")
    share = (1 - SHARE_PAIRS if pairs else 1.0) / len(told)
    lines = [
        _column_line(place, columns[place], facet, share / len(facets), eps, delta)
        for place, facets in told
        for facet in facets
    ]
    lines += [
        _pair_line(len(columns) + place, pair, SHARE_PAIRS / len(pairs), eps, delta) for place, pair in enumerate(pairs)
    ]
    return Lines((*columns, *pairs), tuple(lines), len(columns))


def counted(lines: Lines, reference: Profile, window: Profile) -> list[Ints]:
    """The window's rows by cell, for each line. Raises SpecError where it was counted over other cells."""
    refuse_other_cells(reference, window)
    columns: dict[tuple[str, Role], ColumnProfile] = {(column.name, column.role): column for column in window.columns}
    pairs = {(pair.first, pair.second): pair for pair in window.pairs}
    return [_rows(lines.items[line.item], line.facet, columns, pairs) for line in lines.lines]


def quadrants(pair: Pair) -> Ints:
    """(On different sides of the two centres, on the same side)."""
    neither, second, first, both = pair.counts
    return np.array([first + second, neither + both], dtype=np.int64)


def _bet_on(reference: Profile, column: ColumnProfile) -> list[FacetName]:
    """The facets to bet on; of the column that time itself is told by, none."""
    if column.kind == "time" and column.name == reference.time:
        return []
    return _told(column)


def _told(column: ColumnProfile) -> list[FacetName]:
    left_out = NOT_BET_ON.get(column.kind, ())
    return [facet.name for facet in column.facets if facet.name not in left_out]


def _column_line(place: int, column: ColumnProfile, name: FacetName, weight: float, eps: float, delta: float) -> Line:
    facet = _facet(column, name)
    rows = _cells(column, facet)
    beside = rows.size - len(facet.counts)
    counts = rows.tolist()
    if facet.is_ordered:
        is_tied = True if facet.is_discrete else None
        bets = score_bet.ordered(counts, beside=beside, is_tied=is_tied, eps=eps, delta=delta * weight)
    else:
        bets = score_bet.unordered(counts, eps=eps, delta=delta * weight)
    return Line(place, name, weight, bets, rows)


def _pair_line(place: int, pair: Pair, weight: float, eps: float, delta: float) -> Line:
    rows = quadrants(pair)
    bets = score_bet.quadrants(int(rows[0]), int(rows[1]), eps=eps, delta=delta * weight)
    return Line(place, None, weight, bets, rows)


def _rows(
    item: ColumnProfile | Pair,
    name: FacetName | None,
    columns: dict[tuple[str, Role], ColumnProfile],
    pairs: dict[tuple[str, str], Pair],
) -> Ints:
    if isinstance(item, Pair) or name is None:
        assert isinstance(item, Pair)
        return quadrants(pairs[item.first, item.second])
    column = columns[item.name, item.role]
    return _cells(column, _facet(column, name))


def _facet(column: ColumnProfile, name: FacetName) -> Facet:
    found = column.facet(name)
    assert found is not None
    return found


def _cells(column: ColumnProfile, facet: Facet) -> Ints:
    """Every row counts once in a column's first line, with those that have no value; the others are of values alone."""
    is_first = facet.name == _told(column)[0]
    return np.array(facet.counts + (column.absent if is_first else ()), dtype=np.int64)
