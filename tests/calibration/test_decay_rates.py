"""Decay that never was is told at most as often as was promised, and a planted one sooner than the block test alone.

Worlds of docs/guarantees/decay_days.py, fixed seed. The e-detector promises at most n / A alarms in n days on average; each
share below fails by chance at three standard errors, 1 in 700.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.stats import risen

PLACE = Path(__file__).parents[2] / "docs/guarantees/decay_days.py"
A = 1_000.0


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("decay_days", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = maker()


@pytest.mark.parametrize("paths", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_quiet_champions_are_called_decayed_no_more_often_than_promised(paths: int) -> None:
    promised = MAKER.DAYS / A
    for name, days in MAKER.worlds(np.random.default_rng(9), paths):
        told = np.mean([risen.rise(one).log_m.max() >= math.log(A) for one in days])
        assert told <= promised + 3 * math.sqrt(promised * (1 - promised) / paths), name


def test_a_decay_after_good_months_is_found_in_half_the_time_of_the_block_test_or_less() -> None:
    name, days = next(MAKER.worlds(np.random.default_rng(10), 15))
    assert name == "Gaussian"
    for size in (1.0, 20.0):
        found = MAKER.decayed(days, size)
        alone, own, both = (MAKER.delay(found, test) for test in ("block test", "e-detector", "both"))
        assert own < alone / 2
        assert both < 0.6 * alone
