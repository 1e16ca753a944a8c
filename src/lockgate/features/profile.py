"""Profiles: exact counts of a stretch of data over bins fixed from the reference; they merge by addition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, length
from lockgate.records import Column, ColumnProfile, Profile

BINS = 20
MAX_LEVELS = 60


def reference(columns: Columns, contract: tuple[Column, ...], importance: dict[str, float]) -> Profile:
    """The reference profile: its own quantiles become the bins of every later window.

    Columns without a scale or levels (keys, times) are left out.
    """
    found: list[ColumnProfile] = []
    for column in contract:
        values = columns[column.name]
        if column.type == "text" and column.levels is not None:
            found.append(_text(column.name, _common(values), values))
        elif column.type in ("int", "float", "bool"):
            found.append(_number(column.name, _edges(values), values))
    return Profile(rows=length(columns), columns=tuple(found), importance=importance)


def window(columns: Columns, like: Profile) -> Profile:
    """The same cells, counted over other rows."""
    found = [
        _text(column.name, column.levels, columns[column.name])
        if column.levels
        else _number(column.name, column.edges, columns[column.name])
        for column in like.columns
    ]
    return Profile(rows=length(columns), columns=tuple(found))


def _edges(values: NDArray[Any]) -> tuple[float, ...]:
    present = values[np.isfinite(values)]
    if not present.size:
        return ()
    inner = np.quantile(present, np.arange(1, BINS) / BINS)
    return tuple(float(edge) for edge in np.unique(inner))


def _common(values: NDArray[Any]) -> tuple[str, ...]:
    levels, counts = np.unique(np.array([v for v in values if v is not None], dtype=str), return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    return tuple(sorted(str(level) for level in levels[kept]))


def _number(name: str, edges: tuple[float, ...], values: NDArray[Any]) -> ColumnProfile:
    missing = np.isnan(values)
    cells = np.searchsorted(np.array(edges), values[~missing], side="left")
    counts = np.bincount(cells, minlength=len(edges) + 1)
    present = values[np.isfinite(values)]
    return ColumnProfile(
        name=name,
        edges=edges,
        counts=(*(int(count) for count in counts), int(missing.sum())),
        mean=float(present.mean()) if present.size else None,
        sd=float(present.std()) if present.size else None,
    )


def _text(name: str, levels: tuple[str, ...], values: NDArray[Any]) -> ColumnProfile:
    codes = {level: code for code, level in enumerate(levels)}
    rest, missing = len(levels), len(levels) + 1
    cells = [missing if value is None else codes.get(value, rest) for value in values.tolist()]
    counts = np.bincount(np.array(cells, dtype=np.int64), minlength=len(levels) + 2)
    return ColumnProfile(name=name, levels=levels, counts=tuple(int(count) for count in counts))
