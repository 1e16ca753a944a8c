"""Which metric is proposed, why, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.metrics import propose

RNG = np.random.default_rng(53)
RARE = (np.arange(1000) < 12).astype(float)
EVEN = (np.arange(1000) % 2).astype(float)


def test_rare_classes_are_named_with_what_accuracy_would_say() -> None:
    found = propose("binary", RARE, ("kept", "lost"))
    assert found.metric == "log_loss"
    assert "Only 1.2% of the rows are 'lost'" in found.reason
    assert "right on 98.8%" in found.reason
    assert {a.metric for a in found.alternatives} == {"brier", "average_precision", "roc_auc", "zero_one", "cost"}


def test_an_even_outcome_needs_no_warning() -> None:
    assert "50% of the rows are 1" in propose("binary", EVEN, ("0", "1")).reason


def test_costs_rule_where_they_are_given() -> None:
    found = propose("binary", RARE, ("0", "1"), costs=(1, 25))
    assert found.metric == "cost"
    assert "a false alarm costs 1 and a miss 25" in found.reason
    with pytest.raises(SpecError, match="binary task"):
        propose("regression", EVEN, (), costs=(1, 25))


def test_labels_alone_are_judged_by_accuracy_and_where_one_class_rules_by_each_class_alike() -> None:
    assert propose("binary", EVEN, ("0", "1"), is_labels=True).metric == "accuracy"
    rare = propose("binary", RARE, ("0", "1"), is_labels=True)
    assert rare.metric == "balanced_accuracy"
    assert "gives no chances" in rare.reason
    with pytest.raises(SpecError, match="needs chances"):
        propose("binary", EVEN, ("0", "1"), asked="roc_auc", is_labels=True)


def test_many_classes() -> None:
    outcome = np.array([0.0] * 80 + [1.0] * 15 + [2.0] * 5)
    found = propose("multiclass", outcome, ("a", "b", "c"))
    assert found.metric == "log_loss"
    assert "80% of the rows are 'a'" in found.reason
    assert {a.metric for a in found.alternatives} == {"brier", "accuracy", "balanced_accuracy", "macro_f1"}


@pytest.mark.parametrize(
    ("outcome", "metric", "told"),
    [
        (RNG.normal(size=2000), "absolute_error", "own units"),
        (np.exp(2 * RNG.normal(size=2000)), "absolute_error", "robust standard deviations from the middle"),
        (np.where(RNG.random(2000) < 0.6, 0, RNG.gamma(2, size=2000)), "squared_error", "of the rows are 0"),
    ],
)
def test_numbers_by_their_tails_and_their_noughts(outcome: np.ndarray, metric: str, told: str) -> None:
    found = propose("regression", outcome, ())
    assert found.metric == metric
    assert told in found.reason


def test_an_asked_metric_is_taken_or_refused_with_what_fits() -> None:
    assert propose("binary", EVEN, ("0", "1"), asked="f1").is_asked
    with pytest.raises(SpecError, match="does not fit a regression task") as caught:
        propose("regression", EVEN, (), asked="f1")
    assert "rmse" in caught.value.cure
    with pytest.raises(SpecError, match="Did you mean 'brier'"):
        propose("binary", EVEN, ("0", "1"), asked="brierr")
    with pytest.raises(SpecError, match="no task"):
        propose("ranking", EVEN, ())
