"""The next error, by those before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.stats.past_error import reach


@pytest.mark.parametrize("windows", [4, 14, 50])
def test_it_covers_errors_drawn_alike_as_often_as_it_says(windows):
    rng = np.random.default_rng(windows)
    errors = rng.standard_normal((4_000, windows + 1))
    covered = np.mean([abs(own[-1]) <= reach(own[:-1], coverage=0.9) for own in errors])
    assert covered == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 4_000))


def test_an_estimate_that_was_always_too_high_is_widened():
    assert reach(np.array([0.09, 0.1, 0.11]), coverage=0.9) > 0.2


def test_two_errors_and_those_without_a_value_say_nothing():
    assert math.isinf(reach(np.array([0.1, 0.1, math.nan]), coverage=0.9))


def test_a_coverage_that_is_none_is_refused():
    with pytest.raises(SpecError, match=r"1 is no share"):
        reach(np.ones(5), coverage=1.0)
