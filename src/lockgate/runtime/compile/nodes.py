"""A forest as graph nodes, written the same way into a graph of our own and into one that skl2onnx is making."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lockgate.runtime.compile.forest import Forest, floor32

ML = "ai.onnx.ml"
OPSETS = {"": 19, ML: 3}  # 19: strings may be compared; 3: thresholds may be float64
FLOAT, DOUBLE, INT64 = 1, 11, 7  # onnx.TensorProto's numbers


class Writer(Protocol):
    """Where nodes go."""

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **more: Any) -> str:
        """Add a node with one output, and give its name: a new one where `output` is None."""
        ...

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant, and give its name."""
        ...


class GraphWriter:
    """Collects nodes and constants for a graph of our own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **more: Any) -> str:
        name = output or f"lockgate_{op}_{len(self.nodes)}"
        self.nodes.append(import_module("onnx.helper").make_node(op, list(inputs), [name], domain=domain, **more))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"lockgate_constant_{len(self.constants)}"
        self.constants.append(import_module("onnx.numpy_helper").from_array(value, name))
        return name


class ContainerWriter:
    """Writes into the graph that skl2onnx is making."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **more: Any) -> str:
        name = output or str(self._scope.get_unique_variable_name(f"lockgate_{op}"))
        title = self._scope.get_unique_operator_name(f"lockgate_{op}")
        version = OPSETS[domain]
        self._container.add_node(op, list(inputs), [name], op_domain=domain, op_version=version, name=title, **more)
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = str(self._scope.get_unique_variable_name("lockgate_constant"))
        kinds = {
            np.dtype(np.bool_): 9,
            np.dtype(np.float32): FLOAT,
            np.dtype(np.float64): DOUBLE,
            np.dtype(np.int64): INT64,
        }
        kind = kinds.get(value.dtype, 8)  # 8: text
        flat = [text.encode() for text in value.ravel().tolist()] if kind == 8 else value.ravel().tolist()
        self._container.add_initializer(name, kind, list(value.shape), flat)
        return name


def forest_answer(writer: Writer, forest: Forest, given: str, *, is_wide: bool) -> str:
    """The forest's answer: the chances of all classes, shape (n, k), or the value, shape (n, 1); float32.

    is_wide: `given` is float64, and comparisons are made in float64; else both are float32.
    """
    if is_wide and forest.rounds:
        given = writer.node("Cast", [writer.node("Cast", [given], to=FLOAT)], to=DOUBLE)
    attributes = _attributes(forest, is_wide)
    total = writer.node("TreeEnsembleRegressor", [given], domain=ML, **attributes)
    if forest.factor != 1.0:
        total = writer.node("Mul", [total, writer.constant(np.array([forest.factor], dtype=np.float32))])
    if forest.link == "sigmoid":
        # Each side by itself: one minus a chance near one would lose its digits.
        return writer.node(
            "Concat", [writer.node("Sigmoid", [writer.node("Neg", [total])]), writer.node("Sigmoid", [total])], axis=1
        )
    if forest.link == "softmax":
        return writer.node("Softmax", [total], axis=1)
    return writer.node("Exp", [total]) if forest.link == "exp" else total


def _attributes(forest: Forest, is_wide: bool) -> dict[str, Any]:
    """TreeEnsembleRegressor's own: one list entry for each node, then one for each weight of each leaf."""
    trees = forest.trees
    lengths = [len(tree.feature) for tree in trees]
    inner = np.concatenate([~tree.is_leaf for tree in trees])
    own = [np.arange(length) for length in lengths]
    leaf_ids = [np.repeat(np.flatnonzero(tree.is_leaf), tree.weights.shape[1]) for tree in trees]
    found: dict[str, Any] = {
        "n_targets": len(forest.base),
        "post_transform": "NONE",
        "nodes_treeids": np.repeat(np.arange(len(trees)), lengths).tolist(),
        "nodes_nodeids": np.concatenate(own).tolist(),
        "nodes_featureids": np.where(inner, np.concatenate([tree.feature for tree in trees]), 0).tolist(),
        "nodes_modes": np.where(inner, "BRANCH_LEQ" if forest.test == "<=" else "BRANCH_LT", "LEAF").tolist(),
        "nodes_truenodeids": np.where(inner, np.concatenate([tree.yes for tree in trees]), 0).tolist(),
        "nodes_falsenodeids": np.where(inner, np.concatenate([tree.no for tree in trees]), 0).tolist(),
        "nodes_missing_value_tracks_true": np.concatenate([t.is_missing_yes for t in trees]).astype(int).tolist(),
        "target_treeids": np.repeat(np.arange(len(trees)), [len(ids) for ids in leaf_ids]).tolist(),
        "target_nodeids": np.concatenate(leaf_ids).tolist(),
        "target_ids": np.concatenate([tree.targets.ravel() for tree in trees]).tolist(),
    }
    thresholds = np.where(inner, np.concatenate([tree.threshold for tree in trees]), 0.0)
    weights = np.concatenate([tree.weights.ravel() for tree in trees])
    return found | _numbers(forest, thresholds, weights, is_wide)


def _numbers(forest: Forest, thresholds: Any, weights: Any, is_wide: bool) -> dict[str, Any]:
    if is_wide:
        tensor = import_module("onnx.numpy_helper").from_array
        return {
            "nodes_values_as_tensor": tensor(thresholds, "nodes_values"),
            "target_weights_as_tensor": tensor(weights, "target_weights"),
            "base_values_as_tensor": tensor(forest.base, "base_values"),
        }
    # A threshold tested by "<" is a float32 already, and stays as it is.
    return {
        "nodes_values": floor32(thresholds).tolist(),
        "target_weights": weights.astype(np.float32).tolist(),
        "base_values": forest.base.astype(np.float32).tolist(),
    }
