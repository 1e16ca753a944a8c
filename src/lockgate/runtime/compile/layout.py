"""How rows come to a compiled graph: one matrix, or the raw columns packed as numbers and texts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, length
from lockgate.records import Column, Record

MISSING = "\x1a"  # Unicode's own "substitute": what a graph is given for a missing text, for it has no None
KEY = "lockgate"  # under which a graph carries its Layout


class Code(Record, frozen=True, kw_only=True):
    """What a text column becomes before a graph sees it. table: by level, a missing text as MISSING; unseen: any other. None
    is NaN, for which JSON has no word.
    """

    column: str
    table: dict[str, float | None]
    unseen: float | None

    def by_value(self) -> tuple[dict[Any, float], float]:
        """The table with None for a missing text, as rows have it, and what any other becomes."""
        table = {level: _or_nan(value) for level, value in self.table.items()}
        unseen = _or_nan(self.unseen)
        return {**table, None: table.get(MISSING, unseen)}, unseen


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


class Layout(Record, frozen=True, kw_only=True):
    """numbers, texts: raw columns in the order they are packed; both () where the graph takes a matrix.
    codes: where there are any, the graph takes these numbers in place of the texts.

    The rest is what the native model refuses, so that the graph refuses it too: refuses_missing, columns (of a matrix
    their places, as text); refuses_beyond, numbers outside float32's range; levels, by text column the only values taken.
    """

    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    refuses_missing: tuple[str, ...] = ()
    refuses_beyond: bool = False
    levels: dict[str, tuple[str, ...]] = {}

    @property
    def is_raw(self) -> bool:
        return bool(self.numbers or self.texts)


def raw_layout(inputs: tuple[Column, ...]) -> Layout:
    return Layout(
        numbers=tuple(column.name for column in inputs if column.type != "text"),
        texts=tuple(column.name for column in inputs if column.type == "text"),
    )


def packed_numbers(columns: Columns, names: tuple[str, ...], dtype: Any) -> NDArray[Any]:
    """Shape (n, p)."""
    out = np.empty((length(columns), len(names)), dtype=dtype)
    with np.errstate(over="ignore"):
        for place, name in enumerate(names):
            out[:, place] = columns[name]
    return out


def packed_texts(columns: Columns, names: tuple[str, ...]) -> NDArray[Any]:
    """Shape (n, q), of str."""
    out = np.empty((length(columns), len(names)), dtype=object)
    for place, name in enumerate(names):
        out[:, place] = [MISSING if value is None else value for value in columns[name].tolist()]
    return out
