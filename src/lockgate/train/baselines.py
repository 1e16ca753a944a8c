"""Baselines, trained before any candidate: the majority, a rule over few columns, a linear model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.features.pipeline import Matrix
from lockgate.records.spec import Task
from lockgate.runtime.engines import RuleFile, rule, rule_cells

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline as SklearnPipeline

Floats = NDArray[np.float64]
BINS = 24
SMOOTHING = 20.0


def fit_rule(
    matrix: Matrix, target: Floats, names: tuple[str, ...], by: tuple[str, ...], text: frozenset[str]
) -> RuleFile:
    """Cell means, pulled towards the overall mean by `SMOOTHING` rows' worth. by: the columns, or none to choose two.

    Numbers of `text` columns are levels, each a cell of its own; other columns fall into at most 24 quantile bins.
    """
    for name in by:
        if name not in names:
            raise SpecError(unknown("input", name, names), cure="Mend `rule` in lockgate.toml.")
    edges = [_edges(matrix[:, i], name in text) for i, name in enumerate(names)]
    chosen = tuple(names.index(name) for name in by) or _choose(matrix, target, edges)
    return _rule(matrix, target, chosen, edges)


def fit_linear(
    matrix: Matrix, target: Floats, names: tuple[str, ...], text: frozenset[str], task: Task
) -> SklearnPipeline:
    """Logistic or ridge regression: medians for missing numbers, levels one-hot, all scaled."""
    from sklearn import compose, pipeline
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    make_pipeline: Any = vars(pipeline)["make_pipeline"]  # untyped in scikit-learn
    make_column_transformer: Any = vars(compose)["make_column_transformer"]

    present = [i for i in range(len(names)) if not np.isnan(matrix[:, i]).all()]
    levels = [i for i in present if names[i] in text]
    numbers = [i for i in present if names[i] not in text]
    # No missing indicator and no limit on categories: neither converts to ONNX, and a baseline is always kept loaded.
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    hot = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore"))
    prepared = make_column_transformer((scaled, numbers), (hot, levels))
    last: Any = LogisticRegression(max_iter=300) if task == "binary" else Ridge()
    made: Any = make_pipeline(prepared, last)
    return made.fit(matrix, target)


def _edges(values: NDArray[np.float32], is_text: bool) -> tuple[float, ...]:
    present = values[~np.isnan(values)].astype(np.float64)
    if not present.size:
        return ()
    distinct = np.unique(present)
    if is_text or distinct.size <= BINS:
        return tuple((a + b) / 2 for a, b in pairwise(distinct.tolist()))
    return tuple(np.unique(np.quantile(present, np.arange(1, BINS) / BINS)).tolist())


def _choose(matrix: Matrix, target: Floats, edges: list[tuple[float, ...]]) -> tuple[int, ...]:
    """The two columns whose cells leave the least squared error on the last fifth, one after the other."""
    held = len(matrix) - len(matrix) // 5
    chosen: tuple[int, ...] = ()
    for _ in range(2):
        candidates: list[tuple[int, ...]] = [
            (*chosen, i) for i in range(matrix.shape[1]) if i not in chosen and edges[i]
        ]
        if not candidates:
            return chosen
        rules = {columns: _rule(matrix[:held], target[:held], columns, edges) for columns in candidates}
        chosen = min(rules, key=lambda c: _squared_error(rules[c], matrix[held:], target[held:]))
    return chosen


def _rule(matrix: Matrix, target: Floats, columns: tuple[int, ...], edges: list[tuple[float, ...]]) -> RuleFile:
    used = tuple(edges[i] for i in columns)
    size = int(np.prod([len(inner) + 2 for inner in used]))
    place = rule_cells(matrix, columns, used)
    counts = np.bincount(place, minlength=size)
    mean = float(target.mean())
    means = (np.bincount(place, weights=target, minlength=size) + SMOOTHING * mean) / (counts + SMOOTHING)
    values = tuple(float(value) if count else None for value, count in zip(means, counts, strict=True))
    return RuleFile(columns=columns, edges=used, values=values, default=mean)


def _squared_error(fitted: RuleFile, matrix: Matrix, target: Floats) -> float:
    return float(((rule(fitted)(matrix) - target) ** 2).mean())
