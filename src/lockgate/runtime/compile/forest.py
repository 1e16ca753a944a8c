"""Tree models read into one plain form: every library's trees, with the comparison that each of them really makes.

Read by two neighbours: the converter, which writes the form as one graph node, and the rows that sit at split boundaries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.features.pipeline import Floats

Link = Literal["none", "sigmoid", "softmax", "exp"]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Refused(Exception):
    """The model has a part that the compiled path does not carry; the text is a whole sentence for people."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Nodes in arrays of one length, the root first; a leaf has is_leaf, and what the others say of it is not read.

    threshold: the library's own, unrounded. is_missing_yes: where a missing value goes. targets, weights: of each leaf in
    order, shape (leaves, values): which output of the forest each adds to, and how much.
    """

    feature: Indices
    threshold: Floats
    yes: Indices
    no: Indices
    is_missing_yes: Flags
    is_leaf: Flags
    targets: Indices
    weights: Floats


@dataclass(frozen=True, kw_only=True)
class Forest:
    """The sum of the leaves reached, plus `base`, through `link`; shape of base: (outputs,).

    test: "<=" goes to `yes` at or below the threshold, "<" below it. rounds: the library rounds its inputs to float32
    before it compares; else it compares in float64. factor: what the sum is multiplied by before the link.
    """

    trees: tuple[Tree, ...]
    base: Floats
    link: Link
    test: Literal["<=", "<"]
    rounds: bool
    factor: float = 1.0

    def splits(self) -> tuple[Indices, Floats]:
        """The feature and the threshold of every split, shape (splits,) each."""
        inner = [~tree.is_leaf for tree in self.trees]
        features = [tree.feature[here] for tree, here in zip(self.trees, inner, strict=True)]
        thresholds = [tree.threshold[here] for tree, here in zip(self.trees, inner, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *features]), np.concatenate([np.zeros(0), *thresholds])


def forest_of(model: Any) -> Forest | None:
    """The trees of a fitted model, None where it is no tree model known here. Imports no library: a model's class names it.

    Raises Refused where it is one, and has a part that no graph carries.
    """
    read = _reader(model)
    return None if read is None else read(model)


def is_forest(model: Any) -> bool:
    """Whether `forest_of` knows the model's class."""
    return _reader(model) is not None


def _reader(model: Any) -> Callable[[Any], Forest] | None:
    from lockgate.runtime.compile import boosters, catboost_trees, sklearn_trees  # they make what is declared here

    known = {**sklearn_trees.READERS, **boosters.READERS, **catboost_trees.READERS}
    places = ((kind.__module__.split(".")[0], kind.__name__) for kind in type(model).__mro__)
    return next((known[place] for place in places if place in known), None)


def floor32(values: Floats) -> NDArray[np.float32]:
    """Each value rounded down to a float32: on float32 inputs it splits as the value itself does."""
    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        near = wide.astype(np.float32)
        return np.where(near > wide, np.nextafter(near, np.float32(-np.inf)), near)


def one_class(leaves: int, target: int) -> Indices:
    """The targets of a tree whose leaves all add to one output."""
    return np.full((leaves, 1), target, dtype=np.int64)
