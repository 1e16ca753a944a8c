"""How rows come to a compiled graph: one matrix, or the raw columns packed as numbers and texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, length
from lockgate.features.levelled import levels_of
from lockgate.records import Column, Record

MISSING = "\x1a"  # Unicode's own "substitute": what a graph is given for a missing text, for it has no None
KEY = "lockgate"  # under which a graph carries its Layout


class Coded(Record, frozen=True, kw_only=True):
    """A text column as a number: of each known level, of one never seen, of a missing text. None stands for NaN."""

    column: str
    levels: dict[str, float | None]
    unseen: float | None
    missing: float | None


class Layout(Record, frozen=True, kw_only=True):
    """numbers, texts: raw columns in the order they are packed. coded: text columns that come as numbers, behind the numbers;
    one may come twice. All are () where the graph takes a matrix.

    The rest is what the native model refuses, so that the graph refuses it too: refuses_missing, columns (of a matrix
    their places, as text); refuses_beyond, numbers outside float32's range; levels, by text column the only values taken.
    """

    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    coded: tuple[Coded, ...] = ()
    refuses_missing: tuple[str, ...] = ()
    refuses_beyond: bool = False
    levels: dict[str, tuple[str, ...]] = {}

    @property
    def is_raw(self) -> bool:
        return bool(self.numbers or self.texts or self.coded)


def raw_layout(inputs: tuple[Column, ...]) -> Layout:
    return Layout(
        numbers=tuple(column.name for column in inputs if column.type != "text"),
        texts=tuple(column.name for column in inputs if column.type == "text"),
    )


class Lookup(NamedTuple):
    """A Coded made ready: numbers by level, by None for a missing text; otherwise: of a level never seen."""

    column: str
    table: dict[Any, float]
    otherwise: float


def lookups(layout: Layout) -> list[Lookup]:
    return [_lookup(one) for one in layout.coded]


def packed_numbers(columns: Columns, names: tuple[str, ...], coded: Sequence[Lookup], dtype: Any) -> NDArray[Any]:
    """Shape (n, p): the numbers, and behind them what texts are looked up to."""
    out = np.empty((length(columns), len(names) + len(coded)), dtype=dtype)
    with np.errstate(over="ignore"):
        for place, name in enumerate(names):
            out[:, place] = columns[name]
    for place, (name, table, otherwise) in enumerate(coded, len(names)):
        known = levels_of(columns[name])
        values = columns[name].tolist() if known is None else known.levels
        found = [table.get(value, otherwise) for value in values]
        out[:, place] = found if known is None else np.array(found)[known.codes]
    return out


def packed_texts(columns: Columns, names: tuple[str, ...]) -> NDArray[Any]:
    """Shape (n, q), of str."""
    out = np.empty((length(columns), len(names)), dtype=object)
    for place, name in enumerate(names):
        known = levels_of(columns[name])
        values = columns[name].tolist() if known is None else known.levels
        found = np.array([MISSING if value is None else value for value in values], dtype=object)
        out[:, place] = found if known is None else found[known.codes]
    return out


def _lookup(coded: Coded) -> Lookup:
    table: dict[Any, float] = {level: _number(value) for level, value in coded.levels.items()}
    table[None] = _number(coded.missing)
    return Lookup(coded.column, table, _number(coded.unseen))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
