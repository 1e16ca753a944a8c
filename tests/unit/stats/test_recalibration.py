"""Recalibration: the line that was planted is found, and held to other people's fits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from lockgate.errors import SpecError
from lockgate.stats.recalibration import of_chances, of_values, surprises

RNG = np.random.default_rng(61)
LOGIT = RNG.normal(0, 1.5, 4000)
MOODS = norm.ppf((np.arange(100) + 0.5) / 100)
OUTCOME = (RNG.random(4000) < expit(LOGIT)).astype(float)


def test_the_planted_slope_and_intercept_are_found() -> None:
    found = of_chances(expit(2 * LOGIT + 1), OUTCOME, rng=RNG)
    assert found.slope == pytest.approx(0.5, abs=0.04)
    assert found.intercept == pytest.approx(-0.5, abs=0.08)
    assert found.p < 1e-10
    assert found.mended(expit(2 * LOGIT + 1)) == pytest.approx(expit(LOGIT), abs=0.03)


def test_chances_that_mean_what_they_say_are_left_alone() -> None:
    found = of_chances(expit(LOGIT), OUTCOME, rng=RNG)
    assert found.p > 0.05
    assert found.slope == pytest.approx(1, abs=0.1)


def test_the_fit_is_statsmodels() -> None:
    import statsmodels.api as sm

    said = expit(0.7 * LOGIT - 0.3)
    theirs = sm.Logit(OUTCOME, sm.add_constant(logit(said))).fit(disp=0)
    found = of_chances(said, OUTCOME, rng=RNG)
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
        accused += [of_chances(said, outcome, rng=RNG).p < 0.05, of_chances(said, outcome, day, rng=RNG).p < 0.05]
    assert accused[0] > 20
    assert accused[1] <= 8


def test_a_constant_has_one_direction_only() -> None:
    assert of_chances(np.full(4000, OUTCOME.mean()), OUTCOME, rng=RNG).p == pytest.approx(1)
    assert of_chances(np.full(4000, 0.9), OUTCOME, rng=RNG).p < 1e-6


def test_outcomes_told_apart_whole_have_no_slope_and_are_told_all_the_same() -> None:
    sure = np.where(OUTCOME > 0, 0.9, 0.1)
    found = of_chances(sure, OUTCOME, rng=RNG)
    assert np.isnan(found.slope)
    assert found.p < 1e-6


def test_one_surprise_too_few_of_a_model_that_nearly_separates_is_no_discovery() -> None:
    """Six of 172 were to go wrong and one did: the chance of that is some hundredths, whatever a fitted slope says."""
    chance = np.append(np.full(150, 0.995), np.linspace(0.6, 0.95, 22))
    came = np.ones(172)
    came[-10] = 0
    assert 5 < surprises(chance) < 7
    found = of_chances(chance, came, rng=RNG)
    assert np.isnan(found.slope)
    assert 0.01 < found.p < 0.2


def test_few_surprises_are_drawn_exactly() -> None:
    """Against all 2^12 outcomes, each weighed by its chance."""
    chance = np.linspace(0.05, 0.9, 12)
    came = np.array([0.0] * 9 + [1.0] * 3)
    design = np.column_stack([np.ones(12), logit(chance)])
    inverse = np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None]))
    every = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    weight = np.prod(np.where(every > 0, chance, 1 - chance), axis=1)
    scores = (every - chance) @ design
    size = np.einsum("di,ij,dj->d", scores, inverse, scores)
    seen = (came - chance) @ design
    expected = weight[size >= float(seen @ inverse @ seen) * (1 - 1e-9)].sum()
    found = np.mean([of_chances(chance, came, rng=RNG).p for _ in range(40)])
    assert found == pytest.approx(expected, abs=0.006)


def test_four_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="4 rows or blocks"):
        of_chances(np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0]), rng=RNG)
