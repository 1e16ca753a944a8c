"""F1 and balanced accuracy as means of shares that can be counted, so that their intervals hold where errors are few.

The pulls of a metric rest on the rows that are wrong: with one or two of those an interval from pulls says nothing of use.
A recall is a share of a class's rows. An F1 follows from one too: of the rows that are of a class or were said to be, the
share J that are both (Jaccard); F1 = 2 J / (1 + J).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics.losses import decided

Floats = NDArray[np.float64]


class Shares(NamedTuple):
    """hits, rows: shape (k,), counted for each class; the metric is the mean of the shares, each as `is_f1` carries it
    over. together: shape (k, k), how far the errors of two classes are the same rows, as a correlation.
    """

    hits: Floats
    rows: Floats
    together: Floats
    is_f1: bool

    def carried(self, share: Floats) -> Floats:
        found: Floats = 2 * share / (1 + share) if self.is_f1 else share
        return found


def of_recalls(value: Floats, outcome: Floats) -> Shares:
    """Of balanced accuracy: each class's own rows, which are no other's."""
    labels, place = np.unique(outcome, return_inverse=True)
    is_right = (decided(value) == outcome).astype(np.float64)
    rows = np.bincount(place).astype(np.float64)
    hits = np.bincount(place, weights=is_right).astype(np.float64)
    return Shares(hits, rows, np.eye(labels.size), is_f1=False)


def of_f1(value: Floats, outcome: Floats) -> Shares:
    """Of the F1 of class 1."""
    says, is_it = value >= 0.5, outcome >= 0.5
    both, either = float((says & is_it).sum()), float((says | is_it).sum())
    return Shares(np.array([both]), np.array([either]), np.eye(1), is_f1=True)


def of_macro_f1(value: Floats, outcome: Floats) -> Shares:
    """Of the mean F1 over the classes that occur or are said. A wrong row counts in two classes: the one it is of and the
    one it was said to be; so errors of two classes lean together by the rows that they share.
    """
    says = decided(value)
    labels = np.union1d(says, outcome)
    counts = np.zeros((labels.size, labels.size))
    np.add.at(counts, (np.searchsorted(labels, outcome), np.searchsorted(labels, says)), 1.0)
    hits = np.diag(counts)
    wrong = counts + counts.T
    np.fill_diagonal(wrong, 0.0)
    rows = hits + wrong.sum(axis=1)
    # A row that is both pulls an F1 by 2 - 2 F1, one that is either by -F1, over the same divisor.
    f1 = 2 * hits / (2 * hits + wrong.sum(axis=1))
    spread = np.sqrt(hits * np.square(2 - 2 * f1) + wrong.sum(axis=1) * np.square(f1))
    apart = np.outer(spread, spread)
    together = np.divide(wrong * np.outer(f1, f1), apart, out=np.zeros_like(apart), where=apart > 0)
    np.fill_diagonal(together, 1.0)
    return Shares(hits, rows, together, is_f1=True)
