"""One budget of false alarms a year, shared by all that can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.decide import storm
from lockgate.decide.alarm_budget import SHARES, run_length, shares
from lockgate.decide.decay import decay
from lockgate.errors import SpecError
from lockgate.records import MonitorSpec

YEAR = {"drift": 52.0, "degradation": 6.0, "fallback": 1e8}


@pytest.mark.parametrize("given", [{}, {"drift": 0.8}, {"fallback": 0.5, "drift": 0.2}, dict.fromkeys(SHARES, 1 / 3)])
@pytest.mark.parametrize("budget", [0.1, 1.0, 4.0])
def test_what_all_detectors_may_be_wrong_in_a_year_is_at_most_what_was_promised(given: dict[str, float], budget: float):
    spec = MonitorSpec(false_alarms_per_year=budget, shares=given)
    assert sum(YEAR[name] / run_length(spec, name, YEAR[name]) for name in SHARES) <= budget * (1 + 1e-9)
    assert all(shares(spec)[name] == share for name, share in given.items())


def test_who_looks_more_often_is_wrong_a_smaller_share_of_its_looks():
    spec = MonitorSpec()
    assert run_length(spec, "drift", 520) == pytest.approx(10 * run_length(spec, "drift", 52))
    assert run_length(spec, "drift", 0) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"drif": 0.2}, "Did you mean 'drift'"),
        ({"drift": 0.0}, "is no share"),
        ({"drift": 1.0}, "leaves 0 of the budget"),
        ({"drift": 0.9, "degradation": 0.2, "fallback": 0.1}, "leaves -0.2"),
    ],
)
def test_shares_that_cannot_be_are_refused(given: dict[str, float], said: str):
    with pytest.raises(SpecError, match=said):
        run_length(MonitorSpec(shares=given), "drift", 52)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_that_is_no_number_of_alarms_is_refused(budget: float):
    with pytest.raises(SpecError, match="false alarms a year"):
        MonitorSpec(false_alarms_per_year=budget)


def test_an_unknown_detector_has_no_share():
    with pytest.raises(SpecError, match="no detector 'skew'"):
        run_length(MonitorSpec(), "skew", 1)


def test_a_longer_run_length_takes_a_storm_longer_to_be_told_and_says_so():
    failures = np.random.default_rng(1).random(5_000) < 0.15
    short = storm.after(storm.calm(0.05), failures, worst=0.05)
    long = storm.after(storm.calm(0.05), failures, worst=0.05, run_length=1e9)
    assert short[1] == long[1] == "begun"
    assert short[2] < long[2]
    said = storm.judged("begun", calls=100, bad=9, reasons={}, worst=0.05, until_s=0.0, run_length=1e9)
    assert "1,000,000,000 calls" in said.gate.method


def test_decay_is_told_at_the_line_of_so_many_champions_and_never_under_twenty():
    rng = np.random.default_rng(2)
    loss, base = 1.0 + 0.1 * rng.standard_normal(60), np.full(60, 1.05)
    lines = {}
    for champions in (1.0, 20.0, 1e6):
        found = decay(reference_skill=0.1, tolerance=0.02, loss=loss, base_loss=base, champions=champions, days=1e12)
        assert found.evidence.detail is not None
        lines[champions] = found.evidence.detail["line"]
    assert lines[1.0] == lines[20.0] == pytest.approx(np.log(20))
    assert lines[1e6] == pytest.approx(np.log(1e6))
