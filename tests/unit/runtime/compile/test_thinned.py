"""Thinner graphs: texts stay outside, nodes that change nothing are gone, and the answers are what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.features.columns import Columns
from lockgate.records import Column
from lockgate.runtime.compile import convert
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.layout import Layout, raw_layout

pd = pytest.importorskip("pandas", reason="raw pipelines take pandas frames")
onnx = pytest.importorskip("onnx", reason="graphs are read back to count their nodes")

INPUTS = (
    Column(name="wait", type="float", is_nullable=True),
    Column(name="carrier", type="text", levels=("AA", "B6", "UA")),
    Column(name="seats", type="int"),
    Column(name="maker", type="text", is_nullable=True, levels=("AIRBUS", "BOEING")),
)
NAMES = tuple(column.name for column in INPUTS)


def table(seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    wait = rng.normal(size=300)
    wait[::9] = np.nan
    return {
        "wait": wait,
        "carrier": rng.choice(np.array(["AA", "B6", "UA"], dtype=object), 300),
        "seats": rng.integers(1, 500, 300).astype(float),
        "maker": rng.choice(np.array(["AIRBUS", "BOEING", None], dtype=object), 300),
    }


def odd() -> Columns:
    """Rows of levels never seen, of none at all, and of the text that stands for a missing one in older graphs."""
    found = table(seed=3)
    found["carrier"][:4] = ["ZZ", "", "aa", "\x1a"]
    found["maker"][4:8] = ["ZZ", "", None, "Ünsèen ✈"]
    return found


def fitted(model: Any, encoder: Any, numbers: Any = None) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    prepared = numbers or make_pipeline(SimpleImputer(), StandardScaler())
    steps = [("numbers", prepared, ["wait", "seats"]), ("texts", encoder, ["carrier", "maker"])]
    seen = table()
    labels = np.digitize(np.nan_to_num(seen["wait"]) + (seen["carrier"] == "AA"), [0.3, 1.2])
    target = labels if getattr(model, "classes", None) == 3 else (labels > 0) * 1
    return make_pipeline(ColumnTransformer(steps), model).fit(pd.DataFrame(seen), target)


def graph_of(model: Any) -> bytes:
    asked = convert.Asked(layout=raw_layout(INPUTS), columns=NAMES, order=NAMES, names=NAMES)
    return convert.convert(model, asked, is_wide=True)


def ops(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.ModelProto.FromString(graph).graph.node]


def line() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def three_lines() -> Any:
    model = line()
    model.classes = 3
    return model


def trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=10)


def one_hot() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="ignore")


def numbered(missing: float = -2) -> Any:
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=missing)


def whole(monkeypatch: pytest.MonkeyPatch, model: Any) -> bytes:
    """The graph as it is before it is thinned, and as older versions hold it."""
    with monkeypatch.context() as here:
        here.setattr(convert, "thinned", lambda _, layout: layout)
        return graph_of(model)


@pytest.mark.parametrize(
    ("model", "encoder", "numbers", "left"),
    [
        (line, one_hot, None, ["IsNaN", "Where", "Sub", "Div", "MatMul", "Add", "Sigmoid"]),
        (trees, numbered, "passthrough", ["TreeEnsembleRegressor", "Sigmoid"]),
        (trees, lambda: numbered(np.nan), "passthrough", ["TreeEnsembleRegressor", "Sigmoid"]),
    ],
)
def test_a_usual_pipeline_is_a_few_nodes_over_numbers_alone(
    monkeypatch: pytest.MonkeyPatch, model: Any, encoder: Any, numbers: Any, left: list[str]
):
    made = fitted(model(), encoder(), numbers)
    thin, before = graph_of(made), whole(monkeypatch, made)
    assert ops(thin) == left
    assert len(ops(before)) > 2 * len(left)
    engine = Compiled(thin)
    assert set(engine.dtypes) == {"numbers"}
    np.testing.assert_allclose(engine(odd()), Compiled(before)(odd()), rtol=0, atol=1e-12)


def test_three_classes_keep_their_levels_side_by_side_in_one_comparison(monkeypatch: pytest.MonkeyPatch):
    made = fitted(three_lines(), one_hot())
    thin = graph_of(made)
    assert (ops(thin).count("Equal"), ops(thin).count("LabelEncoder")) == (1, 0)
    answers = Compiled(thin)(odd())
    assert answers.shape == (300, 3)
    np.testing.assert_allclose(answers, Compiled(whole(monkeypatch, made))(odd()), rtol=0, atol=1e-12)


def test_texts_that_are_read_otherwise_stay_texts():
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    seen = table()
    words = ColumnTransformer([("words", TfidfVectorizer(), "carrier"), ("numbers", "passthrough", ["seats"])])
    made = make_pipeline(words, line()).fit(pd.DataFrame(seen), seen["seats"] > 200)
    engine = Compiled(graph_of(made))
    assert "texts" in engine.dtypes
    assert engine.layout.coded == ()
    np.testing.assert_allclose(engine(seen), made.predict_proba(pd.DataFrame(seen))[:, 1], atol=1e-5)


def test_a_graph_of_an_older_version_takes_its_texts(monkeypatch: pytest.MonkeyPatch):
    engine = Compiled(whole(monkeypatch, fitted(line(), one_hot())))
    assert engine.layout == Layout(numbers=("wait", "seats"), texts=("carrier", "maker"))
    assert np.isfinite(engine(odd())).all()
    assert engine.one_row() is None


def test_one_row_is_answered_to_the_bit_as_among_arrays():
    engine = Compiled(graph_of(fitted(line(), one_hot())))
    one, rng = engine.one_row(), np.random.default_rng(0)
    assert one is not None
    for row in rng.normal(size=(50, 4)) * 100:
        assert one(row.tolist()) == engine.run({"numbers": row.reshape(1, -1)})[0]
    assert one([None, 1.0, 0.0, 0.0]) == engine.run({"numbers": np.array([[np.nan, 1.0, 0.0, 0.0]])})[0]


@pytest.mark.parametrize("model", [line, trees])
def test_the_last_bit_of_an_answer_does_not_hang_on_the_rows_beside_it(model: Any):
    engine, rows = Compiled(graph_of(fitted(model(), one_hot()))), odd()
    alone = [engine({name: values[at : at + 1] for name, values in rows.items()})[0] for at in range(61)]
    for count in (2, 3, 5, 61):
        assert engine({name: values[:count] for name, values in rows.items()}).tolist() == alone[:count]
