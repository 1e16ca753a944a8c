"""scikit-learn's tree models as forests. Its trees and forests round their inputs to float32; its histogram ones do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lockgate.features.pipeline import Floats
from lockgate.runtime.compile.forest import Forest, Link, Refused, Tree, one_class


def _tree(model: Any) -> Forest:
    return _averaged(model, [model])


def _forest(model: Any) -> Forest:
    return _averaged(model, list(model.estimators_))


def _averaged(model: Any, members: list[Any]) -> Forest:
    """The mean over the trees: of the chance of each class, or of the value."""
    if model.n_outputs_ > 1:
        raise Refused(f"{type(model).__name__} answers several values for one row, which is not served.")
    is_classifier = hasattr(model, "classes_")
    trees: list[Tree] = []
    for member in members:
        values = member.tree_.value[:, 0, :]
        if is_classifier:
            values = values / values.sum(axis=1, keepdims=True)
        trees.append(_plain(member.tree_, values / len(members), None))
    outputs = len(model.classes_) if is_classifier else 1
    return Forest(trees=tuple(trees), base=np.zeros(outputs), link="none", test="<=", rounds=True)


def _boosted(model: Any) -> Forest:
    """GradientBoosting: a start, and trees in rounds with one column for each output."""
    if not (model.init_ == "zero" or type(model.init_).__name__ in {"DummyClassifier", "DummyRegressor"}):
        raise Refused(f"{type(model).__name__} starts from a model of its own (init), which no converter carries.")
    base = model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0]  # noqa: SLF001 - it is nowhere public
    trees = [
        _plain(member.tree_, model.learning_rate * member.tree_.value[:, 0, :], column)
        for members in model.estimators_
        for column, member in enumerate(members)
    ]
    link = _link(model, len(base))
    factor = 2.0 if getattr(model, "loss", "") == "exponential" else 1.0
    base = np.asarray(base, dtype=np.float64)
    return Forest(trees=tuple(trees), base=base, link=link, test="<=", rounds=True, factor=factor)


def _histogram(model: Any) -> Forest:
    """HistGradientBoosting. Raises Refused where it splits by categories: its converter answers wrongly on all rows."""
    if getattr(model, "is_categorical_", None) is not None:
        raise Refused(
            f"{type(model).__name__} with categorical_features splits by sets of categories, "
            "which the graph cannot carry."
        )
    trees = [
        _histogram_tree(member.nodes, column)
        for members in model._predictors  # noqa: SLF001 - it is nowhere public
        for column, member in enumerate(members)
    ]
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)  # noqa: SLF001
    link: Link = "exp" if getattr(model, "loss", "") in {"poisson", "gamma"} else _link(model, len(base))
    return Forest(trees=tuple(trees), base=base, link=link, test="<=", rounds=False)


def _link(model: Any, outputs: int) -> Link:
    if not hasattr(model, "classes_"):
        return "none"
    return "sigmoid" if outputs == 1 else "softmax"


def _plain(tree: Any, values: Floats, column: int | None) -> Tree:
    """column: the output that the leaves add to; None where they hold a value for each."""
    is_leaf = np.asarray(tree.children_left == -1)
    weights = np.asarray(values[is_leaf], dtype=np.float64)
    every = np.tile(np.arange(len(values[0]), dtype=np.int64), (len(weights), 1))
    return Tree(
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        yes=tree.children_left.astype(np.int64),
        no=tree.children_right.astype(np.int64),
        is_missing_yes=tree.missing_go_to_left.astype(bool),
        is_leaf=is_leaf,
        targets=every if column is None else one_class(len(weights), column),
        weights=weights,
    )


def _histogram_tree(nodes: Any, column: int) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        yes=nodes["left"].astype(np.int64),
        no=nodes["right"].astype(np.int64),
        is_missing_yes=nodes["missing_go_to_left"].astype(bool),
        is_leaf=is_leaf,
        targets=one_class(int(is_leaf.sum()), column),
        weights=nodes["value"][is_leaf].astype(np.float64).reshape(-1, 1),
    )


READERS: Mapping[tuple[str, str], Callable[[Any], Forest]] = {
    ("sklearn", "DecisionTreeClassifier"): _tree,
    ("sklearn", "DecisionTreeRegressor"): _tree,
    ("sklearn", "RandomForestClassifier"): _forest,
    ("sklearn", "RandomForestRegressor"): _forest,
    ("sklearn", "ExtraTreesClassifier"): _forest,
    ("sklearn", "ExtraTreesRegressor"): _forest,
    ("sklearn", "GradientBoostingClassifier"): _boosted,
    ("sklearn", "GradientBoostingRegressor"): _boosted,
    ("sklearn", "HistGradientBoostingClassifier"): _histogram,
    ("sklearn", "HistGradientBoostingRegressor"): _histogram,
}
