"""CatBoost's trees as forests, from its JSON: every level of a tree asks one question of all its nodes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.runtime.compile.forest import Forest, Link, Refused, Tree

_LINKS: Mapping[str, Link] = {
    "Logloss": "sigmoid",
    "CrossEntropy": "sigmoid",
    "MultiClass": "softmax",
    "RMSE": "none",
    "MAE": "none",
    "Quantile": "none",
    "Huber": "none",
    "Poisson": "exp",
    "Tweedie": "exp",
}


def _catboost(model: Any) -> Forest:
    """It rounds its inputs to float32, and asks whether they lie above a border."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.json"
        model.save_model(str(path), format="json")
        told = json.loads(path.read_text())
    about = told["features_info"]
    if about.get("categorical_features") or about.get("text_features") or about.get("embedding_features"):
        raise Refused("CatBoost takes text columns as categories here, which the graph cannot carry.")
    if "oblivious_trees" not in told:
        raise Refused(
            "CatBoost grew trees that are not symmetric (grow_policy), which the compiled path does not read."
        )
    loss = str(told["model_info"]["params"]["loss_function"]["type"])
    if loss not in _LINKS:
        raise Refused(f"CatBoost's loss {loss!r} is not known to the compiled path.")
    scale, bias = told.get("scale_and_bias", [1.0, [0.0]])
    base = np.atleast_1d(np.asarray(bias, dtype=np.float64))
    floats = about["float_features"]
    trees = tuple(_tree(tree, floats, scale) for tree in told["oblivious_trees"])
    outputs = trees[0].weights.shape[1] if trees else len(base)
    return Forest(trees=trees, base=np.broadcast_to(base, outputs).copy(), link=_LINKS[loss], test="<=", rounds=True)


def _tree(tree: dict[str, Any], floats: list[dict[str, Any]], scale: float) -> Tree:
    """Nodes by level, so that the children of node i are 2i + 1 and 2i + 2, and the last level are the leaves.

    Bit i of a leaf's number is the answer to question i, so the last question stands at the root.
    """
    asked: list[dict[str, Any]] = list(reversed(tree.get("splits") or []))
    splits = (1 << len(asked)) - 1
    level = np.floor(np.log2(np.arange(1, splits + 1))).astype(np.int64)
    borders = np.array([np.float32(question["border"]) for question in asked], dtype=np.float64)
    features: list[dict[str, Any]] = [floats[question["float_feature_index"]] for question in asked]
    places = np.array([feature["flat_feature_index"] for feature in features], dtype=np.int64)
    # Where no training row was missing, a missing value lies above no border.
    goes_yes = np.array([feature.get("nan_value_treatment", "AsIs") != "AsTrue" for feature in features], dtype=bool)
    leaves = splits + 1
    weights = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(leaves, -1) * scale
    none = np.zeros(leaves, dtype=np.int64)
    here = np.arange(splits, dtype=np.int64)
    return Tree(
        feature=np.concatenate([places[level], none]),
        threshold=np.concatenate([borders[level], none.astype(np.float64)]),
        yes=np.concatenate([2 * here + 1, none]),
        no=np.concatenate([2 * here + 2, none]),
        is_missing_yes=np.concatenate([goes_yes[level], none.astype(bool)]),
        is_leaf=np.arange(splits + leaves) >= splits,
        targets=np.tile(np.arange(weights.size // leaves, dtype=np.int64), (leaves, 1)),
        weights=weights,
    )


READERS: Mapping[tuple[str, str], Callable[[Any], Forest]] = {("catboost", "CatBoost"): _catboost}
