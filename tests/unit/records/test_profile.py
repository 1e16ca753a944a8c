"""Profiles as records: moments out of whole numbers, what may be added, and what an older engine left behind."""

from __future__ import annotations

import statistics

import msgspec
import numpy as np
import pytest

from lockgate.errors import SpecError, StoreError
from lockgate.features.profiles.columns import reference, window
from lockgate.records import Column, OlderProfile, Profile, decode, encode
from lockgate.records.drift import CountedDay
from lockgate.records.profile import ENGINE, merged, read_profile

WAIT = (Column(name="wait", type="float"),)
OLD = (
    b'{"rows":3,"columns":[{"name":"wait","edges":[1.0],"levels":[],"counts":[1,1,1],"mean":2.0,"sd":1.0}],"schema":1}'
)


def of(values: np.ndarray) -> Profile:
    return reference({"wait": values}, WAIT)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e9, 1.0), (0.0, 1e-200), (-5.0, 1e100), (1.7e9, 1e5)])
def test_mean_and_sd_are_those_of_the_values_wherever_they_lie(shift: float, scale: float) -> None:
    values = shift + scale * np.random.default_rng(1).standard_normal(2000)
    (column,) = of(values).columns
    exact = [float(value) for value in values]
    assert column.mean == pytest.approx(statistics.fmean(exact), abs=1e-9 * scale)
    assert column.sd == pytest.approx(statistics.pstdev(exact), rel=1e-5)


def test_values_far_from_the_reference_are_summed_all_the_same() -> None:
    cells = of(np.random.default_rng(2).standard_normal(1000))
    far = np.array([1e12, 3.0, -2e15, 1e143])
    (column,) = window({"wait": far}, cells).columns
    assert column.mean == pytest.approx(far.mean())
    assert column.sd == pytest.approx(far.std())
    assert column.moments is not None
    assert (column.moments.low, column.moments.high) == (-2e15, 1e143)


def test_a_column_without_a_number_has_no_mean() -> None:
    cells = of(np.array([1.0, 2.0]))
    (column,) = window({"wait": np.array([np.nan])}, cells).columns
    assert (column.mean, column.sd, column.missing, column.there) == (None, None, 1, 0)


def test_windows_over_the_same_cells_add_up_and_over_others_do_not() -> None:
    one, other = of(np.arange(100.0)), of(np.arange(300.0))
    assert merged([]) is None
    added = merged([window({"wait": np.arange(10.0)}, one), window({"wait": np.arange(10.0, 100.0)}, one)])
    assert added == msgspec.structs.replace(one, importance={})
    with pytest.raises(SpecError, match=r"other cells for column 'wait'.*against=reference"):
        _ = one + other
    with pytest.raises(SpecError, match="the other by engine 9"):
        _ = one + msgspec.structs.replace(one, engine=9)


def test_a_profile_comes_back_as_it_was_written() -> None:
    profile = of(np.random.default_rng(3).standard_cauchy(5000))
    assert read_profile(encode(profile), "profile.json") == profile


def test_an_older_engine_is_named_with_what_to_do() -> None:
    with pytest.raises(
        StoreError, match=rf"profile.json was counted by engine 1, and .* engine {ENGINE}.*Count the reference"
    ):
        read_profile(OLD, "profile.json")
    later = encode(msgspec.structs.replace(of(np.arange(9.0)), engine=ENGINE + 1))
    with pytest.raises(StoreError, match=f"engine {ENGINE + 1}"):
        read_profile(later, "profile.json")
    with pytest.raises(StoreError, match="no profile"):
        read_profile(b"{}", "profile.json")


def test_a_day_that_an_older_engine_counted_is_read_still() -> None:
    day = CountedDay(model="m", version="v", start_s=0.0, profile=of(np.arange(9.0)))
    body = encode(day).replace(encode(day.profile), OLD)
    assert isinstance(decode(CountedDay, body).profile, OlderProfile)
