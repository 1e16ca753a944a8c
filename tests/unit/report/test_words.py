"""Figures as people read them."""

from __future__ import annotations

import pytest

from lockgate.report.words import age, day, sparkline, when


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "-"), (40, "40 s"), (300, "5 min"), (10800, "3 h"), (864000, "10 d")]
)
def test_a_stretch_of_time_is_said_in_its_largest_unit(seconds: float | None, said: str) -> None:
    assert age(seconds) == said


def test_an_instant_is_said_in_utc() -> None:
    assert when(1364774400.0) == "2013-04-01 00:00 UTC"
    assert day(1364774400.0) == "1 April"


def test_a_sparkline_keeps_to_its_width_and_shows_the_peak() -> None:
    drawn = sparkline([0.0] * 100 + [9.0] + [0.0] * 99, width=40)
    assert len(drawn) <= 40
    assert drawn.count("█") == 1
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
