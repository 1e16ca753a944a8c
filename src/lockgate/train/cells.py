"""Rows cut into cells over a few columns, and the mean outcome of each: what a rule is made of."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lockgate.features.pipeline import Floats
from lockgate.runtime.formats.rule import RuleFile

BINS = 24
SMOOTHINGS = (20.0, 100.0, 5.0, 1.0, 0.01)
MOST_CELLS = 20_000


class Cells:
    """Columns cut into cells, each cut once: codes by column, shape (n,); sizes: cells of each; outcomes: shape (n, k)."""

    def __init__(self, codes: list[NDArray[np.int64]], sizes: list[int], outcomes: Floats) -> None:
        self._codes, self._sizes, self._outcomes = codes, sizes, outcomes

    def choose(self, held: int) -> tuple[int, ...]:
        """The two columns whose cells leave the least squared error on the rows from `held` on, one after the other."""
        chosen: tuple[int, ...] = ()
        for _ in range(2):
            candidates: list[tuple[int, ...]] = [
                (*chosen, i)
                for i in range(len(self._codes))
                if i not in chosen and self._sizes[i] > 2 and self._size((*chosen, i)) <= MOST_CELLS
            ]
            if not candidates:
                return chosen
            chosen = min(candidates, key=lambda columns: self._error(columns, SMOOTHINGS[0], held))
        return chosen

    def smoothing(self, columns: tuple[int, ...], held: int) -> float:
        """How many rows' worth of the overall mean serves best on the rows from `held` on."""
        return min(SMOOTHINGS, key=lambda smoothing: self._error(columns, smoothing, held))

    def file(
        self, columns: tuple[int, ...], edges: list[tuple[float, ...]], smoothing: float, *, is_scalar: bool
    ) -> RuleFile:
        means, counts, overall = self._means(columns, smoothing, len(self._outcomes))
        told = [tuple(row) for row in means.tolist()]
        values = tuple((v[0] if is_scalar else v) if n else None for v, n in zip(told, counts.tolist(), strict=True))
        default = tuple(overall.tolist())
        return RuleFile(
            columns=columns,
            edges=tuple(edges[i] for i in columns),
            values=values,
            default=default[0] if is_scalar else default,
        )

    def _size(self, columns: tuple[int, ...]) -> int:
        return int(np.prod([self._sizes[i] for i in columns], dtype=np.int64))

    def _place(self, columns: tuple[int, ...]) -> NDArray[np.int64]:
        found = np.zeros(len(self._outcomes), dtype=np.int64)
        for column in columns:
            found = found * self._sizes[column] + self._codes[column]
        return found

    def _means(
        self, columns: tuple[int, ...], smoothing: float, until: int
    ) -> tuple[Floats, NDArray[np.int64], Floats]:
        place, size = self._place(columns)[:until], self._size(columns)
        counts = np.bincount(place, minlength=size)
        overall: Floats = self._outcomes[:until].mean(axis=0)
        sums = np.column_stack(
            [np.bincount(place, weights=outcome, minlength=size) for outcome in self._outcomes[:until].T]
        )
        return (sums + smoothing * overall) / (counts + smoothing)[:, None], counts, overall

    def _error(self, columns: tuple[int, ...], smoothing: float, held: int) -> float:
        means, _, _ = self._means(columns, smoothing, held)
        return float(((means[self._place(columns)[held:]] - self._outcomes[held:]) ** 2).sum())


def edges_of(values: NDArray[np.float32], is_text: bool) -> tuple[float, ...]:
    present = values[~np.isnan(values)].astype(np.float64)
    if not present.size:
        return ()
    distinct = np.unique(present)
    if is_text or distinct.size <= BINS:
        return tuple((a + b) / 2 for a, b in pairwise(distinct.tolist()))
    return tuple(np.unique(np.quantile(present, np.arange(1, BINS) / BINS)).tolist())


def codes_of(values: NDArray[np.float32], inner: tuple[float, ...]) -> NDArray[np.int64]:
    """The cell of each value, as `rule` finds it: missing is the last one."""
    given = values.astype(np.float64)
    bins = np.searchsorted(np.array(inner), given, side="right")
    bins[np.isnan(given)] = len(inner) + 1
    return bins
