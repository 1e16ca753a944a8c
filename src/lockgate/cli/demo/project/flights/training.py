"""How the example's candidates are trained: your own framework, one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl
    from lightgbm import LGBMClassifier

    from lockgate.train.features import Features

SEED: Final = 20130401
TREES: Final = 200
THREADS: Final = 1


def fit(table: pl.DataFrame, features: Features) -> LGBMClassifier:
    """Boosted trees: the library's defaults, 200 of them; the same rows give the same model.

    Categories come as numbers and are split like any number: LightGBM's own category splits do not convert exactly.
    """
    from lightgbm import LGBMClassifier

    model: Any = LGBMClassifier(
        n_estimators=TREES, random_state=SEED, deterministic=True, force_row_wise=True, n_jobs=THREADS, verbose=-1
    )
    model.fit(features.matrix(table), features.target(table))
    fitted: LGBMClassifier = model
    return fitted
