"""Losses and summary metrics of many classes and of numbers, held to scikit-learn; classes nobody knew; costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from lockgate.errors import SpecError
from lockgate.metrics import LOSSES, SUMMARIES, cost, decided, loss

RNG = np.random.default_rng(43)
ROWS, K = 500, 4
RAW = RNG.gamma(0.7, size=(ROWS, K))
CHANCES = RAW / RAW.sum(axis=1, keepdims=True)
CLASS = np.array([RNG.choice(K, p=0.6 * p + 0.4 / K) for p in CHANCES]).astype(float)
SAID = CHANCES.argmax(axis=1)
VALUE, TRUTH = RNG.normal(5, 2, ROWS), RNG.normal(5, 2, ROWS)


def test_losses_are_scikit_learns() -> None:
    assert LOSSES["log_loss"].of(CHANCES, CLASS).mean() == pytest.approx(oracle.log_loss(CLASS, CHANCES), rel=1e-6)
    assert LOSSES["zero_one"].of(CHANCES, CLASS).mean() == pytest.approx(1 - oracle.accuracy_score(CLASS, SAID))
    hot = np.eye(K)[CLASS.astype(int)]
    assert LOSSES["brier"].of(CHANCES, CLASS) == pytest.approx(np.square(CHANCES - hot).sum(axis=1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", oracle.accuracy_score(CLASS, SAID)),
        ("balanced_accuracy", oracle.balanced_accuracy_score(CLASS, SAID)),
        ("macro_f1", oracle.f1_score(CLASS, SAID, average="macro")),
        ("macro_auc", oracle.roc_auc_score(CLASS, CHANCES, multi_class="ovr", average="macro")),
    ],
)
def test_summaries_are_scikit_learns(name: str, expected: float) -> None:
    assert SUMMARIES[name].of(CHANCES, CLASS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r2", oracle.r2_score(TRUTH, VALUE)),
        ("rmse", math.sqrt(oracle.mean_squared_error(TRUTH, VALUE))),
        ("relative_error", np.abs(TRUTH - VALUE).sum() / np.abs(TRUTH).sum()),
    ],
)
def test_metrics_of_numbers_are_scikit_learns(name: str, expected: float) -> None:
    assert SUMMARIES[name].of(VALUE, TRUTH) == pytest.approx(expected)


def test_two_columns_of_chances_say_what_one_does() -> None:
    one, outcome = CHANCES[:, 0], (CLASS == 0).astype(float)
    both = np.column_stack([1 - one, one])
    for name in ("log_loss", "zero_one"):
        assert LOSSES[name].of(both, outcome) == pytest.approx(LOSSES[name].of(one, outcome))
    assert LOSSES["brier"].of(both, outcome) == pytest.approx(2 * LOSSES["brier"].of(one, outcome))


def test_a_class_nobody_knew_is_wrong_and_was_given_no_chance() -> None:
    nobody = np.full(3, -1.0)
    assert LOSSES["zero_one"].of(CHANCES[:3], nobody) == pytest.approx([1, 1, 1])
    assert LOSSES["log_loss"].of(CHANCES[:3], nobody) == pytest.approx([-math.log(1e-6)] * 3)
    assert LOSSES["brier"].of(CHANCES[:3], nobody) == pytest.approx(np.square(CHANCES[:3]).sum(axis=1) + 1)


def test_caps_hold_for_the_worst_answer() -> None:
    worst, outcome = np.array([[1.0, 0.0]]), np.array([1.0])
    for name in ("log_loss", "brier", "zero_one"):
        assert LOSSES[name].of(worst, outcome)[0] <= (loss(name, "multiclass").cap or 0) + 1e-12
    assert loss("brier", "multiclass").cap == 2.0
    assert loss("brier", "binary").cap == 1.0


def test_decisions_are_the_likeliest_class_or_one_half_up() -> None:
    assert decided(np.array([0.2, 0.5, 0.9])).tolist() == [0, 1, 1]
    assert decided(np.array([[0.2, 0.5, 0.3]])).tolist() == [1]


def test_costs_cut_where_silence_would_cost_more() -> None:
    weighed = cost(1.0, 4.0)
    value, outcome = np.array([0.1, 0.19, 0.21, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])
    assert weighed.of(value, outcome).tolist() == [0.0, 4.0, 1.0, 0.0]
    assert weighed.cap == 4.0


@pytest.mark.parametrize("costs", [(0.0, 1.0), (1.0, -1.0), (math.inf, 1.0), (math.nan, 1.0)])
def test_costs_that_weigh_nothing_are_refused(costs: tuple[float, float]) -> None:
    with pytest.raises(SpecError, match="cannot be weighed"):
        cost(*costs)
