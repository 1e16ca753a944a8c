"""One formula for what is expected and for what was realised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as theirs

from lockgate.metrics import expected

RNG = np.random.default_rng(3)
VALUE = np.round(RNG.random(400), 2)
OUTCOME = (RNG.random(400) < VALUE).astype(float)


def test_outcomes_give_the_metrics_that_scikit_learn_gives():
    found = expected.measures(VALUE, OUTCOME)
    says = VALUE >= 0.5
    assert found == pytest.approx(
        {
            "log_loss": theirs.log_loss(OUTCOME, np.clip(VALUE, 1e-6, 1 - 1e-6)),
            "brier": theirs.brier_score_loss(OUTCOME, VALUE),
            "roc_auc": theirs.roc_auc_score(OUTCOME, VALUE),
            "accuracy": theirs.accuracy_score(OUTCOME, says),
            "precision": theirs.precision_score(OUTCOME, says),
            "recall": theirs.recall_score(OUTCOME, says),
            "specificity": theirs.recall_score(1 - OUTCOME, ~says),
            "f1": theirs.f1_score(OUTCOME, says),
        }
    )


def test_chances_give_the_mean_over_drawn_outcomes():
    """Losses and the accuracy are linear in the outcomes; ratios and areas nearly, over so many rows."""
    chance = VALUE**2
    rng = np.random.default_rng(4)
    drawn = [expected.measures(VALUE, (rng.random(400) < chance).astype(float)) for _ in range(400)]
    found = expected.measures(VALUE, chance)
    for name, value in found.items():
        each = np.array([one[name] for one in drawn])
        assert value == pytest.approx(each.mean(), abs=4 * each.std() / 20 + 0.003), name


def test_the_pull_of_the_area_is_its_derivative():
    chance, step = VALUE**2, 1e-6
    pull = expected.auc_pull(VALUE, chance)
    for row in (0, 17, 399):
        moved = chance.copy()
        moved[row] += step
        slope = (expected.roc_auc(VALUE, moved) - expected.roc_auc(VALUE, chance)) / step
        assert pull[row] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_has_no_area_and_no_share_of_the_other(outcome):
    found = expected.measures(VALUE, np.full(400, outcome))
    assert math.isnan(found["roc_auc"])
    assert math.isnan(found["recall" if outcome == 0 else "specificity"])
    assert math.isfinite(found["log_loss"])
    assert not expected.auc_pull(VALUE, np.full(400, outcome)).any()


def test_no_rows_have_no_metric_and_every_missing_one_has_a_word():
    found = expected.measures(np.empty(0), np.empty(0))
    assert all(math.isnan(value) for value in found.values())
    assert set(expected.WHY) < set(expected.DIRECTIONS)
