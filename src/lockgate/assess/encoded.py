"""Columns as small whole numbers: what leaks, duplicates and shifts are counted on, in one pass per column."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LEVELS = 30
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Coded(NamedTuple):
    """codes: shape (n,), a number for each distinct value, missing as one of them; distinct: how many there are;
    missing: shape (n,).
    """

    codes: Codes
    distinct: int
    missing: NDArray[np.bool_]


def coded(values: NDArray[Any]) -> Coded:
    if values.dtype == object:
        place: dict[Any, int] = {}
        codes = np.fromiter((place.setdefault(v, len(place)) for v in values.tolist()), np.int64, len(values))
        none = place.get(None)
        missing = codes == none if none is not None else np.zeros(codes.size, dtype=np.bool_)
        return Coded(codes, len(place), missing)
    levels, found = np.unique(values, return_inverse=True)
    return Coded(found.astype(np.int64), levels.size, np.isnan(values))


def as_numbers(values: NDArray[Any]) -> Floats:
    """A column for a model of trees: levels as their rank by frequency, the rarest together; missing is NaN."""
    if values.dtype != object:
        # scikit-learn takes what is missing, and nothing infinite.
        return np.clip(values.astype(np.float64), -1e300, 1e300)
    own = coded(values)
    counts = np.bincount(own.codes, minlength=own.distinct)
    rank = np.empty(own.distinct)
    rank[np.argsort(-counts, kind="stable")] = np.arange(own.distinct)
    found = np.minimum(rank[own.codes], LEVELS)
    found[own.missing] = np.nan
    return found


def row_keys(columns: Columns, names: tuple[str, ...]) -> NDArray[np.uint64]:
    """A number of 64 bits for each row, equal where all named columns are (SplitMix64 over the values).

    Two rows that differ share one with chance 2^-64. Keys of one process may be compared, and no others.
    """
    rows = len(columns[names[0]])
    keys = np.zeros(rows, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in names:
            keys = (keys ^ _bits(columns[name])) * _MIX
            keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            keys ^= keys >> np.uint64(31)
            keys += _MIX
    return keys


def _bits(values: NDArray[Any]) -> NDArray[np.uint64]:
    if values.dtype == object:
        return np.fromiter((hash(v) & 0xFFFFFFFFFFFFFFFF for v in values.tolist()), np.uint64, len(values))
    # One nought and one NaN, however they were written.
    plain = np.where(np.isnan(values), np.nan, values + 0.0)
    return plain.astype(np.float64).view(np.uint64)


def cross_means(codes: Codes, distinct: int, target: Floats, fold: Codes, folds: int, smoothing: float) -> Floats:
    """For each row the mean target of its code over the other folds, pulled to the whole's by `smoothing` rows' worth.

    target: shape (n,) or (n, k); returns the same shape. No row is told its own outcome.
    """
    cell = fold * distinct + codes
    counts = np.bincount(cell, minlength=folds * distinct).reshape(folds, distinct).astype(np.float64)
    others = counts.sum(axis=0) - counts
    table = target if target.ndim == 2 else target[:, None]
    found = np.empty_like(table)
    for at in range(table.shape[1]):
        sums = np.bincount(cell, weights=table[:, at], minlength=folds * distinct).reshape(folds, distinct)
        elsewhere = sums.sum(axis=0) - sums
        # The pull is towards the mean of the same other folds: the whole's own would tell a row its outcome.
        mean = elsewhere.sum(axis=1, keepdims=True) / np.maximum(others.sum(axis=1, keepdims=True), 1)
        found[:, at] = ((elsewhere + smoothing * mean) / (others + smoothing))[fold, codes]
    return found if target.ndim == 2 else found[:, 0]
