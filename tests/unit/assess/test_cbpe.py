"""Metrics of two classes without outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.assess import cbpe, estimated, expecting
from lockgate.assess.expecting import Asked, Rows
from lockgate.metrics import expected

THEIRS = {
    "roc_auc": 0.8123609321948343,
    "f1": 0.7453789348099521,
    "precision": 0.7230558718136715,
    "recall": 0.7691242778401215,
    "specificity": 0.6960210325974736,
    "accuracy": 0.7331460421158946,
}


def world(rows: int, seed: int, shift: float = 0.0) -> Rows:
    """Chances that are too sure of themselves; inputs that say where a row comes from."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rows) + shift
    outcome = (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(float)
    level = np.where(x > 0, "up", "down").astype(object)
    return Rows(1 / (1 + np.exp(-2 * x)), {"x": x, "level": level}, outcome)


def test_it_is_what_nannyml_says_on_the_same_chunk():
    """NannyML 0.13.1 on the first world of benchmarks/monitoring/nannyml_cbpe.py, printed by it; that script compares all."""
    rng = np.random.default_rng(0)

    def drawn(rows: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal(rows) * 1.5 + shift
        true = 1 / (1 + np.exp(-x))
        return 1 / (1 + np.exp(-2 * x - 0.3)), (rng.random(rows) < true).astype(float)

    value, outcome = drawn(50_000, 0.0)
    chunk, _ = drawn(5_000, 0.0)
    found = cbpe.guesses(chunk, cbpe.calibrated(value, outcome)(chunk), alpha=0.05)
    assert {name: found[name].value for name in THEIRS} == pytest.approx(THEIRS, abs=1e-6)


def test_where_the_chances_are_right_the_luck_covers_as_often_as_it_says():
    asked = Asked("CBPE", alpha=0.1)
    calibrate = expecting.fitted(asked, world(40_000, 1))
    hits = dict.fromkeys(expected.DIRECTIONS, 0)
    for seed in range(200):
        rows = world(1_500, 100 + seed)
        guesses = calibrate(rows).guesses
        for name, true in expecting.realised("CBPE", rows).items():
            hits[name] += guesses[name].low <= true <= guesses[name].high
    # Binomial(200, .9) is at 165 or under with chance .001; a reference of 40,000 rows adds a little of its own error.
    assert min(hits.values()) >= 165, hits


def test_weights_mend_what_a_shift_of_the_inputs_breaks():
    """Calibration differs by where a row comes from, so that a live window from one of the places misleads plain CBPE."""

    def places(rows: int, seed: int, share: float) -> Rows:
        rng = np.random.default_rng(seed)
        is_far = rng.random(rows) < share
        value = rng.random(rows)
        true = np.where(is_far, value**3, value)
        return Rows(value, {"far": is_far.astype(float)}, (rng.random(rows) < true).astype(float))

    reference, live = places(20_000, 1, 0.5), places(10_000, 2, 0.9)
    errors = {}
    for method in ("CBPE", "M-CBPE"):
        found = expecting.fitted(Asked(method), reference)(live)
        errors[method] = abs(estimated.errors_of(Asked(method), found, live)["precision"].error)
        assert (found.effective_rows < 20_000) == (method == "M-CBPE")
    assert errors["M-CBPE"] < errors["CBPE"] / 3, errors


def test_no_weight_goes_beyond_what_a_clipped_classifier_gives():
    weight = expecting.domain_weights(world(2_000, 1), world(1_000, 2, shift=5.0), seed=0)
    assert weight.min() >= 2 * 0.05 / 0.95 - 1e-9
    assert weight.max() <= 2 * 0.95 / 0.05 + 1e-9


def test_a_reference_of_one_class_has_no_area_and_a_word_for_it():
    one = world(2_000, 1)._replace(outcome=np.ones(2_000))
    own = estimated.estimator(Asked("CBPE"), one, rows_per_window=500)
    found = estimated.estimated(own, own.of(world(500, 2)), rows=500, errors=own.errors)
    area = found.measure("roc_auc")
    assert area is not None
    assert (area.value, area.low, area.why) == (None, None, "one class only, or one row")
    assert "one class only, 1" in found.notes[0]


def test_the_interval_holds_the_estimates_own_past_error():
    own = estimated.estimator(Asked("CBPE"), world(8_000, 1), rows_per_window=1_000)
    rows = world(1_000, 2)
    found = estimated.estimated(own, own.of(rows), rows=1_000, errors=own.errors)
    worse = {name: [past._replace(error=past.error + 0.2) for past in each] for name, each in own.errors.items()}
    wider = estimated.estimated(own, own.of(rows), rows=1_000, errors=worse)
    area, wide = found.measure("roc_auc"), wider.measure("roc_auc")
    assert area is not None
    assert wide is not None
    assert area.past_windows == 8
    assert area.low <= area.drawn_low < area.value < area.drawn_high <= area.high
    assert wide.high - wide.low > 2 * (area.high - area.low) or (wide.low, wide.high) == (0.0, 1.0)
    assert "if P(Y|X) is unchanged" in found.sentence


def test_without_past_errors_it_says_that_it_is_too_short():
    own = estimated.estimator(Asked("CBPE"), world(30, 1), rows_per_window=1_000)
    found = estimated.estimated(own, own.of(world(100, 2)), rows=100, errors=own.errors)
    assert all(one.past_error is None for one in found.measures)
    assert "too short" in found.notes[0]


def test_a_model_of_the_loss_follows_rows_to_where_the_loss_is_larger():
    def noisy(rows: int, seed: int, high: float) -> Rows:
        rng = np.random.default_rng(seed)
        x = rng.random(rows) * high
        return Rows(x, {"x": x}, x + rng.standard_normal(rows) * x)

    reference, live = noisy(8_000, 1, 10.0), noisy(2_000, 2, 2.0)
    found = expecting.fitted(Asked("loss model"), reference)(live).guesses
    true = expecting.realised("loss model", live)
    before = expecting.realised("loss model", reference)["absolute_error"]
    assert abs(found["absolute_error"].value - true["absolute_error"]) < abs(before - true["absolute_error"]) / 4
    assert math.isfinite(found["rmse"].value)
