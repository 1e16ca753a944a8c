"""The champion's decay in the loop: both tests, half of the share each, over the blocks that have closed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lockgate.monitor import champion
from lockgate.records import Block, ModelSpec, MonitorSpec

DAY = 86_400.0
CALLS, BASE, SKILL, SD = 400, 0.5, 0.2, 0.02


def blocks(excess: Any) -> list[Block]:
    """A day each; its loss lies so far above what the champion's skill promises."""
    return [
        Block(
            model="tide",
            champion="v1",
            start_s=day * DAY,
            end_s=(day + 1) * DAY,
            calls=CALLS,
            failures=0,
            outcome_sum=CALLS / 2,
            labelled=CALLS,
            scored=CALLS,
            loss=CALLS * ((1 - SKILL) * BASE + one),
            base_loss=CALLS * BASE,
        )
        for day, one in enumerate(excess)
    ]


def spec(**monitor: Any) -> ModelSpec:
    return ModelSpec(task="binary", target="y", monitor=MonitorSpec(tolerance=0.0, **monitor))


def told(days: Any, *, since: int = 3, **monitor: Any) -> Any:
    """The first verdict, day by day as the loop asks, and the day of it. since: nobody is told before that day."""
    own = blocks(days)
    for day in range(since, len(own) + 1):
        found = champion.degradation(spec(**monitor), own[:day], SKILL, at_s=day * DAY, now_s=0.0)
        if found is not None:
            return found, day
    return None, math.inf


def decayed(size: float, *, seed: int = 3, good: int = 100, days: int = 400) -> Any:
    rng = np.random.default_rng(seed)
    return SD * (rng.standard_normal(days) + np.where(np.arange(days) >= good, size, 0.0))


def test_a_decay_after_good_months_is_told_weeks_after_it_began_with_its_date():
    found, day = told(decayed(2.0), since=95)
    assert found.gate.method.startswith("e-detector")
    assert 95 < day < 150
    assert abs(found.evidence.since_s / DAY - 100) <= 7


def test_what_was_wrong_from_the_first_day_is_told_by_the_block_test():
    found, day = told(decayed(2.0, good=0))
    assert found.gate.method.startswith("GLS-t")
    assert day < 60


@pytest.mark.parametrize("a_year", [1, 4, 12])
def test_each_test_has_half_of_the_share(a_year: int):
    budget = {"false_alarms_per_year": a_year, "shares": {"degradation": 0.5}}
    late, _ = told(decayed(2.0), since=105, **budget)
    assert late.evidence.detail["line"] == pytest.approx(math.log(2 * 365 / (0.5 * a_year)))
    first, _ = told(decayed(2.0, good=0), since=20, **budget)
    assert first.evidence.detail["line"] == pytest.approx(math.log(max(20, 2 * 1 / (0.5 * a_year))))


def test_quiet_champions_are_told_no_more_often_than_the_share_says():
    """A year each, at the very edge of what counts as well. Of 4 * 0.45 false alarms a year the e-detector has half: that
    many in a year are more than the share of champions that it tells; the block test tells one in 20. The bound fails by
    chance at three standard errors.
    """
    rng, champions = np.random.default_rng(20), 30
    own = [blocks(SD * rng.standard_normal(365)) for _ in range(champions)]
    found = [champion.degradation(spec(), days, SKILL, at_s=365 * DAY, now_s=0.0) for days in own]
    wrong = sum(one is not None for one in found) / champions
    promised = 1 - math.exp(-0.9) * 19 / 20
    assert wrong <= promised + 3 * math.sqrt(promised * (1 - promised) / champions)
    # Well within the tolerance nobody is told at all.
    within = [blocks(SD * (rng.standard_normal(365) - 0.5)) for _ in range(champions)]
    assert not any(champion.degradation(spec(), days, SKILL, at_s=365 * DAY, now_s=0.0) for days in within)
