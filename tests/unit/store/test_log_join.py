"""Predictions joined with outcomes: as the plain join of texts gives it, whatever is doubled, corrected or missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from lockgate.store import log_join


def tables(seed: int, calls: int = 400, told: int = 600) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Some calls twice in the log, some outcomes corrected, some unknown; every value tells its row."""
    rng = np.random.default_rng(seed)
    ids = [f"p{n}" for n in rng.integers(0, 2 * calls, calls)]
    asked = pl.DataFrame({"id": ids, "value": [float(name[1:]) for name in ids]})
    outcomes = pl.DataFrame(
        {
            "id": [f"p{n}" for n in rng.integers(0, 2 * calls, told)],
            "value": rng.random(told),
            "received_s": rng.permutation(told).astype(float),
            "segment": ["s"] * told,
            "row": range(told),
        }
    )
    return asked.lazy(), outcomes.lazy()


def plainly(calls: pl.LazyFrame, told: pl.LazyFrame) -> dict[str, float | None]:
    latest: dict[str, float] = dict(told.collect().sort("received_s").select("id", "value").rows())
    return {name: latest.get(name) for name in calls.collect()["id"]}


def found(frame: pl.DataFrame) -> Mapping[str, float | None]:
    assert frame["id"].n_unique() == frame.height
    assert frame["value"].to_list() == [float(name[1:]) for name in frame["id"]]
    return dict(frame.select("id", "outcome").rows())


@pytest.mark.parametrize("seed", range(20))
def test_the_join_by_digests_is_the_plain_join(seed: int) -> None:
    calls, told = tables(seed)
    assert found(log_join.joined(calls, told)) == plainly(calls, told)


@pytest.mark.parametrize("apart", [1, 50])
def test_digests_that_stand_for_two_ids_are_noticed(monkeypatch: pytest.MonkeyPatch, apart: int) -> None:
    """apart: how many different first digests there are."""
    digest = pl.col("id").hash(1) % apart
    monkeypatch.setattr(log_join, "_digests", lambda: {"first": digest, "second": pl.col("id").hash(2)})
    calls, told = tables(3)
    assert found(log_join.joined(calls, told)) == plainly(calls, told)


def test_an_outcome_whose_digest_is_anothers_is_not_taken_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = pl.col("id").str.slice(0, 2).hash(1)
    monkeypatch.setattr(log_join, "_digests", lambda: {"first": digest, "second": pl.col("id").hash(2)})
    calls = pl.LazyFrame({"id": ["p1", "p2"], "value": [1.0, 2.0]})
    told = pl.LazyFrame(
        {"id": ["p1", "p22"], "value": [0.5, 0.25], "received_s": [1.0, 2.0], "segment": ["s", "s"], "row": [0, 1]}
    )
    assert found(log_join.joined(calls, told)) == {"p1": 0.5, "p2": None}


def test_nothing_joined_is_nothing() -> None:
    calls, told = tables(1)
    assert log_join.joined(calls.limit(0), told).height == 0
    assert log_join.joined(calls, told.limit(0))["outcome"].null_count() > 0
    assert log_join.unknown(calls, told.limit(0)) == 0


def test_an_unknown_id_counts_once_however_often_it_is_told() -> None:
    calls = pl.LazyFrame({"id": ["a"]})
    told = pl.LazyFrame({"id": ["a", "b", "b", "c"]})
    assert log_join.unknown(calls, told) == 2
