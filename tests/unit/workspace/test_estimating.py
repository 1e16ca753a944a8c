"""The door to estimates, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import lockgate as lg
from lockgate.errors import ContractError, SpecError


def table(rows: int, seed: int, shift: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rows) + shift
    late = (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(int)
    at = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 2, 1), eager=True, closed="left", interval="1m")
    return pl.DataFrame(
        {"x": x, "where": np.where(x > 0, "up", "down"), "score": 1 / (1 + np.exp(-x)), "late": late, "at": at[:rows]}
    )


REFERENCE, LIVE = table(4_000, 1), table(1_000, 2, 0.5).drop("late")


def test_a_plain_table_is_enough():
    found = lg.estimate(REFERENCE, LIVE, prediction="score", outcome="late")
    assert (found.method, found.rows, found.reference_rows) == ("CBPE", 1_000, 4_000)
    assert [one.metric for one in found.measures][:3] == ["log_loss", "brier", "roc_auc"]
    assert found.assumption in found.sentence
    for one in found.measures:
        assert one.low <= one.drawn_low <= one.value <= one.drawn_high <= one.high
        assert one.past_windows == 4


def test_frames_of_others_files_and_mappings_give_the_same_bits(tmp_path):
    whole = lg.estimate(REFERENCE, LIVE, prediction="score", outcome="late").measures
    LIVE.write_parquet(tmp_path / "live.parquet")
    assert (
        lg.estimate(REFERENCE.to_pandas(), tmp_path / "live.parquet", prediction="score", outcome="late").measures
        == whole
    )
    asked: dict[str, Any] = {"prediction": "score", "outcome": "late"}
    assert lg.estimate(REFERENCE.to_dict(as_series=False), LIVE.lazy(), **asked).measures == whole


def test_numbers_get_a_model_of_the_loss_and_words_say_so():
    reference = REFERENCE.with_columns(score=pl.col("x") * 2, late=pl.col("x") * 2 + pl.col("x").shuffle(seed=1))
    found = lg.estimate(reference, reference.drop("late").head(500), prediction="score", outcome="late", time="at")
    assert found.method == "loss model"
    assert found.sentence.startswith("absolute error is estimated at")


@pytest.mark.parametrize(
    ("live", "says"),
    [
        (LIVE.head(0), "The window has no rows, so nothing is estimated of it."),
        (LIVE.head(1), "over 1 row,"),
        (LIVE.with_columns(score=pl.lit(None, pl.Float64)), "The window has no rows"),
    ],
)
def test_a_window_with_next_to_nothing_in_it_is_told_as_that(live, says):
    found = lg.estimate(REFERENCE, live, prediction="score", outcome="late")
    assert says in found.sentence
    assert all(one.why for one in found.measures if one.value is None)


def test_rows_that_say_nothing_are_left_out_and_counted():
    holes = REFERENCE.with_columns(late=pl.when(pl.col("x") > 1.5).then(None).otherwise(pl.col("late")))
    found = lg.estimate(holes, LIVE, prediction="score", outcome="late")
    assert any("rows of the reference without score or late are left out" in note for note in found.notes)


@pytest.mark.parametrize("outcome", [0, 1])
def test_a_reference_of_one_class_has_no_area_and_does_not_crash(outcome):
    found = lg.estimate(REFERENCE.with_columns(late=pl.lit(outcome)), LIVE, prediction="score", outcome="late")
    assert found.measure("roc_auc").value is None
    assert found.measure("roc_auc").why == "one class only, or one row"


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"prediction": "scores"}, SpecError, "Did you mean 'score'"),
        ({"outcome": "where"}, ContractError, "holds String, not numbers"),
        ({"method": "DLE"}, SpecError, "no method of a binary task 'DLE'"),
        ({"task": "multiclass"}, SpecError, "no task 'multiclass'"),
        ({"threshold": 1.0}, SpecError, "decides nothing"),
        ({"coverage": 0.2}, SpecError, "none to lean on"),
        ({"method": "M-CBPE", "columns": []}, SpecError, "no column to tell the live rows by"),
        ({"live": LIVE.with_columns(score=pl.lit(float("inf")))}, SpecError, "infinite in 1000 rows, row 0 the first"),
        ({"live": LIVE.with_columns(score=pl.lit(1.5))}, SpecError, "which is no chance"),
        (
            {"live": LIVE.with_columns(x=pl.col("where")), "method": "M-CBPE"},
            ContractError,
            "'x' is Float64 in the reference",
        ),
        ({"reference": REFERENCE.head(0)}, SpecError, "No row of the reference has both"),
        ({"reference": REFERENCE.with_columns(late=pl.lit(2)), "task": "binary"}, SpecError, "neither 0 nor 1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changed, error, says):
    asked = {"reference": REFERENCE, "live": LIVE, "prediction": "score", "outcome": "late"} | changed
    with pytest.raises(error, match=says):
        lg.estimate(asked.pop("reference"), asked.pop("live"), **asked)
