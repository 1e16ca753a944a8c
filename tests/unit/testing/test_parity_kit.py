"""The parity kit: an honest definition passes on 500 hostile rows, and a planted fault is caught and named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import lockgate as lg
from lockgate.errors import ContractError, SpecError
from lockgate.features import (
    Pipeline,
    custom,
    custom_pandas,
    custom_polars,
    filled,
    frequency,
    levels,
    numeric,
    raw,
    row,
    scaled,
)
from lockgate.features.columns import from_tuples
from lockgate.features.contract import to_columns
from lockgate.records import Column
from lockgate.testing import Compared, ParityBroken, hostile
from lockgate.train.features import check_row_local

STEPS = """
import numpy as np
import polars as pl

def doubled(columns):
    return {"doubled": columns["wait"] * 2}

def centred(columns):
    wait = columns["wait"]
    known = wait[np.isfinite(wait)]
    return {"doubled": wait * 2, "centred": wait - (known.mean() if known.size else 0.0)}

def ordered(columns):
    return {"doubled": np.arange(len(columns["wait"]), dtype=float)}

def of_a_batch_alone(columns):
    if len(columns["wait"]) == 1:
        raise ValueError("one row is no batch")
    return {"doubled": columns["wait"] * 2}

def nothing(columns):
    raise ValueError("nothing to say")

def by_polars(frame, hours=0):
    types = [pl.Float64, pl.Int64, pl.String, pl.Boolean, pl.Datetime("us", "UTC")]
    assert list(frame.schema.values()) == types
    hour = pl.col("asked").dt.hour() + hours
    return frame.select(a=pl.col("wait") / 2, b=hour, c=pl.col("carrier") == "AA", d=pl.col("wet"))

def centred_by_polars(frame):
    return frame.select(a=pl.col("seats").cast(pl.Float64) - pl.col("seats").mean())

def by_pandas(frame):
    import pandas as pd
    assert str(frame["asked"].dtype).startswith("datetime64[") and str(frame["asked"].dt.tz) == "UTC"
    return pd.DataFrame({"a": frame["wait"] / 2, "b": frame["asked"].dt.hour, "c": (frame["carrier"] == "AA") * 1})

def ranked_by_pandas(frame):
    return frame[["wait"]].rank().rename(columns={"wait": "rank"})
"""
ALL = ("wait", "seats", "carrier", "wet", "asked")


@pytest.fixture(autouse=True)
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "planted_steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("planted_steps", None)


def table(rows: int = 200) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "wait": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(5, 3, rows)),
            "seats": rng.integers(1, 500, rows),
            "carrier": rng.choice(["AA", "UA"], rows).tolist(),
            "wet": (rng.random(rows) < 0.5).tolist(),
            "asked": (rng.integers(1_300_000_000, 1_400_000_000, rows) * 1_000_000),
            "late": (rng.random(rows) < 0.5).astype(int),
        }
    ).with_columns(pl.col("asked").cast(pl.Datetime("us", "UTC")))


def test_an_honest_pipeline_is_the_same_both_ways_on_500_hostile_rows() -> None:
    pipeline = Pipeline.of(
        numeric("seats"),
        levels("carrier"),
        row("pace", "wait / seats"),
        row("wet_morning", "wet and hour(asked) < 12"),
        filled("wait"),
        scaled("seats", name="size"),
        frequency("carrier"),
        custom("planted_steps:doubled", needs=("wait",), gives=("doubled",)),
    )
    found = lg.testing.assert_parity(pipeline, table())
    assert found.rows >= 500
    assert found.refused == 0
    assert set(found.features) == {
        "seats",
        "carrier",
        "pace",
        "wet_morning",
        "wait",
        "size",
        "carrier_frequency",
        "doubled",
    }


def test_hostile_rows_hold_every_odd_value_alone_and_several_at_once() -> None:
    types: dict[str, Any] = {"wait": "float", "seats": "int", "carrier": "text", "wet": "bool", "asked": "time"}
    found = hostile(table(), types, rows=600, seed=3)
    assert found.height >= 600
    assert found["wait"].is_nan().any()
    assert found["wait"].is_infinite().any()
    assert {None, "", "never seen before"} <= set(found["carrier"].to_list())
    assert found["asked"].min().year < 1970  # type: ignore[union-attr]
    assert found.equals(hostile(table(), types, rows=600, seed=3)), "the same seed, the same rows"
    with pytest.raises(SpecError, match="without rows"):
        hostile(table().clear(), types)


@pytest.mark.parametrize(
    ("step", "feature"),
    [
        (custom("planted_steps:centred", needs=("wait",), gives=("doubled", "centred")), "centred"),
        (custom("planted_steps:ordered", needs=("wait",), gives=("doubled",)), "doubled"),
        (custom("planted_steps:of_a_batch_alone", needs=("wait",), gives=("doubled",)), "doubled"),
        (custom_polars("planted_steps:centred_by_polars", needs=("seats",), gives=("a",)), "a"),
        (custom_pandas("planted_steps:ranked_by_pandas", needs=("wait",), gives=("rank",)), "rank"),
    ],
)
def test_a_feature_that_depends_on_its_batch_is_caught_and_named(step: Any, feature: str) -> None:
    with pytest.raises(ParityBroken, match=f"'{feature}' is .* in a batch and .* as one row, of row") as caught:
        lg.testing.assert_parity(Pipeline.of(step), table())
    assert caught.value.feature == feature
    assert set(caught.value.inputs) == set(step.needs)
    assert caught.value.values[0] != caught.value.values[1]
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("make", [custom_polars, custom_pandas])
def test_a_step_over_a_frame_is_handed_the_contracts_types_and_is_row_local(make: Callable[..., Any]) -> None:
    name = {custom_polars: "planted_steps:by_polars", custom_pandas: "planted_steps:by_pandas"}[make]
    gives = ("a", "b", "c", "d") if make is custom_polars else ("a", "b", "c")
    pipeline = Pipeline.of(make(name, needs=ALL, gives=gives))
    assert lg.testing.assert_parity(pipeline, table()).rows >= 500
    order = tuple(Column(name=n, type=k) for n, k in zip(ALL, ("float", "int", "text", "bool", "time"), strict=True))
    typed = pipeline.typed({column.name: column.type for column in order})
    matrix = typed.matrix(from_tuples(order, [(3.0, 2, "AA", True, 7_200.0), (None, None, None, None, None)]))
    assert matrix[0].tolist() == [1.5, 2.0, 1.0, 1.0][: len(gives)]
    assert np.isnan(matrix[1, 0])
    assert np.isnan(matrix[1, 1])


def test_a_planted_batch_mean_in_a_frame_is_refused_at_registration() -> None:
    step = custom_polars("planted_steps:centred_by_polars", needs=("seats",), gives=("a",))
    pipeline = Pipeline.of(step).typed({"seats": "int"})
    columns = to_columns(table(), (Column(name="seats", type="int"),))
    with pytest.raises(ContractError, match="The feature 'a' depends on the other rows of its batch"):
        check_row_local(pipeline, columns)


def test_nothing_compared_is_no_parity() -> None:
    step = custom("planted_steps:nothing", needs=("wait",), gives=("doubled",))
    with pytest.raises(SpecError, match="Not one of the rows is answered"):
        lg.testing.assert_parity(Pipeline.of(step), table())
    with pytest.raises(SpecError, match="has no column 'weight'"):
        lg.testing.assert_parity(Pipeline.of(numeric("weight")), table())
    with pytest.raises(SpecError, match="no features of its own"):
        lg.testing.assert_parity(Pipeline.of(raw("wait")), table())
    with pytest.raises(SpecError, match="neither a feature pipeline"):
        lg.testing.assert_parity(object(), table())


def adopted(function: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    prepared = ColumnTransformer(
        [
            ("own", FunctionTransformer(function, feature_names_out="one-to-one"), ["wait"]),
            ("filled", SimpleImputer(), ["seats"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        ]
    )
    frame = table().drop_nulls().filter(pl.col("wait").is_not_nan()).to_pandas()
    return make_pipeline(prepared, LogisticRegression(max_iter=500)).fit(
        frame[["wait", "seats", "carrier"]], frame["late"]
    )


def test_an_adopted_pipeline_is_the_same_both_ways_and_a_batch_mean_in_it_is_named() -> None:
    pytest.importorskip("sklearn")
    honest = lg.testing.assert_parity(adopted(_clipped), table(), rows=60)
    assert honest.rows >= 40
    with pytest.raises(ParityBroken) as caught:
        lg.testing.assert_parity(adopted(_centred), table(), rows=60)
    assert caught.value.feature == "own__wait"


def _clipped(frame: Any) -> Any:
    return frame.fillna(0.0).clip(-10, 10)


def _centred(frame: Any) -> Any:
    return frame.fillna(0.0).clip(-10, 10) - frame.fillna(0.0).clip(-10, 10).mean()


def test_a_unit_bug_in_serving_only_is_caught_with_the_first_row(predictor: Callable[..., Any]) -> None:
    def chance(matrix: Any) -> Any:
        return 1 / (1 + np.exp(-np.clip(np.nan_to_num(np.asarray(matrix, dtype=float)[:, 0]), -30, 30)))

    version = predictor("v1", chance)

    def honest(rows: Any) -> list[float]:
        with np.errstate(over="ignore"):
            return asked(rows)

    def asked(rows: Any) -> list[float]:
        return [
            float(chance(np.array([[np.nan if one["wait"] is None else one["wait"]]], np.float32))[0]) for one in rows
        ]

    def in_minutes(rows: Any) -> list[float]:
        return honest([one | {"wait": None if one["wait"] is None else one["wait"] * 60} for one in rows])

    assert lg.testing.assert_parity(version, table()) == Compared(500, 0, ("wait", "answer"))
    assert lg.testing.assert_parity(version, table(), served=honest).rows > 400
    with pytest.raises(
        ParityBroken, match=r"'answer' is .* in a batch and .* as served, of row \d+ first: wait="
    ) as caught:
        lg.testing.assert_parity(version, table(), served=in_minutes)
    assert caught.value.feature == "answer"
    with pytest.raises(SpecError, match="no address of a model"):
        lg.testing.assert_parity(version, table(), served="http://127.0.0.1:1/nowhere")
