"""The five models, each made and saved as people do with that library, and with nothing of Lockgate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from tables import Real

NO_TEXT = "unknown"


def pipeline(real: Real, file: Path) -> None:
    """A Pipeline: fill, encode, then histogram gradient boosting; a linear model where rows are few."""
    import joblib
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression, RidgeCV

    if len(real.train) > 2_000:
        from sklearn.ensemble import HistGradientBoostingRegressor

        last = (
            HistGradientBoostingRegressor(random_state=0)
            if real.task == "regression"
            else HistGradientBoostingClassifier(random_state=0)
        )
    else:
        last = RidgeCV() if real.task == "regression" else LogisticRegression(max_iter=2_000)
    model = _prepared(real, last)
    joblib.dump(model.fit(real.train[real.inputs], real.train[real.target]), file)


def lightgbm(real: Real, file: Path) -> None:
    """Text columns as pandas categories, as LightGBM takes them; its own text file."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if real.task == "regression" else LGBMClassifier
    model = kind(n_estimators=200, learning_rate=0.05, random_state=0, n_jobs=1, verbose=-1)
    model.fit(_categories(real), real.train[real.target])
    model.booster_.save_model(file)


def xgboost(real: Real, file: Path) -> None:
    """Categories too; labels that are text are numbered first, as XGBoost asks."""
    from sklearn.preprocessing import LabelEncoder
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBRegressor if real.task == "regression" else XGBClassifier
    outcome = real.train[real.target]
    if real.task != "regression":
        outcome = LabelEncoder().fit_transform(outcome)
    model = kind(n_estimators=200, learning_rate=0.1, max_depth=5, enable_categorical=True, random_state=0, n_jobs=1)
    model.fit(_categories(real), outcome)
    model.save_model(file)


def catboost(real: Real, file: Path) -> None:
    """Text columns named as categories; missing ones filled, as CatBoost asks."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if real.task == "regression" else CatBoostClassifier
    model = kind(
        iterations=200, one_hot_max_size=10, random_seed=0, thread_count=1, verbose=False, allow_writing_files=False
    )
    model.fit(filled(real, real.train)[real.inputs], real.train[real.target], cat_features=list(real.text))
    model.save_model(str(file))


def filled(real: Real, table: pd.DataFrame) -> pd.DataFrame:
    """A word where text is missing."""
    return table.fillna(dict.fromkeys(real.text, NO_TEXT))


def onnx(real: Real, file: Path) -> None:
    """A pipeline that plain skl2onnx converts: a forest, or a linear model; text without missing values."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if real.task == "regression" else RandomForestClassifier
    rows = real.train.dropna(subset=list(real.text))
    model = _prepared(real, kind(n_estimators=60, min_samples_leaf=10, random_state=0, n_jobs=1), fills_text=False)
    if real.text:
        model.fit(rows[real.inputs], rows[real.target])
        kinds = [
            (name, StringTensorType([None, 1]) if name in real.text else FloatTensorType([None, 1]))
            for name in real.inputs
        ]
        made = to_onnx(model, initial_types=kinds)
    else:
        model = model[-1].fit(rows[real.inputs].to_numpy("float32"), rows[real.target])
        made = to_onnx(model, initial_types=[("X", FloatTensorType([None, len(real.inputs)]))])
    file.write_bytes(made.SerializeToString())


MODELS: dict[str, tuple[Callable[[Real, Path], None], str]] = {
    "scikit-learn": (pipeline, "pipeline.joblib"),
    "LightGBM": (lightgbm, "lightgbm.txt"),
    "XGBoost": (xgboost, "xgboost.ubj"),
    "CatBoost": (catboost, "catboost.cbm"),
    "ONNX": (onnx, "forest.onnx"),
}


def _prepared(real: Real, last: Any, *, fills_text: bool = True) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode: Any = OneHotEncoder(handle_unknown="ignore")
    if fills_text:
        encode = make_pipeline(SimpleImputer(strategy="most_frequent"), encode)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    parts = [("numbers", numbers, list(real.numbers)), ("text", encode, list(real.text))]
    # Histogram boosting takes no sparse matrix, and a table with few levels needs none.
    return make_pipeline(ColumnTransformer(parts[: 2 if real.text else 1], sparse_threshold=0.0), last)


def _categories(real: Real) -> pd.DataFrame:
    return real.train[real.inputs].astype(dict.fromkeys(real.text, "category"))
