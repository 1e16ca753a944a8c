"""How the example's models are made: two recipes, one signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from flights.columns import CATEGORIES

if TYPE_CHECKING:
    from lightgbm import LGBMClassifier
    from sklearn.pipeline import Pipeline

SEED: Final = 20130401
TREES: Final = 200
THREADS: Final = 1


def fit(matrix: NDArray[np.float32], target: NDArray[np.int8], names: Sequence[str]) -> LGBMClassifier:
    """Boosted trees: the library's defaults, 200 of them.

    matrix: shape (n, len(names)), NaN for missing.  target: shape (n,), 0 or 1. The same rows give the same model;
    the defaults sample nothing, so the seed matters only to those who turn sampling on.
    Category numbers are split like any number: LightGBM's own category splits do not survive conversion exactly.
    """
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(
        n_estimators=TREES, random_state=SEED, deterministic=True, force_row_wise=True, n_jobs=THREADS, verbose=-1
    )
    return model.fit(matrix, target)


def fit_logistic(matrix: NDArray[np.float32], target: NDArray[np.int8], names: Sequence[str]) -> Pipeline:
    """The baseline: medians for what is missing, a flag beside them, one column per level, scaled; then logistic.

    Takes the same matrix as `fit`; `names` tells which columns are categories.
    """
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    levels = [i for i, name in enumerate(names) if name in CATEGORIES]
    numbers = [i for i, name in enumerate(names) if name not in CATEGORIES]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    prepared = make_column_transformer((scaled, numbers), (OneHotEncoder(handle_unknown="ignore"), levels))
    return make_pipeline(prepared, LogisticRegression(max_iter=500)).fit(matrix, target)
