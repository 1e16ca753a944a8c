"""Pulls are derivatives: held to small changes of a row's weight, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lockgate.metrics import SUMMARIES
from lockgate.stats import paired

RNG = np.random.default_rng(47)
ROWS = 60
OUTCOME = (RNG.random(ROWS) < 0.4).astype(float)
CHANCE = np.round(np.clip(0.3 * OUTCOME + 0.7 * RNG.random(ROWS), 0.01, 0.99), 2)
RAW = RNG.gamma(0.8, size=(ROWS, 3))
CHANCES = RAW / RAW.sum(axis=1, keepdims=True)
CLASS = RNG.integers(0, 3, ROWS).astype(float)
TRUTH = RNG.normal(5, 2, ROWS)
VALUE = TRUTH + RNG.normal(0, 1, ROWS)
COPIES = 400

CASES = [
    *((name, CHANCE, OUTCOME) for name, m in SUMMARIES.items() if "binary" in m.tasks and m.pull),
    *((name, CHANCES, CLASS) for name, m in SUMMARIES.items() if "multiclass" in m.tasks and m.pull),
    *((name, VALUE, TRUTH) for name, m in SUMMARIES.items() if "regression" in m.tasks),
]


def by_hand(of: Callable[[np.ndarray, np.ndarray], float], value: np.ndarray, outcome: np.ndarray, row: int) -> float:
    """The metric's slope in one row's weight: every row 400 times, this one two copies more, or less, than that."""

    def with_copies(copies: int) -> float:
        counts = np.full(outcome.size, COPIES)
        counts[row] = copies
        rows = np.repeat(np.arange(outcome.size), counts)
        return of(value[rows], outcome[rows])

    return (with_copies(COPIES + 2) - with_copies(COPIES - 2)) / 4 * COPIES * outcome.size


@pytest.mark.parametrize(("name", "value", "outcome"), CASES, ids=[f"{n} {v.ndim}" for n, v, _ in CASES])
def test_a_pull_is_the_slope_in_a_rows_weight(name: str, value: np.ndarray, outcome: np.ndarray) -> None:
    metric = SUMMARIES[name]
    assert metric.pull is not None
    pulls = metric.pull(value, outcome)
    assert pulls.sum() == pytest.approx(0, abs=1e-9 * ROWS)
    for row in range(0, ROWS, 7):
        assert pulls[row] == pytest.approx(by_hand(metric.of, value, outcome, row), abs=2e-3), (name, row)


def test_the_pulls_of_an_auc_are_delongs_placements() -> None:
    pull = SUMMARIES["roc_auc"].pull
    assert pull is not None
    other = RNG.random(ROWS)
    pulls = pull(CHANCE, OUTCOME) - pull(other, OUTCOME)
    ones = int(OUTCOME.sum())
    se = paired.delong(OUTCOME, CHANCE, other, alpha=0.05).se
    unbiased = sum(
        float(np.square(pulls[label == OUTCOME]).sum()) / ROWS**2 * n / (n - 1)
        for label, n in ((1.0, ones), (0.0, ROWS - ones))
    )
    assert np.sqrt(unbiased) == pytest.approx(se)
