"""Metrics, held to scikit-learn and to their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from lockgate.errors import SpecError
from lockgate.metrics import LOSSES, SUMMARIES, brier, loss, roc_auc, skill

RNG = np.random.default_rng(41)
OUTCOME = (RNG.random(400) < 0.3).astype(float)
CHANCE = np.clip(0.3 * OUTCOME + 0.7 * RNG.random(400), 0, 1)
TIED = np.round(CHANCE, 1)


def test_log_loss_is_scikit_learns() -> None:
    assert LOSSES["log_loss"].of(CHANCE, OUTCOME).mean() == pytest.approx(oracle.log_loss(OUTCOME, CHANCE))


def test_brier_is_scikit_learns_as_a_loss_and_as_a_summary() -> None:
    expected = oracle.brier_score_loss(OUTCOME, CHANCE)
    assert LOSSES["brier"].of(CHANCE, OUTCOME).mean() == pytest.approx(expected)
    assert brier(CHANCE, OUTCOME) == pytest.approx(expected)


@pytest.mark.parametrize("value", [CHANCE, TIED, np.full(400, 0.5), -CHANCE])
def test_auc_is_scikit_learns_also_with_ties(value: np.ndarray) -> None:
    assert roc_auc(value, OUTCOME) == pytest.approx(oracle.roc_auc_score(OUTCOME, value))


def test_auc_by_hand_counts_a_tie_as_half() -> None:
    assert roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(3.5 / 4)


def test_auc_of_one_class_is_unknown() -> None:
    assert math.isnan(roc_auc(CHANCE, np.ones(400)))
    assert math.isnan(roc_auc(CHANCE, np.zeros(400)))


def test_zero_one_is_one_minus_accuracy() -> None:
    expected = 1 - oracle.accuracy_score(OUTCOME, CHANCE >= 0.5)
    assert LOSSES["zero_one"].of(CHANCE, OUTCOME).mean() == pytest.approx(expected)


def test_regression_losses_are_scikit_learns() -> None:
    value, outcome = RNG.standard_normal(100), RNG.standard_normal(100)
    assert LOSSES["absolute_error"].of(value, outcome).mean() == pytest.approx(
        oracle.mean_absolute_error(outcome, value)
    )
    assert LOSSES["squared_error"].of(value, outcome).mean() == pytest.approx(oracle.mean_squared_error(outcome, value))


@pytest.mark.parametrize("name", [name for name, found in LOSSES.items() if found.cap is not None])
def test_the_worst_mistake_costs_the_cap_and_no_more(name: str) -> None:
    worst = LOSSES[name].of(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert worst.tolist() == pytest.approx([LOSSES[name].cap] * 2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_answer_costs_nothing(name: str) -> None:
    assert LOSSES[name].of(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx(0, abs=2e-6)


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name in LOSSES])
def test_a_summary_of_a_loss_is_its_mean(name: str) -> None:
    assert SUMMARIES[name].of(CHANCE, OUTCOME) == pytest.approx(LOSSES[name].of(CHANCE, OUTCOME).mean())


def test_skill_is_one_for_perfect_nought_for_the_base_rate_and_unknown_without_one() -> None:
    assert skill(0.0, 5.0) == 1
    assert skill(5.0, 5.0) == 0
    assert skill(10.0, 5.0) == -1
    assert math.isnan(skill(1.0, 0.0))


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="Did you mean 'log_loss'"):
        loss("logloss", "binary")


def test_a_metric_of_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(SpecError, match=r"does not fit a regression task\. Choose one of: absolute_error"):
        loss("log_loss", "regression")
    assert loss("brier", "binary").name == "brier"
