"""Cells, cut by the reference."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.features.profiles import cut
from lockgate.features.profiles.columns import reference, window
from lockgate.records import Column


def test_bins_hold_as_many_rows_each() -> None:
    values = np.random.default_rng(1).lognormal(size=200_000)
    column = reference({"x": values}, (Column(name="x", type="float"),)).columns[0]
    counts = np.array(column.facets[0].counts)
    assert counts.size == cut.BINS
    assert counts.sum() == values.size
    assert (np.abs(counts / values.size - 0.05) < 0.006).all(), (
        "edges are a sample's: 5 % give or take five standard errors"
    )


def test_a_value_that_many_rows_share_has_a_cell_of_its_own() -> None:
    values = np.r_[np.zeros(4000), np.random.default_rng(2).exponential(size=6000)]
    column = cut.number("x", values)
    assert column.facets[0].edges[0] == 0.0
    assert not column.facets[0].is_discrete


def test_few_values_are_a_cell_each_and_what_lies_beyond_them_another() -> None:
    contract = (Column(name="seats", type="int"),)
    cells = reference({"seats": np.repeat([2.0, 4.0, 6.0], 10)}, contract)
    facet = cells.columns[0].facets[0]
    assert facet.is_discrete
    assert facet.counts == (0, 10, 10, 10, 0)
    later = window({"seats": np.array([1.0, 2.0, 3.0, 4.0, 7.0])}, cells).columns[0]
    assert later.facets[0].counts == (1, 1, 2, 0, 1)


def test_a_constant_is_told_from_all_else() -> None:
    cells = reference({"x": np.full(50, 3.0)}, (Column(name="x", type="float"),))
    moved = window({"x": np.array([3.0, np.nextafter(3.0, 4), np.nextafter(3.0, 2)])}, cells).columns[0]
    assert moved.facets[0].counts == (1, 1, 1)


def test_levels_beyond_the_commonest_are_pooled_and_new_ones_are_unseen() -> None:
    levels = [f"l{number:03d}" for number in range(100) for _ in range(200 - number)]
    cells = reference({"c": np.array(levels, dtype=object)}, (Column(name="c", type="text"),))
    column = cells.columns[0]
    assert column.kind == "category"
    assert column.facets[0].levels == tuple(f"l{number:03d}" for number in range(cut.MAX_LEVELS))
    assert column.facets[0].counts[-1] == sum(200 - number for number in range(60, 100))
    later = window({"c": np.array(["l000", "l099", "new", None], dtype=object)}, cells).columns[0]
    assert (later.facets[0].counts[0], later.facets[0].counts[-1], later.unseen, later.missing) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("write", "kind"), [("N{}".format, "id"), ("late by {} minutes".format, "text")], ids=["ids", "sentences"]
)
def test_many_levels_are_ids_or_text_with_all_rows_counted(write: object, kind: str) -> None:
    assert callable(write)
    texts = np.array([None, *(write(number) for number in range(3000))], dtype=object)
    column = reference({"c": texts}, (Column(name="c", type="text"),)).columns[0]
    assert column.kind == kind
    assert (column.rows, column.missing) == (3001, 1)
    assert column.distinct == pytest.approx(3000, rel=0.25)
    assert reference({"c": texts}, (Column(name="c", type="text"),)).columns[0] == column


def test_a_sample_of_a_sample_is_what_more_halvings_keep() -> None:
    rows = np.arange(100_000)
    kept = cut.is_sampled(rows, 3)
    assert kept.mean() == pytest.approx(1 / 8, abs=0.006)
    assert not (cut.is_sampled(rows, 4) & ~kept).any()
    assert cut.is_sampled(rows, 0).all()


def test_of_many_columns_the_most_related_pairs_are_kept() -> None:
    rng = np.random.default_rng(3)
    sample = {f"x{place:02d}": rng.standard_normal(4000) for place in range(40)}
    sample["x39"] = sample["x00"] + 0.5 * rng.standard_normal(4000)
    columns = [cut.number(name, values) for name, values in sample.items()]
    found = cut.pairs(columns, sample)
    assert len(found) == cut.MOST_PAIRS
    assert ("x00", "x39") in {(pair.first, pair.second) for pair in found}


def test_times_are_told_by_hour_weekday_and_how_long_before_the_question() -> None:
    asked = np.arange(0.0, 14 * 86400.0, 3600.0)
    contract = (Column(name="asked", type="time"), Column(name="known", type="time"))
    cells = reference({"asked": asked, "known": asked - 600.0}, contract, time="asked")
    own, known = cells.columns
    assert [facet.name for facet in own.facets] == ["hour", "weekday"]
    assert own.facets[0].counts == (14,) * 24
    assert own.facets[1].counts == (48,) * 7
    assert known.mean == pytest.approx(600.0)
    assert (cells.since_s, cells.until_s) == (0.0, asked[-1])
    stale = window({"asked": asked, "known": asked - 7200.0}, cells).columns[1]
    lag = stale.facet("lag")
    assert lag is not None
    assert lag.counts == (0, 0, asked.size)
    thursday = window({"asked": np.zeros(1), "known": np.zeros(1)}, cells).columns[0].facets[1]
    assert thursday.counts[3] == 1
