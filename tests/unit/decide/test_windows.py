"""Which window is trained on, where the break lies, and what the recipe's replay asks for."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.decide.recipe import judged, replay
from lockgate.decide.windows import choose, last_break
from lockgate.records import RolloutSpec, Ruling

DAYS = 14
DAY = 86400.0


def losses(shifts: dict[str, float], seed: int, *, sd: float = 0.01) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each day's sum, the day's own weather shared by all windows."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(80, 120, DAYS).astype(np.float64)
    common = rng.normal(0.5, 0.05, DAYS)
    return {name: (common + shift + rng.normal(0, sd, DAYS)) * counts for name, shift in shifts.items()}, counts


def test_a_window_that_is_plainly_better_is_chosen_and_its_figures_stand_in_the_verdict():
    sums, counts = losses({"all": 0.0, "recent 90d": -0.05, "since break": 0.03}, 1)
    found = choose(sums, counts, default="all", metric="log_loss", alpha=0.05)
    assert found.name == "recent 90d"
    assert found.judgement.ruling is Ruling.PASS
    assert found.compared["recent 90d"].mean.high < 0
    assert {"loss of all", "loss of recent 90d", "loss of since break"} <= set(found.judgement.evidence.detail)
    assert "'recent 90d', which is better than 'all'" in found.judgement.sentence


def test_of_two_better_ones_the_best_is_chosen():
    sums, counts = losses({"all": 0.0, "recent 90d": -0.05, "since break": -0.08}, 2)
    assert choose(sums, counts, default="all", metric="log_loss", alpha=0.05).name == "since break"


def test_the_default_stays_where_the_other_is_worse():
    sums, counts = losses({"all": 0.0, "recent 90d": 0.05}, 3)
    found = choose(sums, counts, default="all", metric="log_loss", alpha=0.05)
    assert found.name == "all"
    assert found.judgement.ruling is Ruling.UNDECIDED


def test_windows_that_are_alike_unseat_the_default_in_one_case_of_twenty_at_most():
    wrong = 0
    for seed in range(2000):
        sums, counts = losses({"all": 0.0, "recent 90d": 0.0, "since break": 0.0}, seed)
        wrong += choose(sums, counts, default="all", metric="log_loss", alpha=0.05).name != "all"
    assert wrong / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert wrong > 0, "a test that never errs says nothing of its rate"


def test_a_break_is_found_near_its_day():
    rng = np.random.default_rng(4)
    excess = np.concatenate([rng.normal(0, 0.02, 60), rng.normal(0.06, 0.02, 30)])
    assert abs(last_break(excess, is_known=False) - 60) <= 2
    assert abs(last_break(excess, is_known=True) - 60) <= 2


def test_days_that_are_alike_hold_no_break():
    found = [last_break(np.random.default_rng(seed).normal(0, 0.02, 100), is_known=False) for seed in range(200)]
    assert sum(place is not None for place in found) <= 20, "at most one in ten over 80 days, for a run length of 1,000"


def test_a_fall_of_the_excess_is_no_break():
    excess = np.concatenate([np.full(30, 0.05), np.full(30, 0.0)]) + np.random.default_rng(5).normal(0, 0.001, 60)
    assert last_break(excess, is_known=False) is None


def test_past_cut_offs_stand_as_far_apart_as_the_champion_is_old():
    found = replay(began_s=0.0, until_s=300 * DAY, age_s=50 * DAY)
    assert found is not None
    assert found.age_s == 50 * DAY
    assert [cut / DAY for cut in found.cuts] == [100, 150, 200, 250]
    assert not found.is_younger


def test_a_history_too_short_for_that_age_takes_the_longest_that_leaves_two():
    found = replay(began_s=0.0, until_s=148 * DAY, age_s=200 * DAY)
    assert found is not None
    assert found.age_s == 40 * DAY
    assert len(found.cuts) == 2
    assert found.cuts[0] - found.age_s >= 28 * DAY, "the oldest training sees four weeks"
    assert found.is_younger
    assert replay(began_s=0.0, until_s=40 * DAY, age_s=200 * DAY) is None


@pytest.mark.parametrize(("gain", "ruling"), [(-0.02, Ruling.PASS), (0.0, Ruling.UNDECIDED), (0.03, Ruling.FAIL)])
def test_the_recipe_is_judged_by_what_training_again_was_worth(gain: float, ruling: Ruling):
    found = replay(began_s=0.0, until_s=300 * DAY, age_s=50 * DAY)
    assert found is not None
    differences = gain + np.random.default_rng(6).normal(0, 0.02, 200)
    item = judged(
        RolloutSpec(prove="better"), found, metric="log_loss", not_worse_by=0.002, differences=differences, window="all"
    )
    assert item.ruling is ruling
    assert item.gate.name == "recipe"
    if ruling is Ruling.PASS:
        assert "The recipe was proved, not this version" in item.sentence
