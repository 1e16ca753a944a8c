"""Metrics as means of counted shares: the same value, and an interval where next to nothing is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.assess.scores import Judged, score
from lockgate.metrics import SUMMARIES
from lockgate.metrics.shares import of_macro_f1

RNG = np.random.default_rng(67)
OUTCOME = RNG.integers(0, 3, 172).astype(float)


def answers(wrong: int) -> np.ndarray:
    """Decisions for three classes, so many of them wrong."""
    said = OUTCOME.astype(int)
    said[:wrong] = (said[:wrong] + 1) % 3
    return np.eye(3)[said]


@pytest.mark.parametrize("wrong", [0, 1, 30, 172])
@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy"])
def test_the_mean_of_the_shares_is_the_metric(name: str, wrong: int) -> None:
    metric = SUMMARIES[name]
    assert metric.shares is not None
    found = metric.shares(answers(wrong), OUTCOME)
    assert found.carried(found.hits / found.rows).mean() == pytest.approx(metric.of(answers(wrong), OUTCOME))


def test_f1_follows_from_one_share() -> None:
    chance = np.clip(0.3 * (OUTCOME > 1) + 0.7 * RNG.random(172), 0, 1)
    metric = SUMMARIES["f1"]
    assert metric.shares is not None
    found = metric.shares(chance, (OUTCOME > 1).astype(float))
    assert found.carried(found.hits / found.rows)[0] == pytest.approx(metric.of(chance, (OUTCOME > 1).astype(float)))


@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy"])
def test_one_wrong_row_of_many_is_no_reason_for_an_interval_that_says_nothing(name: str) -> None:
    found = score(SUMMARIES[name], answers(1), Judged("multiclass", OUTCOME, None, "row", 0.05, 0))
    assert found.low is not None
    assert 0.94 < found.low < found.value < (found.high or 0) <= 1
    none = score(SUMMARIES[name], answers(0), Judged("multiclass", OUTCOME, None, "row", 0.05, 0))
    assert none.high == 1
    assert 0.94 < (none.low or 0) < 1


def test_errors_of_two_classes_lean_together_by_the_rows_they_share() -> None:
    together = of_macro_f1(answers(30), OUTCOME).together
    assert (together >= 0).all()
    assert np.diag(together).tolist() == [1, 1, 1]
    assert 0 < together[0, 1] < 1
