"""The quick way and the long way: whatever the quick one answers, `predict` answers to the bit, and flags nothing of it."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lockgate.errors import PredictError
from lockgate.features import Pipeline, filled, frequency, levels, numeric, raw, row, scaled
from lockgate.features.columns import Columns, from_tuples
from lockgate.records import Column, DatasetRef, Lineage
from lockgate.runtime.compile.checked import compile_checked
from lockgate.runtime.compile.engine import ONNX, compiled
from lockgate.runtime.folder import seal
from lockgate.runtime.formats import engine, save_model
from lockgate.runtime.predictor import Predictor
from lockgate.runtime.quick import Quick, quick

pd = pytest.importorskip("pandas", reason="raw pipelines take pandas frames")
pytest.importorskip("sklearn", reason="the models are scikit-learn's")

ASKED = (
    Column(name="wait", type="float", is_nullable=True, low=-5.0, high=5.0),
    Column(name="carrier", type="text", is_nullable=True, levels=("AA", "B6", "UA")),
    Column(name="seats", type="int", is_nullable=True, low=1, high=500),
    Column(name="maker", type="text", is_nullable=True, levels=("AIRBUS", "BOEING")),
)
NAMES = [column.name for column in ASKED]
PLAIN = (1.5, "AA", 100, "BOEING")
KINDS = (
    "line",
    "line, refusing",
    "trees",
    "trees, numbered",
    "line, rare levels",
    "matrix of trees",
    "made of rows",
    "value",
)


LINEAGE = Lineage(
    dataset=DatasetRef(table="m", version=0, digest="0" * 64),
    train="t:fit",
    features="t:features",
    features_hash="0" * 64,
    commit=None,
    is_dirty=None,
    environment="0" * 64,
    seed=0,
    run=None,
    trained_from_s=None,
    trained_until_s=None,
    rows=500,
)


def table(rows: int = 500) -> Columns:
    rng = np.random.default_rng(0)
    wait = rng.normal(size=rows).round(3)
    wait[::11] = np.nan
    return {
        "wait": wait,
        "carrier": rng.choice(np.array(["AA", "B6", "UA"], dtype=object), rows),
        "seats": rng.integers(1, 500, rows).astype(float),
        "maker": rng.choice(np.array(["AIRBUS", "BOEING", None], dtype=object), rows),
    }


def target(columns: Columns) -> Any:
    noise = np.random.default_rng(1).normal(0, 1, len(columns["wait"]))
    return (np.nan_to_num(columns["wait"]) + (columns["carrier"] == "AA") + noise > 0.4) * 1.0


def fitted(kind: str) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    ignoring, scaled = OneHotEncoder(handle_unknown="ignore"), make_pipeline(SimpleImputer(), StandardScaler())
    numbered = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    boosted = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    numbers, texts, model = {
        "line": (scaled, ignoring, LogisticRegression()),
        "line, refusing": (scaled, OneHotEncoder(), LogisticRegression()),
        "trees": (SimpleImputer(add_indicator=True), ignoring, RandomForestClassifier(8, random_state=0)),
        "trees, numbered": ("passthrough", numbered, boosted),
        "line, rare levels": (scaled, OneHotEncoder(handle_unknown="ignore", min_frequency=150), LogisticRegression()),
        "value": (SimpleImputer(), ignoring, Ridge()),
    }[kind]
    whole = ColumnTransformer([("n", numbers, ["wait", "seats"]), ("t", texts, ["carrier", "maker"])])
    return make_pipeline(whole, model).fit(pd.DataFrame(table()), target(table()))


@cache
def ways(kind: str) -> tuple[Predictor, Quick]:
    columns = table()
    if kind in ("matrix of trees", "made of rows"):
        from lightgbm import LGBMClassifier

        made = {
            "matrix of trees": Pipeline.of(numeric("wait", "seats"), levels("carrier"), levels("maker")),
            "made of rows": Pipeline.of(
                row("waits", "when(wait > 0).then(log1p(wait)).otherwise(wait / seats)"),
                row("is_aa", 'carrier == "AA" or is_null(maker)'),
                scaled("seats"),
                filled("wait", by="mean"),
                frequency("carrier"),
            ),
        }[kind]
        steps = made.typed({column.name: column.type for column in ASKED}).fit(columns, target(columns))
        matrix = steps.transform(columns)
        model: Any = LGBMClassifier(n_estimators=15, n_jobs=1, verbose=-1).fit(matrix, target(columns))
        inputs = tuple(Column(name=name, type="float", is_nullable=True, low=-10.0, high=600.0) for name in steps.names)
        held_out: Any = matrix
    else:
        steps, model, inputs, held_out = (
            Pipeline.of(raw(*NAMES)).fit(columns, target(columns)),
            fitted(kind),
            ASKED,
            columns,
        )
    folder, task = Path(mkdtemp()), "regression" if kind == "value" else "binary"
    form, loaded = save_model(folder, model)
    found = compile_checked(loaded, engine(loaded, inputs), inputs, held_out, folder, task=task)
    assert found.is_passed, found.reason
    manifest = seal(
        folder, model="m", name=kind, role="candidate", format=form, task=task, lineage=LINEAGE, inputs=inputs
    )
    predictor = Predictor("0" * 64, manifest, steps, compiled(folder / ONNX), "onnx")
    way = quick(predictor, ASKED)
    assert way is not None
    return predictor, way


wild = st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e39, math.inf, -math.inf, 3.4028236e38, 2.0**53 + 2])
floats = st.none() | wild | st.floats(-10, 10) | st.floats(allow_nan=False)
ints = st.none() | st.integers(-5, 600) | st.sampled_from([2**53, -(2**53), 2**53 - 1])
texts = (
    st.none()
    | st.sampled_from(["AA", "UA", "AIRBUS", "BOEING", "", "\x1a", "aa", "\x00", "Ünsèen ✈"])
    | st.text(max_size=3)
)
rows = st.lists(st.tuples(floats, texts, ints, texts), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)  # the first one trains the model
@given(asked=rows)
@example(asked=[PLAIN])
@example(asked=[(None, None, None, None)])
@example(asked=[PLAIN, (math.inf, "", 2**53, "\x1a")])
def test_what_the_quick_way_answers_the_long_way_answers_to_the_bit(kind: str, asked: list[tuple[Any, ...]]):
    predictor, way = ways(kind)
    found = way(asked)
    if found is None:
        return
    values, flags = predictor.predict(from_tuples(ASKED, asked))
    assert found == values.tolist()
    assert flags == [()] * len(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_rows_are_answered_the_quick_way(kind: str):
    _, way = ways(kind)
    assert way([PLAIN]) is not None
    assert way([PLAIN, (0.0, "UA", 7, "AIRBUS")]) is not None
    assert [way([PLAIN]), way([(0.0, "UA", 7, "AIRBUS")])] == [
        [one] for one in way([PLAIN, (0.0, "UA", 7, "AIRBUS")]) or ()
    ]


def test_what_the_model_refuses_is_left_to_the_long_way():
    predictor, way = ways("line, refusing")
    odd = [(1.5, "ZZ", 100, "BOEING")]
    assert way(odd) is None
    with pytest.raises(PredictError, match="'ZZ' in 'carrier'"):
        predictor.predict(from_tuples(ASKED, odd))
