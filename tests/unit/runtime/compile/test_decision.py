"""The decision: a graph is kept where it answers, decides and refuses as the native model; else a sentence says why not."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.errors import PredictError
from lockgate.features.columns import Columns
from lockgate.features.pipeline import observed
from lockgate.records import Column
from lockgate.runtime.compile.checked import compile_checked, decided, to_onnx
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.formats import engine, in_memory

pd = pytest.importorskip("pandas")
lightgbm = pytest.importorskip("lightgbm")

INPUTS = (
    Column(name="wait", type="float", is_nullable=True, low=0.0, high=10.0),
    Column(name="carrier", type="text", levels=("AA", "B6", "UA")),
    Column(name="seats", type="int", low=1, high=500),
    Column(name="maker", type="text", is_nullable=True, levels=("AIRBUS", "BOEING")),
)
NAMES = [column.name for column in INPUTS]


def matrix(rows: int = 900, columns: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def table(rows: int = 600, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    wait, maker = rng.uniform(0, 10, rows), rng.choice(np.array(["AIRBUS", "BOEING", None], dtype=object), rows)
    wait[::9] = np.nan
    return {
        "wait": wait,
        "carrier": rng.choice(np.array(["AA", "B6", "UA"], dtype=object), rows),
        "seats": rng.integers(1, 500, rows).astype(float),
        "maker": maker,
    }


def frame(columns: Columns) -> Any:
    return pd.DataFrame(columns).astype({"seats": "int64", "carrier": "str", "maker": "str"})


def is_late(columns: Columns) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, 40, len(columns["seats"]))
    return (
        columns["seats"] + 20 * np.nan_to_num(columns["wait"]) + 100 * (columns["carrier"] == "AA") + noise > 400
    ) * 1


def pipeline(model: Any, *, encoder: Any = None, numbers: Any = None) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = encoder or OneHotEncoder(handle_unknown="ignore")
    steps = [("numbers", numbers or SimpleImputer(), ["wait", "seats"]), ("texts", encode, ["carrier", "maker"])]
    return make_pipeline(ColumnTransformer(steps), model).fit(frame(table()), is_late(table()))


def on_columns(model: Any, held_out: Columns | None = None) -> tuple[Any, Compiled | None, Any]:
    """The decision, the compiled engine where there is one, and the native engine."""
    loaded = in_memory(model)
    native = engine(loaded, INPUTS)
    found, graph = decided(loaded, native, INPUTS, held_out or table(seed=1), task="binary")
    return found, Compiled(graph) if graph is not None else None, native


def on_matrix(model: Any, held_out: np.ndarray, place: Path, task: Any = "binary") -> Any:
    inputs = observed(tuple(f"x{n}" for n in range(held_out.shape[1])), held_out)
    loaded = in_memory(model)
    return compile_checked(loaded, engine(loaded, inputs), inputs, held_out, place, task=task)


def trees(kind: str = "LGBMClassifier", **more: Any) -> Any:
    x = matrix()
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    target = signal > 0.5 if kind == "LGBMClassifier" else signal * 40
    return getattr(lightgbm, kind)(n_estimators=25, n_jobs=1, verbose=-1, random_state=0, **more).fit(x, target)


def line(x: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(x, x[:, 0] > 0)


def test_trees_over_a_matrix_are_compiled_and_the_decision_is_written_down(tmp_path: Path):
    held_out = matrix(seed=1)
    found = on_matrix(trees(), held_out, tmp_path)
    assert found.is_passed, found.reason
    assert (found.over_tolerance, found.flips) == (0.0, 0)
    assert found.rows > len(held_out) + 500, "rows at split boundaries are tried as well"
    assert json.loads((tmp_path / "parity.json").read_text())["is_passed"] is True
    np.testing.assert_allclose(
        Compiled((tmp_path / "model.onnx").read_bytes())(matrix(seed=2)),
        trees().predict_proba(matrix(seed=2))[:, 1],
        atol=1e-6,
    )


def test_trees_for_a_value_are_compiled_too(tmp_path: Path):
    assert on_matrix(trees("LGBMRegressor"), matrix(seed=1), tmp_path, "regression").is_passed


def test_a_graph_that_answers_otherwise_is_not_kept(tmp_path: Path):
    held_out = matrix(seed=1)
    inputs, model = observed(("a", "b", "c", "d"), held_out), trees()
    loaded = in_memory(model)

    def other(rows: np.ndarray) -> np.ndarray:
        return loaded.answer(rows) * 0.999

    found = compile_checked(loaded, other, inputs, held_out, tmp_path, task="binary")
    assert not found.is_passed
    assert found.over_tolerance > 0.9
    assert "held-out rows" in found.reason or "rows at split boundaries" in found.reason
    assert not (tmp_path / "model.onnx").exists()


def test_one_row_in_which_the_engines_differ_is_enough_to_keep_native(tmp_path: Path):
    held_out = np.nan_to_num(matrix(seed=1))
    inputs, loaded = observed(("a", "b", "c", "d"), held_out), in_memory(line(np.nan_to_num(matrix())))

    def other(rows: np.ndarray) -> np.ndarray:
        return loaded.answer(rows) + 1e-3 * (rows[:, 0] == held_out[7, 0])

    found = compile_checked(loaded, other, inputs, held_out, tmp_path, task="binary")
    assert (found.is_passed, found.flips) == (False, 0)
    assert 0 < found.over_tolerance < 0.01


def test_the_model_that_was_given_is_left_as_it_was():
    from sklearn.preprocessing import OneHotEncoder

    model = pipeline(trees_of_frames(), encoder=OneHotEncoder(handle_unknown="ignore"))
    before, answers = pickle.dumps(copy.deepcopy(model)), model.predict_proba(frame(table(seed=3)))
    found, _, _ = on_columns(model)
    assert found.is_passed, found.reason
    assert pickle.dumps(copy.deepcopy(model)) == before
    np.testing.assert_array_equal(model.predict_proba(frame(table(seed=3))), answers)


def trees_of_frames() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=20)


def linear() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def boosted() -> Any:
    return lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)


@pytest.mark.parametrize("model", [linear, trees_of_frames, boosted])
def test_a_pipeline_over_raw_columns_is_one_graph_with_missing_numbers_and_missing_text(model: Any):
    found, compiled, native = on_columns(pipeline(model()))
    assert found.is_passed, found.reason
    assert compiled is not None
    fresh = table(seed=4)
    np.testing.assert_allclose(compiled(fresh), native(fresh), atol=1e-6)
    one = {name: values[:1] for name, values in fresh.items()}
    assert compiled(one).shape == (1,)


def test_levels_never_seen_are_answered_as_native_does():
    found, compiled, native = on_columns(pipeline(linear()))
    assert found.is_passed
    assert compiled is not None
    odd = table(seed=4)
    odd["carrier"][:] = "ZZ"
    odd["maker"][::2] = ""
    np.testing.assert_allclose(compiled(odd), native(odd), atol=1e-6)


def test_levels_that_native_refuses_are_refused_by_name():
    from sklearn.preprocessing import OneHotEncoder

    found, compiled, native = on_columns(pipeline(linear(), encoder=OneHotEncoder()))
    assert found.is_passed, found.reason
    assert compiled is not None
    odd = table(seed=4)
    odd["carrier"][3] = "ZZ"
    with pytest.raises(ValueError, match="unknown categories"):
        native(odd)
    with pytest.raises(PredictError, match="'ZZ' in 'carrier'"):
        compiled(odd)
    known = table(seed=4)
    np.testing.assert_allclose(compiled(known), native(known), atol=1e-6)


def test_missing_values_that_native_refuses_are_refused(tmp_path: Path):
    whole = np.nan_to_num(matrix(seed=1))
    found = on_matrix(line(np.nan_to_num(matrix())), whole, tmp_path)
    assert found.is_passed, found.reason
    compiled = Compiled((tmp_path / "model.onnx").read_bytes())
    assert np.isfinite(compiled(whole)).all()
    whole[5, 2] = np.nan
    with pytest.raises(PredictError, match="missing value in input 2"):
        compiled(whole)


def test_numbers_beyond_float32_are_never_answered_otherwise_than_by_native():
    from sklearn.ensemble import RandomForestClassifier

    found, compiled, native = on_columns(pipeline(RandomForestClassifier(10, random_state=0)))
    assert found.is_passed, found.reason
    assert compiled is not None
    far = table(seed=4)
    far["wait"][2] = 1e300
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large"):
        native(far)
    with pytest.raises(PredictError, match="beyond float32"):
        compiled(far)


def test_splits_behind_a_scaler_are_exact_on_raw_numbers():
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found, _, _ = on_columns(pipeline(trees_of_frames(), numbers=make_pipeline(SimpleImputer(), StandardScaler())))
    assert found.is_passed, found.reason


def test_inputs_in_another_order_than_the_models_find_their_place(tmp_path: Path):
    x = matrix()
    names = ["d", "b", "a", "c"]
    model = lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1)
    model.fit(pd.DataFrame(x, columns=names), np.nan_to_num(x[:, 0]) > 0)
    loaded, held_out = in_memory(model.booster_), matrix(seed=1)
    assert loaded.needs == tuple(names)
    inputs = observed(("a", "b", "c", "d"), held_out)
    native = engine(loaded, inputs)
    found = compile_checked(loaded, native, inputs, held_out, tmp_path, task="binary")
    assert found.is_passed, found.reason
    compiled = Compiled((tmp_path / "model.onnx").read_bytes())
    np.testing.assert_allclose(compiled(held_out), native(held_out), atol=1e-6)
    assert np.abs(compiled(held_out) - compiled(np.ascontiguousarray(held_out[:, ::-1]))).max() > 0.1


def halved(values: Any) -> Any:
    return values / 2


def spline() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    return make_pipeline(SimpleImputer(), SplineTransformer())


def own_function() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(SimpleImputer(), FunctionTransformer(halved))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (spline, "there is no converter for the step 'splinetransformer' (SplineTransformer)"),
        (own_function, "FunctionTransformer(halved) runs Python code"),
    ],
)
def test_a_step_that_cannot_be_converted_is_named(numbers: Any, said: str):
    found, compiled, _ = on_columns(pipeline(linear(), numbers=numbers()))
    assert compiled is None
    assert not found.is_passed
    assert said in found.reason


def test_histogram_boosting_over_categories_is_refused_by_name(tmp_path: Path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    x = np.abs(np.round(np.nan_to_num(matrix())))
    model = HistGradientBoostingClassifier(categorical_features=[0], max_iter=5).fit(x, x[:, 0] > 0)
    found = on_matrix(model, x, tmp_path)
    assert not found.is_passed
    assert "HistGradientBoostingClassifier with categorical_features" in found.reason


class Foreign:
    """A model that no converter knows."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0].astype(float)

    def fit(self) -> Foreign:
        return self


def test_a_model_that_no_converter_knows_is_a_reason_and_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    found = on_matrix(Foreign(), np.nan_to_num(matrix()), tmp_path, "regression")
    assert not found.is_passed
    assert found.reason == "The model could not be converted: there is no converter for Foreign."
    assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "parity.json").exists()
    assert capfd.readouterr() == ("", "")


def test_a_graph_can_be_made_unchecked(tmp_path: Path):
    x = np.nan_to_num(matrix())
    assert to_onnx(line(x), 4, tmp_path) is None
    assert Compiled((tmp_path / "model.onnx").read_bytes())(x).shape == (len(x),)
    assert "no converter" in str(to_onnx(Foreign(), 4, tmp_path))
