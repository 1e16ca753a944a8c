"""Trees as graphs: right on every split, at the threshold and beside it, in float32 and in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.runtime.compile.convert import Asked, convert
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.forest import Refused, floor32, forest_of, is_forest
from lockgate.runtime.compile.layout import Layout

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(800, 4))
YES = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
THREE = YES + (X[:, 2] > 0.7)
AMOUNT = np.exp(X[:, 0]) + X[:, 1] ** 2

QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1, "iterations": 30}
KINDS: dict[str, tuple[Any, np.ndarray]] = {
    "forest of three classes": (sklearn_ensemble.RandomForestClassifier(15, random_state=0), THREE),
    "forest of values": (sklearn_ensemble.RandomForestRegressor(15, random_state=0), AMOUNT),
    "extra trees": (sklearn_ensemble.ExtraTreesClassifier(15, random_state=0), YES),
    "gradient boosting": (sklearn_ensemble.GradientBoostingClassifier(n_estimators=30), YES),
    "gradient boosting, exponential loss": (
        sklearn_ensemble.GradientBoostingClassifier(n_estimators=30, loss="exponential"),
        YES,
    ),
    "gradient boosting of three classes": (sklearn_ensemble.GradientBoostingClassifier(n_estimators=20), THREE),
    "gradient boosting of values": (sklearn_ensemble.GradientBoostingRegressor(n_estimators=30), AMOUNT),
    "histogram boosting": (sklearn_ensemble.HistGradientBoostingClassifier(max_iter=30), YES),
    "histogram boosting of three classes": (sklearn_ensemble.HistGradientBoostingClassifier(max_iter=20), THREE),
    "histogram boosting of values": (sklearn_ensemble.HistGradientBoostingRegressor(max_iter=30), AMOUNT),
    "histogram boosting of counts": (
        sklearn_ensemble.HistGradientBoostingRegressor(max_iter=30, loss="poisson"),
        AMOUNT,
    ),
    "LightGBM": (lightgbm.LGBMClassifier(n_estimators=30, verbose=-1, n_jobs=1), YES),
    "LightGBM of three classes": (lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1), THREE),
    "LightGBM of values": (lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1), AMOUNT),
    "LightGBM's forest": (
        lightgbm.LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, verbose=-1, n_jobs=1),
        YES,
    ),
    "LightGBM of counts": (lightgbm.LGBMRegressor(objective="poisson", n_estimators=30, verbose=-1, n_jobs=1), AMOUNT),
    "XGBoost": (xgboost.XGBClassifier(n_estimators=30, n_jobs=1), YES),
    "XGBoost of three classes": (xgboost.XGBClassifier(n_estimators=20, n_jobs=1), THREE),
    "XGBoost of values": (xgboost.XGBRegressor(n_estimators=30, n_jobs=1), AMOUNT),
    "XGBoost of counts": (xgboost.XGBRegressor(objective="count:poisson", n_estimators=30, n_jobs=1), AMOUNT),
    "CatBoost": (catboost.CatBoostClassifier(**QUIET), YES),
    "CatBoost of three classes": (catboost.CatBoostClassifier(**QUIET), THREE),
    "CatBoost of values": (catboost.CatBoostRegressor(**QUIET), AMOUNT),
}


def graph(model: Any, *, is_wide: bool) -> Compiled:
    names = tuple("abcd")
    layout = Layout(numbers=names) if is_wide else Layout()
    return Compiled(convert(model, Asked(layout=layout, columns=names, order=names, names=names), is_wide=is_wide))


def given(rows: np.ndarray, *, is_wide: bool) -> Any:
    return dict(zip("abcd", rows.T, strict=True)) if is_wide else rows.astype(np.float32)


def native(model: Any, rows: np.ndarray) -> np.ndarray:
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(rows))
    chances = model.predict_proba(rows)
    return chances[:, 1] if chances.shape[1] == 2 else chances


def rows_at_splits(model: Any, *, is_wide: bool) -> np.ndarray:
    """One row for each split and each place: on its threshold, and just beside it."""
    forest = forest_of(model)
    assert forest is not None
    features, thresholds = forest.splits()
    low = floor32(thresholds)
    places = [low, np.nextafter(low, np.float32(np.inf)), np.nextafter(low, np.float32(-np.inf))]
    if is_wide:
        places += [thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf)]
    found = []
    for place in places:
        rows = X[np.random.default_rng(1).integers(len(X), size=len(features))].copy()
        rows[np.arange(len(rows)), features] = place
        found.append(rows)
    return np.vstack(found)


@pytest.mark.parametrize("is_wide", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_split_goes_the_native_way_at_its_threshold_and_beside_it(kind: str, is_wide: bool):
    model, target = KINDS[kind]
    model.fit(X if is_wide else X.astype(np.float32), target)
    rows = rows_at_splits(model, is_wide=is_wide)
    expected = native(model, rows if is_wide else rows.astype(np.float32))
    answered = graph(model, is_wide=is_wide)(given(rows, is_wide=is_wide))
    assert len(rows) > 500
    np.testing.assert_allclose(answered, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "kind", ["histogram boosting", "LightGBM", "XGBoost", "CatBoost", "forest of three classes", "LightGBM of values"]
)
def test_a_missing_value_goes_the_native_way(kind: str):
    model, target = KINDS[kind]
    holed = X.copy()
    holed[np.random.default_rng(2).random(X.shape) < 0.2] = np.nan
    model.fit(holed, target)
    answered = graph(model, is_wide=True)(given(holed, is_wide=True))
    np.testing.assert_allclose(answered, native(model, holed), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("kind", ["LightGBM", "XGBoost", "CatBoost"])
def test_a_missing_value_where_training_saw_none_goes_the_native_way(kind: str):
    model, target = KINDS[kind]
    model.fit(X, target)
    holed = X.copy()
    holed[np.random.default_rng(2).random(X.shape) < 0.2] = np.nan
    answered = graph(model, is_wide=True)(given(holed, is_wide=True))
    np.testing.assert_allclose(answered, native(model, holed), rtol=2e-6, atol=2e-6)


def test_rounding_down_keeps_every_float32_on_its_side():
    thresholds = np.concatenate([RNG.normal(size=200), [0.1, 1e300, -1e300, 0.0, np.inf]])
    low = floor32(thresholds)
    assert (low.astype(np.float64) <= thresholds).all()
    with np.errstate(over="ignore"):
        above = np.nextafter(low, np.float32(np.inf))
    assert (above.astype(np.float64)[np.isfinite(above)] > thresholds[np.isfinite(above)]).all()


def test_a_booster_without_its_estimator_is_read_too():
    model, target = KINDS["LightGBM"]
    model.fit(X, target)
    assert is_forest(model.booster_)
    np.testing.assert_allclose(graph(model.booster_, is_wide=True)(given(X, is_wide=True)), native(model, X), atol=1e-6)


def test_trees_stopped_early_answer_up_to_the_best_round():
    half = len(X) // 2
    model = xgboost.XGBClassifier(n_estimators=200, learning_rate=1.0, early_stopping_rounds=3, n_jobs=1)
    model.fit(X[:half], YES[:half], eval_set=[(X[half:], YES[half:])], verbose=False)
    assert model.best_iteration < 190
    np.testing.assert_allclose(graph(model, is_wide=True)(given(X, is_wide=True)), native(model, X), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "target", "said"),
    [
        (sklearn_ensemble.HistGradientBoostingClassifier(categorical_features=[0]), YES, "categorical_features"),
        (xgboost.XGBClassifier(booster="dart", n_estimators=3), YES, "dart"),
        (lightgbm.LGBMRegressor(objective="regression", reg_sqrt=True, verbose=-1, n_jobs=1), AMOUNT, "not known"),
        (lightgbm.LGBMRegressor(linear_tree=True, verbose=-1, n_jobs=1), AMOUNT, "linear_tree"),
        (lightgbm.LGBMRegressor(zero_as_missing=True, verbose=-1, n_jobs=1), AMOUNT, "zero is missing"),
        (sklearn_ensemble.RandomForestRegressor(3), np.column_stack([AMOUNT, AMOUNT]), "several values"),
    ],
)
def test_what_no_graph_carries_is_refused_by_name(model: Any, target: np.ndarray, said: str):
    rows = np.abs(np.round(X)) if said == "categorical_features" else X
    with pytest.raises(Refused, match=said):
        forest_of(model.fit(rows, target))
