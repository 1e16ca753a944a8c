"""LightGBM's and XGBoost's trees as forests, read from the text each library writes of itself."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lockgate.features.pipeline import Floats
from lockgate.runtime.compile.forest import Forest, Indices, Link, Refused, Tree, one_class

_ZERO, _NAN = 1, 2  # LightGBM's kinds of missing, in bits 2 and 3 of a node's decision
_TINY = float(np.float32(1e-35))  # LightGBM takes what is no larger for zero, and splits beside zero at this


def booster_of(estimator: Any) -> Any | None:
    """The LightGBM Booster of an estimator, None where it is not LightGBM's. Does not import LightGBM."""
    if not type(estimator).__module__.startswith("lightgbm."):
        return None
    return getattr(estimator, "booster_", estimator)


def _lightgbm(model: Any) -> Forest:
    text: str = getattr(model, "booster_", model).model_to_string()
    head, *parts = text.split("end of trees", maxsplit=1)[0].split("\nTree=")
    about = _fields(head)
    link, factor = _lightgbm_link(about.get("objective", ""))
    outputs = int(about["num_tree_per_iteration"])
    rounds = len(parts) / outputs if "average_output" in head.splitlines() else 1.0  # boosting_type "rf" averages
    trees = [_lightgbm_tree(_fields(part), place % outputs, 1 / rounds) for place, part in enumerate(parts)]
    return Forest(trees=tuple(trees), base=np.zeros(outputs), link=link, test="<=", rounds=False, factor=factor)


def _lightgbm_link(objective: str) -> tuple[Link, float]:
    name, *more = objective.split()
    settings = dict(part.split(":") for part in more if ":" in part)
    if name == "binary":
        return "sigmoid", float(settings.get("sigmoid", 1.0))
    links: dict[str, Link] = {"multiclass": "softmax", "cross_entropy": "sigmoid"}
    links |= dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "none")
    links |= dict.fromkeys(("poisson", "gamma", "tweedie"), "exp")
    if name not in links or "sqrt" in more:
        raise Refused(f"LightGBM's objective {objective!r} is not known to the compiled path.")
    return links[name], 1.0


def _lightgbm_tree(fields: dict[str, str], output: int, weight: float) -> Tree:
    """Its leaves are numbered apart from its splits, and a child below zero is a leaf: here they follow the splits."""
    if fields.get("is_linear", "0") != "0":
        raise Refused("LightGBM with linear_tree has a line in each leaf, which the graph cannot carry.")
    weights = np.array(fields["leaf_value"].split(), dtype=np.float64).reshape(-1, 1) * weight
    splits = len(weights) - 1
    decision = _ints(fields, "decision_type", splits)
    if (decision & 1).any():
        raise Refused(
            "LightGBM splits by sets of categories here, which the graph carries only for small whole numbers."
        )
    threshold = np.array(fields["threshold"].split() if splits else [], dtype=np.float64)
    threshold[threshold == -_TINY] = np.nextafter(-_TINY, -np.inf)
    missing = (decision >> 2) & 3
    if (missing == _ZERO).any():
        raise Refused("LightGBM was told that zero is missing (zero_as_missing), which the graph cannot carry.")
    # Where no training row was missing, it takes a missing value for zero.
    is_missing_yes = np.where(missing == _NAN, (decision & 2) > 0, threshold >= 0)
    left, right = (_ints(fields, name, splits) for name in ("left_child", "right_child"))
    return _with_leaves(_ints(fields, "split_feature", splits), threshold, left, right, is_missing_yes, weights, output)


def _with_leaves(
    feature: Indices,
    threshold: Floats,
    left: Indices,
    right: Indices,
    is_missing_yes: Any,
    weights: Floats,
    output: int,
) -> Tree:
    splits, leaves = len(feature), len(weights)
    none = np.zeros(leaves, dtype=np.int64)
    return Tree(
        feature=np.concatenate([feature, none]),
        threshold=np.concatenate([threshold, none.astype(np.float64)]),
        yes=np.concatenate([np.where(left < 0, splits + ~left, left), none]),
        no=np.concatenate([np.where(right < 0, splits + ~right, right), none]),
        is_missing_yes=np.concatenate([is_missing_yes, none.astype(bool)]),
        is_leaf=np.arange(splits + leaves) >= splits,
        targets=one_class(leaves, output),
        weights=weights,
    )


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _ints(fields: dict[str, str], name: str, count: int) -> Indices:
    return np.array(fields[name].split() if count else [], dtype=np.int64)


def _xgboost(model: Any) -> Forest:
    """It rounds to float32, and its thresholds are float32. Up to the best round, as its own estimators predict."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    best = _best_round(model, booster)
    learner = json.loads(bytes((booster if best is None else booster[: best + 1]).save_raw("json")))["learner"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise Refused(f"XGBoost's booster {learner['gradient_booster']['name']!r} is not a plain sum of trees.")
    if not math.isnan(getattr(model, "missing", math.nan)):
        raise Refused(f"XGBoost was told that {model.missing} is missing, which the graph cannot carry.")
    grown = learner["gradient_booster"]["model"]
    base = np.atleast_1d(np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float64))
    link, base = _xgboost_link(learner["objective"]["name"], base)
    outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    trees = tuple(_xgboost_tree(tree, output) for tree, output in zip(grown["trees"], grown["tree_info"], strict=True))
    return Forest(trees=trees, base=np.broadcast_to(base, outputs).copy(), link=link, test="<", rounds=True)


def _best_round(model: Any, booster: Any) -> int | None:
    """Where training stopped early, the round that an estimator answers up to; a booster that was never one answers with
    all.
    """
    kept = booster.attributes()
    is_estimators = model is not booster or "scikit_learn" in kept
    return int(kept["best_iteration"]) if is_estimators and "best_iteration" in kept else None


def _xgboost_link(objective: str, base: Floats) -> tuple[Link, Floats]:
    if objective in {"binary:logistic", "reg:logistic"}:
        return "sigmoid", np.log(base / (1 - base))
    if objective == "multi:softprob":
        return "softmax", base
    if objective in {"count:poisson", "reg:gamma", "reg:tweedie"}:
        return "exp", np.log(base)
    if objective in {"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"}:
        return "none", base
    raise Refused(f"XGBoost's objective {objective!r} is not known to the compiled path.")


def _xgboost_tree(tree: dict[str, Any], output: int) -> Tree:
    if any(tree["split_type"]):
        raise Refused("XGBoost splits by sets of categories here (enable_categorical), which the graph cannot carry.")
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise Refused("XGBoost holds a vector in each leaf (multi_output_tree), which the graph cannot carry.")
    left = np.array(tree["left_children"], dtype=np.int64)
    is_leaf = left == -1
    # A leaf keeps its value where a split keeps its threshold; both were float32 before they were written as text.
    values = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    return Tree(
        feature=np.array(tree["split_indices"], dtype=np.int64),
        threshold=values,
        yes=left,
        no=np.array(tree["right_children"], dtype=np.int64),
        is_missing_yes=np.array(tree["default_left"], dtype=bool),
        is_leaf=is_leaf,
        targets=one_class(int(is_leaf.sum()), output),
        weights=values[is_leaf].reshape(-1, 1),
    )


READERS: Mapping[tuple[str, str], Callable[[Any], Forest]] = {
    ("lightgbm", "Booster"): _lightgbm,
    ("lightgbm", "LGBMModel"): _lightgbm,
    ("xgboost", "Booster"): _xgboost,
    ("xgboost", "XGBModel"): _xgboost,
}
