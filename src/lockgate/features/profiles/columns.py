"""Profiles of columns, the shape that training and the loop have rows in; NaN and None are missing. numpy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, length
from lockgate.features.profiles import cut
from lockgate.features.profiles.numbers import Floats
from lockgate.features.profiles.tallies import Key, Tallies
from lockgate.records import Column
from lockgate.records.profile import ColumnProfile, Profile

AT_ONCE = 1 << 13
PREDICTION = "prediction"


def reference(
    columns: Columns,
    contract: Sequence[Column],
    *,
    time: str | None = None,
) -> Profile:
    """The reference profile: cells cut by these rows, and these rows counted into them.

    time: the column that the lags of other times are told from.
    """
    rows = length(columns)
    is_sampled = _sample(rows)
    at_s = None if time is None else columns[time]
    growing: dict[Key, cut.Growing] = {
        (column.name, "input"): cut.Growing(column.name) for column in contract if column.type == "text"
    }
    cells = [_cells(column, columns[column.name][is_sampled], at_s, is_sampled, time) for column in contract]
    numbers = [own for own in cells if own.kind == "number"]
    sample = {own.name: columns[own.name][is_sampled] for own in numbers}
    empty = Profile(rows=0, columns=tuple(cells), pairs=cut.pairs(numbers, sample), time=time)
    return _counted(Tallies(empty, growing), columns, at_s, None)


def predicted(values: Floats) -> ColumnProfile:
    """What a version said of some rows, in cells cut by itself. values: shape (rows,)."""
    cells = Profile(rows=0, columns=(cut.number(PREDICTION, values[_sample(values.size)], role="prediction"),))
    (found,) = window({PREDICTION: values}, cells, predictions=values).columns
    return found


def window(columns: Columns, like: Profile, *, predictions: Floats | None = None) -> Profile:
    """The same cells, counted over other rows. Predictions left out are counted as missing."""
    empty = cut.emptied(like)
    at_s = columns.get(like.time) if like.time is not None else None
    return _counted(Tallies(empty), columns, at_s, predictions)


def _sample(rows: int) -> NDArray[np.bool_]:
    halvings = cut.fewest_halvings(rows)
    found = cut.is_sampled(np.arange(rows), halvings)
    while np.count_nonzero(found) > cut.SAMPLE:
        halvings += 1
        found = cut.is_sampled(np.arange(rows), halvings)
    return found


def _cells(
    column: Column, sample: NDArray[Any], at_s: Floats | None, is_sampled: NDArray[np.bool_], time: str | None
) -> ColumnProfile:
    if column.type == "text":
        return cut.text(column.name, is_id=True)  # its place; what it is shows once its values are counted
    if column.type == "bool":
        return cut.boolean(column.name)
    if column.type == "time":
        has_lag = at_s is not None and column.name != time
        return cut.time(column.name, at_s[is_sampled] - sample if has_lag and at_s is not None else None)
    return cut.number(column.name, sample)


def _counted(into: Tallies, columns: Columns, at_s: Floats | None, predictions: Floats | None) -> Profile:
    rows = length(columns)
    for start in range(0, rows, AT_ONCE):
        own = slice(start, start + AT_ONCE)
        _numbers(into, {key: values[own] for key, values in _numeric(into.numbers, columns, predictions, rows)})
        moments = None if at_s is None else at_s[own]
        for (name, _), times in into.times.items():
            values = columns[name][own]
            times.add(values, moments, int(np.isnan(values).sum()))
    for (name, _), booleans in into.booleans.items():
        values, missing = columns[name], int(np.isnan(columns[name]).sum())
        yes, no = int((values == 1).sum()), int((values == 0).sum())
        booleans.add(no, yes, missing, rows - yes - no - missing)
    for tallies in (into.growing, into.levels):
        for (name, _), texts in tallies.items():
            counts: Counter[Any] = Counter(list[Any](columns[name].tolist()))
            missing = counts.pop(None, 0)
            texts.add_counted(counts, missing)
    for (name, _), many in into.texts.items():
        values = columns[name].tolist()
        present = [value for value in values if value is not None]
        many.add(present, len(values) - len(present))
    since_s, until_s = _ends(at_s)
    return into.found(rows, since_s=since_s, until_s=until_s)


def _numeric(
    keys: Sequence[Key], columns: Columns, predictions: Floats | None, rows: int
) -> Iterator[tuple[Key, NDArray[Any]]]:
    for key in keys:
        if key[1] == "input":
            yield key, columns[key[0]]
        else:
            yield key, np.full(rows, np.nan) if predictions is None else predictions


def _numbers(into: Tallies, values: dict[Key, NDArray[Any]]) -> None:
    if values:
        block = np.stack(list(values.values())).astype(np.float64, copy=False)
        missing = np.isnan(block).sum(axis=1).tolist()
        into.pairs.add(into.groups[0].add(block, missing), block.shape[1])


def _ends(at_s: Floats | None) -> tuple[float | None, float | None]:
    known = np.empty(0) if at_s is None else at_s[np.isfinite(at_s)]
    if not known.size:
        return None, None
    return float(known.min()), float(known.max())
