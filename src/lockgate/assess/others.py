"""What a handful of columns can tell of the outcome together: what a single strong column is held against."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockgate.assess.encoded import as_numbers
from lockgate.assess.question import Floats
from lockgate.features.columns import Columns
from lockgate.metrics import roc_auc

MOST_ROWS = 4_000
FOLDS = 3


def told_by(columns: Columns, names: tuple[str, ...], outcome: Floats, task: str, seed: int) -> float:
    """How well these columns tell the outcome, by a small boosted model that answers rows it did not learn from.

    On at most 4,000 rows. An AUC; of many classes the share of what the commonest leaves wrong; of numbers the share of
    their variance. Nought without columns, or where a fold cannot learn.
    """
    if not names:
        return 0.0
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(outcome.size)[:MOST_ROWS])
    inputs = np.column_stack([as_numbers(columns[name][rows]) for name in names])
    target = outcome[rows]
    fold = rng.permutation(rows.size) % FOLDS
    said = cross_fitted(inputs, target, fold, is_number=task == "regression")
    if task == "binary":
        return roc_auc(said, target)
    if task == "regression":
        return 1 - float(np.square(target - said).sum()) / float(np.square(target - target.mean()).sum())
    common = float(np.unique(target, return_counts=True)[1].max()) / target.size
    return (float((said == target).mean()) - common) / (1 - common)


def cross_fitted(inputs: Floats, target: Floats, fold: Any, *, is_number: bool) -> Floats:
    """What a small boosted model says of rows it did not learn from: values, chances of 1, or of many classes the likeliest
    one. fold: shape (n,), whole numbers under FOLDS.
    """
    from sklearn import ensemble
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    kind = "HistGradientBoostingRegressor" if is_number else "HistGradientBoostingClassifier"
    make: Any = vars(ensemble)[kind]  # its types refuse early_stopping=False
    is_two = np.unique(target).size == 2
    said = np.full(target.size, target.mean())
    with threadpool_limits(limits=1):
        for at in range(FOLDS):
            here, there = fold == at, fold != at
            usable = ~np.isnan(inputs[there]).all(axis=0)
            if not here.any() or not usable.any() or np.unique(target[there]).size < 2:
                continue
            least = max(2, min(20, int(there.sum()) // 20))
            model = make(max_iter=50, max_leaf_nodes=8, min_samples_leaf=least, early_stopping=False)
            model.fit(inputs[there][:, usable], target[there])
            given = inputs[here][:, usable]
            said[here] = model.predict_proba(given)[:, 1] if is_two and not is_number else model.predict(given)
    return said
