"""Which rows to label first."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import lockgate as lg
from lockgate.assess.to_label import drawn
from lockgate.errors import SpecError
from lockgate.workspace.labelling import to_label

RNG = np.random.default_rng(1)
REFERENCE = pl.DataFrame({"x": RNG.standard_normal(20_000), "where": RNG.choice(["north", "south"], 20_000)})
LIVE = pl.DataFrame({"x": RNG.standard_normal(3_000) + 0.7, "where": RNG.choice(["north", "south"], 3_000)})


def test_more_rows_are_drawn_where_the_drift_is_and_weights_give_the_window_back():
    before = lg.profile(REFERENCE)
    found = lg.drift(before, lg.profile(LIVE, against=before))
    sample = to_label(LIVE, before, found, rows=200, seed=3)
    assert sample.height == 200
    assert sample["lockgate_cell"].str.starts_with("x ").all()
    # A mean moved upwards: the upper half has grown.
    assert sample["x"].mean() > LIVE["x"].mean() + 0.3
    assert sample["lockgate_weight"].sum() == pytest.approx(3_000, rel=0.15)
    assert np.average(sample["x"], weights=sample["lockgate_weight"]) == pytest.approx(LIVE["x"].mean(), abs=0.25)
    assert sample.equals(to_label(LIVE, before, found, rows=200, seed=3))


def test_levels_are_cells_too():
    live = LIVE.with_columns(x=pl.lit(0.0), where=pl.Series(RNG.choice(["north", "south"], 3_000, p=[0.9, 0.1])))
    before = lg.profile(REFERENCE.select("where"))
    found = lg.drift(before, lg.profile(live.select("where"), against=before))
    sample = to_label(live, before, found, rows=100)
    assert (sample["lockgate_cell"] == "where north").mean() > 0.9


def test_a_sample_is_never_larger_than_its_window_and_no_row_is_drawn_twice():
    strata = np.array([0, 0, 1, 1, 1, 2])
    places = drawn(np.array([0.5, -0.2, -0.3]), strata, rows=50, seed=0)
    assert places.tolist() == [0, 1, 2, 3, 4, 5]
    assert drawn(np.array([1.0, 0.0, 0.0]), strata, rows=3, seed=0).size == 3


def test_what_has_no_cells_is_refused():
    with pytest.raises(SpecError, match="no sample"):
        drawn(np.array([1.0]), np.zeros(3, dtype=np.int64), rows=0, seed=0)
