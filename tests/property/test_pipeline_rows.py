"""Row and fitted features, for a table and for one row: the same float32 to the bit, on rows that training never saw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import ContractError, SpecError
from lockgate.features import Pipeline, custom, filled, frequency, levels, numeric, row, scaled
from lockgate.features.columns import Columns, from_tuples
from lockgate.features.contract import to_columns
from lockgate.features.pipeline_row import one_row
from lockgate.records import Column, decode, encode
from lockgate.records.contract import ColumnType

COLUMNS = (
    Column(name="distance", type="float"),
    Column(name="minutes", type="int"),
    Column(name="carrier", type="text"),
    Column(name="is_hub", type="bool"),
    Column(name="asked", type="time"),
)
TYPES: dict[str, ColumnType] = {column.name: column.type for column in COLUMNS}
PLACES = {column.name: place for place, column in enumerate(COLUMNS)}
PIPELINE = Pipeline.of(
    numeric("minutes"),
    levels("carrier"),
    frequency("carrier"),
    row("speed", "distance / minutes"),
    row("pace", "1 / speed"),
    row("is_hub_morning", "is_hub and hour(asked) < 12"),
    filled("distance", by="mean"),
    scaled("distance"),
    scaled("speed", name="scaled_speed"),
    filled("speed", by=-1, name="known_speed"),
    row("log_distance", "log1p(abs(distance))"),
)


def training(rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    minutes = rng.integers(0, 300, rows)
    return pl.DataFrame(
        {
            "distance": np.where(rng.random(rows) < 0.1, np.nan, rng.uniform(50, 3000, rows)),
            "minutes": minutes,
            "carrier": rng.choice(["AA", "UA", "B6"], rows).tolist(),
            "is_hub": (rng.random(rows) < 0.3).tolist(),
            "asked": (rng.integers(1_300_000_000, 1_400_000_000, rows) * 1_000_000),
        }
    ).with_columns(pl.col("asked").cast(pl.Datetime("us", "UTC")))


def fitted(pipeline: Pipeline = PIPELINE) -> Pipeline:
    columns = to_columns(training(), COLUMNS)
    return pipeline.typed(TYPES).fit(columns, np.nan_to_num(columns["distance"]))


FITTED = fitted()
odd = st.sampled_from([0.0, -0.0, math.inf, -math.inf, 5e-324, 1e308, -1e39, 2.0**53, math.nan]) | st.floats()
rows = st.tuples(
    st.none() | odd,
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 2**53 + 1]),
    st.none() | st.sampled_from(["AA", "B6", "", "ÜÑ ✈", "aa"]) | st.text(max_size=3),
    st.none() | st.booleans(),
    st.none() | st.integers(-5_000_000_000, 5_000_000_000).map(float),
)


@settings(deadline=None, max_examples=500)
@given(st.lists(rows, min_size=1, max_size=4))
def test_a_row_alone_gets_what_it_gets_in_a_table_to_the_bit(asked: list[tuple[Any, ...]]) -> None:
    of_row = one_row(FITTED, PLACES)
    assert of_row is not None
    matrix = FITTED.matrix(from_tuples(COLUMNS, asked))
    with np.errstate(over="ignore"):
        alone = np.array([of_row(one) for one in asked], dtype=np.float64).astype(np.float32)
    both_missing = np.isnan(matrix) & np.isnan(alone)
    assert np.array_equal(
        np.where(both_missing, 0, matrix).view(np.uint32), np.where(both_missing, 0, alone).view(np.uint32)
    )


def test_what_was_learnt_is_kept_with_the_pipeline_and_names_it() -> None:
    again = decode(Pipeline, encode(FITTED))
    assert again == FITTED
    assert again.hash == FITTED.hash != PIPELINE.hash
    columns = to_columns(training(), COLUMNS)
    assert again.matrix(columns).tobytes() == FITTED.matrix(columns).tobytes()


def test_the_definition_has_one_hash_whatever_it_learnt_and_from_which_rows() -> None:
    columns = to_columns(training(100), COLUMNS)
    assert PIPELINE.definition == FITTED.definition == PIPELINE.typed(TYPES).fit(columns, columns["minutes"]).definition
    assert PIPELINE.definition == PIPELINE.typed(dict(reversed(TYPES.items()))).definition
    changed = Pipeline.of(*PIPELINE.steps[:-1], row("log_distance", "log(abs(distance))"))
    assert changed.definition != PIPELINE.definition


def test_a_step_reads_what_the_steps_before_it_gave_and_the_pipeline_needs_the_tables_columns_alone() -> None:
    assert set(PIPELINE.needs) == set(TYPES)
    found = dict(zip(FITTED.names, FITTED.matrix(from_tuples(COLUMNS, [(300.0, 60, "AA", True, 0.0)]))[0], strict=True))
    assert found["speed"] == 5.0
    assert found["pace"] == np.float32(0.2)
    assert found["is_hub_morning"] == 1.0


def test_parameters_are_learnt_from_the_rows_that_have_a_value() -> None:
    columns: Columns = {"x": np.array([1.0, np.nan, 3.0, 8.0]), "s": np.array(["a", None, "a", "b"], dtype=object)}
    found = Pipeline.of(filled("x"), filled("x", by="mean", name="m"), scaled("x", name="z"), frequency("s")).typed(
        {"x": "float", "s": "text"}
    )
    matrix = found.fit(columns, np.zeros(4)).matrix({"x": np.array([np.nan]), "s": np.array(["zz"], dtype=object)})
    # The second reads what the first filled: (1 + 3 + 3 + 8) / 4, and nothing is missing any more.
    assert matrix[0].tolist()[:2] == [3.0, 3.0]
    assert matrix[0][3] == 0.0


def test_the_same_rows_in_another_order_teach_the_same() -> None:
    rng = np.random.default_rng(0)
    x = rng.lognormal(0, 9, 5000)
    step = scaled("x")
    assert step.fitted({"x": x}) == step.fitted({"x": x[rng.permutation(x.size)]})


@pytest.mark.parametrize(
    ("step", "values", "said"),
    [
        (scaled("x"), [2.0, 2.0, np.nan], r"'x' is 2 in every training row, so it cannot be scaled"),
        (scaled("x"), [np.nan, np.nan], r"'x' is missing in every training row"),
        (filled("x"), [np.nan, np.nan], r"'x' is missing in every training row, so it has no median"),
        (filled("x", by="mean"), [np.inf, 1.0], r"'x' is infinite in 1 training rows, so it has no mean"),
        (filled("x", by="mean"), [1e308, 1e308], r"'x' add up to more than a number holds"),
        (scaled("x"), [1e200, -1e200], r"'x' varies beyond what a number holds"),
        (frequency("x"), [None, None], r"'x' is missing in every training row"),
    ],
)
def test_a_column_that_teaches_nothing_is_named(step: Any, values: list[Any], said: str) -> None:
    kind = object if isinstance(values[0], str | None) else np.float64
    with pytest.raises(ContractError, match=said):
        Pipeline.of(step).fit({"x": np.array(values, dtype=kind)}, np.zeros(len(values)))


def test_a_constant_fills_a_column_that_is_missing_throughout() -> None:
    columns = {"x": np.array([np.nan, np.nan])}
    assert Pipeline.of(filled("x", by=0)).fit(columns, np.zeros(2)).matrix(columns).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("step", [filled("x"), scaled("x")])
def test_a_step_that_has_learnt_nothing_is_not_used(step: Any) -> None:
    with pytest.raises(SpecError, match=r"\('x'\) is not fitted"):
        Pipeline.of(step).matrix({"x": np.ones(2)})
    with pytest.raises(SpecError, match=r"does not know the types of its columns"):
        Pipeline.of(row("y", "x + 1")).matrix({"x": np.ones(2)})


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            (row("y", "distnace / 2"),),
            r"row feature 'y'.*character 1: There is no column 'distnace'.*Did you mean 'distance'",
        ),
        (
            (row("y", "distance / carrier"),),
            r"'y'.*character 1: distance \(a number\) / carrier \(text\) means nothing",
        ),
        ((scaled("carrier"),), r"scaled\('carrier'\) wants numbers, and the column is text"),
        ((frequency("minutes"),), r"frequency\('minutes'\) wants text, and the column is int"),
        ((filled("speed"),), r"filled\('speed'\): There is no column 'speed'"),
        (
            (row("speed", "distance / minutes"), row("z", "speed == 'AA'")),
            r"'z'.*speed \(a number\) cannot be compared",
        ),
    ],
)
def test_a_wrong_definition_is_refused_by_its_place_before_anything_is_computed(
    steps: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        Pipeline.of(*steps).typed(TYPES)


def test_no_column_takes_the_place_of_a_feature_of_its_name_unseen() -> None:
    with pytest.raises(SpecError, match=r"The table's 'distance' would take the place of the feature 'distance'"):
        Pipeline.of(row("distance", "log(distance)"), numeric("distance"))


def test_a_text_that_could_be_no_feature_is_refused_where_it_is_written() -> None:
    with pytest.raises(SpecError, match=r"The row feature 'y'.*character 1: open"):
        row("y", "open('x')")
    with pytest.raises(SpecError, match=r"no way to fill 'modus'"):
        filled("x", by="modus")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"cannot be filled with nan"):
        filled("x", by=math.nan)


def test_a_step_of_the_users_own_has_no_one_row_way() -> None:
    assert one_row(Pipeline.of(custom("m:f", needs=("x",), gives=("y",))), {"x": 0}) is None
