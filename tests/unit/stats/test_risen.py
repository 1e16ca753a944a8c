"""A daily difference that rose and stayed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.stats.risen import FIRST, rise

RNG = np.random.default_rng(7)
QUIET = RNG.standard_normal(200)


def test_a_rise_after_good_months_is_found_within_weeks_and_dated():
    days = QUIET.copy()
    days[120:] += 1.5
    found = rise(days)
    told = int(np.flatnonzero(found.log_m >= math.log(400))[0])
    assert 120 <= told < 150
    assert found.since is not None
    assert 105 <= found.since <= 125


def test_quiet_days_and_days_that_get_better_are_no_rise():
    assert rise(QUIET).log_m.max() < math.log(400)
    assert rise(QUIET - 2.0).log_m[-1] == 0


def test_what_a_day_is_told_rests_on_no_later_one():
    whole = rise(QUIET).log_m
    for day in (5, FIRST, 60, 150):
        assert rise(QUIET[:day]).log_m == pytest.approx(whole[:day], abs=1e-9)


def test_one_wild_day_raises_no_alarm():
    days = QUIET.copy()
    days[150] = 1e6
    assert rise(days).log_m.max() < math.log(400)


def test_few_days_days_that_do_not_vary_and_another_unit_change_nothing():
    assert rise(np.ones(FIRST)).log_m.tolist() == [0.0] * FIRST
    assert rise(np.zeros(50)).log_m.max() <= math.log(50)
    assert rise(QUIET * 1e-6).log_m == pytest.approx(rise(QUIET).log_m)


def test_a_day_without_a_value_is_refused():
    with pytest.raises(SpecError, match="no value"):
        rise(np.array([0.0, math.nan]))
