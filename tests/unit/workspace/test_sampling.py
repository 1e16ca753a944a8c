"""What becomes of the calls that are drawn to be labelled: as the log has them, laid out to be filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lockgate.errors import Conflict, SpecError
from lockgate.records import Column, Contract, Outcome, Prediction, Shadow
from lockgate.workspace import sampling
from lockgate.workspace.checking import Reading, frame
from lockgate.workspace.labelling import Chosen

CONTRACT = Contract(
    model="m",
    target="y",
    columns=(
        Column(name="at", type="time"),
        Column(name="value", type="float", is_nullable=True),
        Column(name="unit", type="text"),
        Column(name="metric", type="text"),
        Column(name="seats", type="int"),
        Column(name="is_full", type="bool"),
        Column(name="y", type="int", is_known_before=False),
    ),
)


def call(name: str, at_s: float, *, by: str = "v1", inputs: bool = True) -> Prediction:
    values = (at_s, None if name == "b" else 1.5, "u,1", '"m"', 3, True) if inputs else ()
    return Prediction(
        id=name,
        model="m",
        unit=f"u-{name}",
        asked_s=at_s,
        answered_s=at_s,
        arm="champion",
        version="v1",
        served_by=by,
        value=0.9,
        latency_ms=1.0,
        inputs=values,
    )


ENTRIES = [
    call("c", 30.25),
    call("a", 10.0),
    call("a", 10.0),  # told twice
    call("b", 20.0),
    call("known", 15.0),
    call("fallback", 16.0, by="baseline"),
    call("bare", 17.0, inputs=False),
    Shadow(id="a", model="m", version="v2", rollout="r", asked_s=10.0, value=0.1, latency_ms=1.0),
    Outcome(id="known", model="m", value=1.0, at_s=40.0, received_s=41.0),
]


def laid_out() -> pl.DataFrame:
    calls, left_out = sampling._unlabelled(ENTRIES, "v1", len(CONTRACT.asked))
    assert ([one.id for one in calls], left_out) == (["a", "b", "c"], 1)
    table = sampling._inputs(CONTRACT, calls)
    return sampling._laid_out(calls, table, Chosen(np.array([0, 1, 2]), ["seats 3"] * 3, np.ones(3)))


def test_what_was_asked_stands_beside_what_is_to_be_filled_in_and_the_answer_does_not() -> None:
    sample = laid_out()
    assert sample.columns[:3] == list(sampling.FILLED_IN)
    assert sample["id"].to_list() == ["a", "b", "c"]
    assert sample.select(sampling.FILLED_IN[1:]).null_count().row(0) == (3, 3)
    assert {"input_at", "input_value", "input_metric", "unit"} < set(sample.columns), "names of ours give way"
    assert sample["input_value"].to_list() == [1.5, None, 1.5]
    assert sample.schema["seats"] == pl.Int64
    assert sample["lockgate_unit"].to_list() == ["u-a", "u-b", "u-c"]
    assert 0.9 not in sample.row(0), "the answer would lead whoever labels"


@pytest.mark.parametrize("name", ["to_label.csv", "to_label.parquet"])
def test_a_file_is_read_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    written, sample = sampling.write(laid_out(), tmp_path / name), laid_out()
    found, _ = frame(written, Reading())
    assert found.columns == sample.columns
    for column in ("id", "unit", "input_metric", "seats", "is_full", "lockgate_asked", "input_at", "input_value"):
        assert found[column].to_list() == sample[column].to_list(), column


def test_a_file_that_may_have_been_filled_in_is_left_alone(tmp_path: Path) -> None:
    place = sampling.write(laid_out(), tmp_path / "to_label.csv")
    before = place.read_bytes()
    with pytest.raises(Conflict, match="filled in"):
        sampling.write(laid_out().head(1), place)
    assert place.read_bytes() == before
    sampling.write(laid_out().head(1), place, is_again=True)
    assert place.read_bytes() != before
    with pytest.raises(SpecError, match="xlsx"):
        sampling.write(laid_out(), tmp_path / "rows.xlsx")


def test_at_random_every_call_stands_for_as_many() -> None:
    chosen = sampling._at_random(100, rows=7, seed=1)
    assert len(set(chosen.places.tolist())) == 7
    assert chosen.weights.sum() == pytest.approx(100)
    assert sampling._at_random(3, rows=200, seed=1).places.tolist() == [0, 1, 2]
