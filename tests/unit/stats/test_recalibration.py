"""Recalibration: the line that was planted is found, and held to other people's fits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from lockgate.errors import SpecError
from lockgate.stats.recalibration import of_chances, of_values

RNG = np.random.default_rng(61)
LOGIT = RNG.normal(0, 1.5, 4000)
MOODS = norm.ppf((np.arange(100) + 0.5) / 100)
OUTCOME = (RNG.random(4000) < expit(LOGIT)).astype(float)


def test_the_planted_slope_and_intercept_are_found() -> None:
    found = of_chances(expit(2 * LOGIT + 1), OUTCOME)
    assert found.slope == pytest.approx(0.5, abs=0.04)
    assert found.intercept == pytest.approx(-0.5, abs=0.08)
    assert found.p < 1e-10
    assert found.mended(expit(2 * LOGIT + 1)) == pytest.approx(expit(LOGIT), abs=0.03)


def test_chances_that_mean_what_they_say_are_left_alone() -> None:
    found = of_chances(expit(LOGIT), OUTCOME)
    assert found.p > 0.05
    assert found.slope == pytest.approx(1, abs=0.1)


def test_the_fit_is_statsmodels() -> None:
    import statsmodels.api as sm

    said = expit(0.7 * LOGIT - 0.3)
    theirs = sm.Logit(OUTCOME, sm.add_constant(logit(said))).fit(disp=0)
    found = of_chances(said, OUTCOME)
    assert (found.intercept, found.slope) == pytest.approx(tuple(theirs.params), rel=1e-5)


def test_numbers_by_their_line() -> None:
    truth = RNG.normal(10, 3, 500)
    said = (truth - 4) / 2 + RNG.normal(0, 0.01, 500)
    found = of_values(said, truth)
    assert (found.intercept, found.slope) == pytest.approx((4, 2), abs=0.02)
    assert found.p < 1e-10


def test_rows_of_a_block_go_together() -> None:
    """Moods of days that nobody can know are no fault of calibration: by rows they look like one."""
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(40), 100)
    accused = np.zeros(2)
    for _ in range(60):
        mood = rng.standard_normal(40)[day]
        # The chance over all moods that a day may have: what a calibrated model says without knowing the mood.
        outcome = (LOGIT + 0.8 * mood + rng.logistic(size=4000) > 0).astype(float)
        said = np.mean([expit(LOGIT + 0.8 * z) for z in MOODS], axis=0)
        accused += [of_chances(said, outcome).p < 0.05, of_chances(said, outcome, day).p < 0.05]
    assert accused[0] > 20
    assert accused[1] <= 8


def test_a_constant_has_one_direction_only() -> None:
    assert of_chances(np.full(4000, OUTCOME.mean()), OUTCOME).p == pytest.approx(1)
    assert of_chances(np.full(4000, 0.9), OUTCOME).p < 1e-6


def test_outcomes_told_apart_whole_do_not_run_off() -> None:
    sure = np.where(OUTCOME > 0, 0.9, 0.1)
    assert np.isfinite(of_chances(sure, OUTCOME).slope)


def test_four_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="4 rows or blocks"):
        of_chances(np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0]))
