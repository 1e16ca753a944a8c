"""How well one column alone tells the outcome: a rule learnt from it on some rows, and tried on the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess.encoded import Coded, Codes, cross_means
from lockgate.assess.question import Floats
from lockgate.metrics import roc_auc

FOLDS = 5
BINS = 32
SMOOTHING = 2.0
OWN_VALUES = 0.95


class Told(NamedTuple):
    """How well one column tells the outcome: the figure, from 0.5 or 0 for not at all to 1, and in words."""

    value: float
    words: str


def told(task: str, values: NDArray[Any], own: Coded, outcome: Floats, fold: Codes) -> Told:
    """By bins and levels, or by the number's own size where that says more. fold: each row's, of five.

    An AUC, the share of an outcome's variance, or of many classes the share of what the commonest one leaves wrong.
    """
    cells, count = _cells(values, own)
    found = by_cells(task, cells, count, outcome, fold)
    if values.dtype == object or task == "multiclass":
        return found
    in_order = _in_order if task == "regression" else _by_size
    return max(found, in_order(values, own, outcome), key=_value)


def _cells(values: NDArray[Any], own: Coded) -> tuple[Codes, int]:
    """A number's 32 bins of equal counts and one of missing; levels as they are."""
    if values.dtype == object or own.distinct <= 2 * BINS:
        return own.codes, own.distinct
    present = values[~own.missing]
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="lower"))  # no mean of infinities
    cells = np.searchsorted(edges, np.where(own.missing, 0.0, values), side="left")
    cells[own.missing] = edges.size + 1
    return cells.astype(np.int64), edges.size + 2


def by_cells(task: str, cells: Codes, count: int, outcome: Floats, fold: Codes) -> Told:
    """A rule of this column alone, learnt on the other folds: a row is never told by its own outcome."""
    if task == "multiclass":
        return _of_classes(cells, count, outcome, fold)
    said = cross_means(cells, count, outcome, fold, FOLDS, SMOOTHING)
    if task == "binary":
        auc = roc_auc(said, outcome)
        return Told(auc, f"AUC {auc:.4f}")
    spread = float(np.square(outcome - outcome.mean()).sum())
    share = 1 - float(np.square(outcome - said).sum()) / spread
    return Told(share, f"{share:.2%} of its variance")


def _of_classes(cells: Codes, count: int, outcome: Floats, fold: Codes) -> Told:
    labels, place = np.unique(outcome, return_inverse=True)
    shape = (FOLDS, count, labels.size)
    if FOLDS * count * labels.size > 50_000_000:  # more levels than could ever be learnt from so few rows
        return Told(0.0, "")
    flat = (fold * count + cells) * labels.size + place
    seen = np.bincount(flat, minlength=FOLDS * count * labels.size).reshape(shape)
    elsewhere = seen.sum(axis=0) - seen
    # A cell that the other folds never saw is answered with their commonest class.
    said = (elsewhere + 1e-6 * elsewhere.sum(axis=1, keepdims=True)).argmax(axis=2)[fold, cells]
    right = float((said == place).mean())
    common = float(np.bincount(place).max()) / place.size
    return Told(
        (right - common) / (1 - common), f"{right:.2%} of the rows, against {common:.0%} of the commonest class"
    )


def _value(told: Told) -> float:
    return told.value


def _by_size(values: NDArray[Any], own: Coded, outcome: Floats) -> Told:
    """The AUC of the number itself, either way round: a bin that holds the line between the classes blurs it."""
    auc = roc_auc(np.where(own.missing, -np.inf, values), outcome)
    auc = max(auc, 1 - auc)
    return Told(auc, f"AUC {auc:.4f}")


def _in_order(values: NDArray[Any], own: Coded, outcome: Floats) -> Told:
    """Spearman's rank correlation: a copy under another scale, whatever its tails do to the variance."""
    there = ~own.missing
    if there.sum() < OWN_VALUES * there.size or own.distinct < 2 * BINS:
        return Told(0.0, "")
    ranks = (_ranks(values[there]), _ranks(outcome[there]))
    found = abs(float(np.corrcoef(*ranks)[0, 1]))
    # Squared, it is the share of the ranks' variance: the same line as for bins.
    return Told(found * found, f"rank correlation {found:.4f}")


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return found
