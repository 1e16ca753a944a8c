"""Model files: what a file or a fitted model says of itself, what is refused, and what is kept when one is saved."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from lockgate.errors import SpecError
from lockgate.runtime import formats
from lockgate.runtime.loaded import label_text

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
Y = (X[:, 0] > 0).astype(int)
NAMES = np.array(["blue", "green", "red"])[np.digitize(X[:, 1], [-0.5, 0.5])]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (1.0, "1"),
        (np.int64(1), "1"),
        (np.float32(0.5), "0.5"),
        (np.True_, "true"),
        ("a", "a"),
        (np.str_("a"), "a"),
    ],
)
def test_a_label_is_the_same_text_whatever_number_type_it_came_in(value: object, expected: str) -> None:
    assert label_text(value) == expected


def test_a_classifier_without_chances_answers_which_class_and_says_so() -> None:
    two = formats.in_memory(RidgeClassifier().fit(X, Y))
    assert (two.task, two.classes, two.gives) == ("binary", ("0", "1"), "labels")
    assert two.answer(X).tolist() == RidgeClassifier().fit(X, Y).predict(X).tolist()
    assert "gives no chances" in two.note
    three = formats.in_memory(LinearSVC().fit(X, NAMES))
    assert three.answer(X).shape == (200, 3)
    assert (
        np.array(three.classes)[three.answer(X).argmax(axis=1)].tolist()
        == LinearSVC().fit(X, NAMES).predict(X).tolist()
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"model": LinearRegression().fit(X, Y)}, "holds a dict, not a model; its entry 'model' holds one"),
        (LogisticRegression(), "LogisticRegression is not fitted"),
        (StandardScaler().fit(X), "transforms and does not predict"),
        (KMeans(2, n_init=1).fit(X), "finds groups"),
        (IsolationForest(n_estimators=2).fit(X), "finds outliers"),
        ([1, 2], "holds a list, which cannot predict"),
        (DecisionTreeRegressor, "cannot predict"),
    ],
)
def test_what_is_no_fitted_model_is_refused_with_a_sentence(model: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    if isinstance(model, type):
        path.write_bytes(pickle.dumps([model]))
    else:
        joblib.dump(model, path)
    with pytest.raises(SpecError, match=said) as refused:
        formats.load(path)
    assert refused.value.cure


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"PAR1....", "looks like a Parquet table"),
        (b"\x89HDF\r\n", "looks like an HDF5 file"),
        (b"a,b\n1,2\n", "looks like text"),
        (b'{"weights": []}', "looks like JSON that no model library"),
        (bytes(range(200, 256)), "no format of a model"),
    ],
)
def test_a_file_that_is_no_model_is_told_what_it_looks_like(body: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(body)
    with pytest.raises(SpecError, match=said):
        formats.recognise(path)


def test_a_path_that_is_not_there_and_a_folder_without_a_model_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="There is no file"):
        formats.recognise(tmp_path / "nothing")
    with pytest.raises(SpecError, match="without an MLmodel file"):
        formats.recognise(tmp_path)


def test_labels_survive_in_what_is_saved_although_the_own_file_of_a_library_numbers_them(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(X, NAMES)
    kind, loaded = formats.save_model(tmp_path, model)
    assert (kind, loaded.classes, loaded.task) == ("lightgbm", ("blue", "green", "red"), "multiclass")
    np.testing.assert_array_equal(loaded.answer(X), model.predict_proba(X))


def test_a_class_made_in_a_function_is_saved_by_value_and_loads_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")

    class Twice:
        def predict(self, x: Any) -> Any:
            return x[:, 0] * 2

    kind, loaded = formats.save_model(tmp_path, Twice())
    assert kind == "joblib"
    assert "by cloudpickle" in loaded.note
    use = (
        "import sys, numpy as np; from pathlib import Path; from lockgate.runtime import formats;"
        "print(formats.load(Path(sys.argv[1]), trust=True).answer(np.array([[3.0]])))"
    )
    file = formats.native(tmp_path, kind)
    said = subprocess.run([sys.executable, "-c", use, file], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[6.]"
    with pytest.raises(SpecError, match="cloudpickle"):
        formats.load(file)


def test_what_cannot_be_saved_says_why(tmp_path: Path) -> None:
    class Holds:
        def __init__(self) -> None:
            self.lines = (line for line in ())

        def predict(self, x: Any) -> Any:
            return x[:, 0]

    with pytest.raises(SpecError, match=r"Holds cannot be saved: TypeError.*generators"):
        formats.save_model(tmp_path, Holds())


def test_a_file_by_another_version_of_its_library_is_named_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    model = LogisticRegression().fit(X, Y)
    body = pickle.dumps(model)
    from importlib.metadata import version

    here = version("scikit-learn").encode()
    older = b"1.0.2".ljust(len(here), b"0")[: len(here)]
    assert body.count(here) == 1
    path.write_bytes(body.replace(here, older))
    loaded = formats.load(path)
    note = formats.library_note(loaded)
    assert note is not None
    assert f"written by scikit-learn {older.decode()}, and {here.decode()} is installed" in note.sentence
    assert note.cure == f"pip install scikit-learn=={older.decode()}"
    assert (note.kind, note.grade) == ("library", "warn")
    path.write_bytes(body)
    assert formats.library_note(formats.load(path)) is None


def test_xgboost_stops_where_its_own_estimator_stops_and_a_booster_of_train_does_not(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=1, n_jobs=1, learning_rate=1.0)
    noise = rng.integers(0, 2, 200)
    model.fit(X[:100], noise[:100], eval_set=[(X[100:], noise[100:])], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    model.save_model(tmp_path / "estimator.ubj")
    np.testing.assert_array_equal(formats.load(tmp_path / "estimator.ubj").answer(X), model.predict_proba(X)[:, 1])
    booster = model.get_booster()
    booster.save_model(tmp_path / "booster.ubj")
    found = formats.load(tmp_path / "booster.ubj")
    np.testing.assert_array_equal(found.answer(X), booster.predict(xgboost.DMatrix(X)))
    assert found.library is not None
    assert found.library.version == xgboost.__version__


@pytest.mark.parametrize(
    ("objective", "task", "gives"),
    [
        ("binary:logistic", "binary", "chances"),
        ("binary:logitraw", "binary", "chances"),
        ("binary:hinge", "binary", "labels"),
    ],
)
def test_the_objectives_of_xgboost_for_two_classes_all_end_as_chances(
    objective: str, task: str, gives: str, tmp_path: Path
) -> None:
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"objective": objective, "nthread": 1}, xgboost.DMatrix(X, label=Y), 5)
    booster.save_model(tmp_path / "model.ubj")
    loaded = formats.load(tmp_path / "model.ubj")
    assert (loaded.task, loaded.gives) == (task, gives)
    found = loaded.answer(X)
    assert found.min() >= 0
    assert found.max() <= 1
    assert ((found > 0.5) == (Y == 1)).mean() > 0.9


def test_a_ranking_model_is_refused(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(X, Y, group=[100, 100])
    lightgbm.train({"objective": "lambdarank", "verbose": -1, "num_threads": 1}, data, 2).save_model(
        str(tmp_path / "m.txt")
    )
    with pytest.raises(SpecError, match="ranks rows"):
        formats.load(tmp_path / "m.txt")


def test_scores_of_an_objective_of_its_makers_own_are_taken_as_values_and_said_to_be(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")

    def own(scores: Any, data: Any) -> Any:
        return scores - data.get_label(), np.ones_like(scores)

    booster = lightgbm.train({"objective": own, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 2)
    booster.save_model(str(tmp_path / "m.txt"))
    loaded = formats.load(tmp_path / "m.txt")
    assert (loaded.task, loaded.gives) == (None, "values")
    assert "objective of its maker's own" in loaded.note


def test_an_onnx_file_of_named_columns_answers_from_columns(tmp_path: Path) -> None:
    types = pytest.importorskip("skl2onnx.common.data_types")
    import pandas as pd
    from skl2onnx import convert_sklearn
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from lockgate.records import Column

    frame = pd.DataFrame({"a": X[:, 0].astype(np.float32), "c": NAMES})
    prepared = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["c"]))
    model = make_pipeline(prepared, LogisticRegression()).fit(frame, NAMES)
    asked = [("a", types.FloatTensorType([None, 1])), ("c", types.StringTensorType([None, 1]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (tmp_path / "m.onnx").write_bytes(convert_sklearn(model, initial_types=asked).SerializeToString())
    loaded = formats.load(tmp_path / "m.onnx")
    assert (loaded.takes, loaded.needs, loaded.classes) == ("columns", ("a", "c"), ("blue", "green", "red"))
    assert loaded.library is not None
    assert loaded.library.name == "skl2onnx"
    engine = formats.engine(loaded, (Column(name="a", type="float"), Column(name="c", type="text")))
    columns = {"a": frame["a"].to_numpy(float), "c": np.array(list(NAMES), dtype=object)}
    np.testing.assert_allclose(engine(columns), model.predict_proba(frame), atol=1e-6)
