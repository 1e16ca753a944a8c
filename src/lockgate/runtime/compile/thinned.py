"""A finished graph with fewer nodes that answers the same: text looked up before it, no-ops and dead ends taken out.

A node costs about as much as an addition of a thousand numbers, and a text far more: for one row the graph is its nodes. What
is written here is held to the native model afterwards, as every graph is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.runtime.compile.layout import Code, Layout
from lockgate.runtime.compile.nodes import FLOAT

_TEXTS, _CODES = "texts", "codes"


class _Graph:
    """A graph's nodes by what they give and take; edits are made on the model itself."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.helper = import_module("onnx.helper")
        self._numpy = import_module("onnx.numpy_helper")

    @property
    def nodes(self) -> list[Any]:
        return list(self.model.graph.node)

    def givers(self) -> dict[str, Any]:
        return {name: node for node in self.nodes for name in node.output}

    def takers(self, name: str) -> list[Any]:
        return [node for node in self.nodes if name in node.input]

    def constant(self, name: str) -> NDArray[Any] | None:
        found = next((one for one in self.model.graph.initializer if one.name == name), None)
        return None if found is None else np.asarray(self._numpy.to_array(found))

    def new_constant(self, value: NDArray[Any]) -> str:
        name = f"lockgate_thinned_{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(self._numpy.from_array(value, name))
        return name

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        found = next((one for one in node.attribute if one.name == name), None)
        return default if found is None else self.helper.get_attribute_value(found)

    def replace(self, old: str, new: str) -> None:
        """Everybody who takes `old` takes `new`."""
        for node in self.nodes:
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = new

    def drop(self, nodes: Sequence[Any]) -> None:
        for node in nodes:
            self.model.graph.node.remove(node)

    def insert(self, place: int, *nodes: Any) -> None:
        for node in reversed(nodes):
            self.model.graph.node.insert(place, node)

    @property
    def answers(self) -> set[str]:
        return {output.name for output in self.model.graph.output}


def thinned(model: Any, layout: Layout) -> Layout:
    """Thin the graph in place; the layout with what the engine looks up from now on."""
    graph = _Graph(model)
    _without_dead_ends(graph)
    codes = _lifted(graph, layout.texts)
    while any(step(graph, layout) for step in (_merge_one_hots, _undo_splits, _undo_gathers, _undo_identities)):
        _without_dead_ends(graph)
    _without_dead_ends(graph)
    return msgspec.structs.replace(layout, codes=codes)


def _without_dead_ends(graph: _Graph) -> None:
    """A classifier's label, say, once its chances alone are kept."""
    needed = graph.answers
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.output):
            graph.drop([node])
        else:
            needed.update(node.input)
    used = {name for node in graph.nodes for name in node.input}
    for one in [one for one in graph.model.graph.initializer if one.name not in used]:
        graph.model.graph.initializer.remove(one)


def _lifted(graph: _Graph, texts: tuple[str, ...]) -> tuple[Code, ...]:
    """Tables from text to number in place of the nodes that hold them; () where a text is used for anything else."""
    tables, movers = _tables(graph, texts)
    if not tables:
        return ()
    codes: list[Code] = []
    outputs: list[tuple[str, list[int]]] = []
    for node, columns in tables:
        outputs.append((node.output[0], list(range(len(codes), len(codes) + len(columns)))))
        codes += [Code(column=texts[column], **_table(graph, node)) for column in columns]
    graph.drop([*movers, *(node for node, _ in tables)])
    if all(len(places) == 1 for _, places in outputs) and len(outputs) > 1:
        names = [name for name, _ in outputs]
        graph.insert(0, graph.helper.make_node("Split", [_CODES], names, axis=1, num_outputs=len(names)))
    else:
        for name, places in outputs:
            graph.insert(0, _gather(graph, _CODES, np.array(places, dtype=np.int64), name))
    given = next(one for one in graph.model.graph.input if one.name == _TEXTS)
    graph.model.graph.input.remove(given)
    graph.model.graph.input.append(graph.helper.make_tensor_value_info(_CODES, FLOAT, [None, len(codes)]))
    return tuple(codes)


def _tables(graph: _Graph, texts: tuple[str, ...]) -> tuple[list[tuple[Any, list[int]]], list[Any]]:
    """Every node that turns text to numbers by a table, with the columns it does so for; and those that only move text."""
    columns: dict[str, list[int]] = {_TEXTS: list(range(len(texts)))} if texts else {}
    tables: list[tuple[Any, list[int]]] = []
    movers: list[Any] = []
    for node in graph.nodes:
        taken = [columns[name] for name in node.input if name in columns]
        if not taken:
            continue
        moved = _moved(graph, node, taken[0]) if len(taken) == 1 else None
        if moved is not None:
            columns.update(zip(node.output, moved, strict=True))
            movers.append(node)
        elif node.op_type == "LabelEncoder" and _table(graph, node):
            tables.append((node, taken[0]))
        else:
            return [], []
    return tables, movers


def _moved(graph: _Graph, node: Any, columns: list[int]) -> list[list[int]] | None:
    """The columns of each output of a node that only moves them; None for any other."""
    if node.op_type == "Identity":
        return [columns]
    if node.op_type == "Split" and len(node.output) == len(columns):
        return [[column] for column in columns]
    if node.op_type == "Gather" and graph.attribute(node, "axis") == 1:
        places = graph.constant(node.input[1])
        if places is not None and places.ndim == 1:
            return [[columns[place] for place in places.tolist()]]
    return None


def _table(graph: _Graph, node: Any) -> dict[str, Any]:
    keys, values = graph.attribute(node, "keys_strings"), graph.attribute(node, "values_floats")
    if not keys or not values:
        return {}
    table = {key.decode(): _or_none(value) for key, value in zip(keys, values, strict=True)}
    return {"table": table, "unseen": _or_none(graph.attribute(node, "default_float", -0.0))}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _merge_one_hots(graph: _Graph, layout: Layout) -> bool:  # noqa: ARG001 - the shape of a step
    """Concat of Cast(Equal(code, levels)) of several columns, as one of each over all slots."""
    givers = graph.givers()
    split = next((node for node in graph.nodes if node.op_type == "Split" and node.input[0] == _CODES), None)
    if split is None:
        return False
    places = {name: place for place, name in enumerate(split.output)}
    for concat in [node for node in graph.nodes if node.op_type == "Concat" and graph.attribute(node, "axis") == 1]:
        found = [_one_hot(graph, givers, name) for name in concat.input]
        if len(found) < 2 or any(one is None or one[0] not in places for one in found):
            continue
        parts = [one for one in found if one is not None]
        if len({kind for _, _, kind in parts}) > 1:
            continue
        slots = np.concatenate([np.full(levels.size, places[code]) for code, levels, _ in parts]).astype(np.int64)
        levels = np.concatenate([levels.ravel() for _, levels, _ in parts]).reshape(1, -1).astype(np.float32)
        name = concat.output[0]
        gathered = _gather(graph, _CODES, slots, f"{name}_codes")
        equal = graph.helper.make_node("Equal", [gathered.output[0], graph.new_constant(levels)], [f"{name}_is"])
        cast = graph.helper.make_node("Cast", [f"{name}_is"], [name], to=parts[0][2])
        place = graph.nodes.index(concat)
        graph.drop([concat])
        graph.insert(place, gathered, equal, cast)
        return True
    return False


def _one_hot(graph: _Graph, givers: dict[str, Any], name: str) -> tuple[str, NDArray[Any], int] | None:
    """(the code, its levels, the type it ends as) of a Cast of an Equal with constants."""
    cast = givers.get(name)
    if cast is None or cast.op_type != "Cast":
        return None
    equal = givers.get(cast.input[0])
    if equal is None or equal.op_type != "Equal":
        return None
    levels = graph.constant(equal.input[1])
    return None if levels is None else (equal.input[0], levels, int(graph.attribute(cast, "to")))


def _undo_splits(graph: _Graph, layout: Layout) -> bool:  # noqa: ARG001 - the shape of a step
    """A Split whose parts are put together again in order."""
    for split in [node for node in graph.nodes if node.op_type == "Split"]:
        for concat in graph.takers(split.output[0]):
            if concat.op_type == "Concat" and list(concat.input) == list(split.output):
                return _bypassed(graph, concat, split.input[0])
    return False


def _undo_gathers(graph: _Graph, layout: Layout) -> bool:
    """A Gather of all the numbers in order, and a test or two that is made of it."""
    width = {"numbers": len(layout.numbers), _CODES: len(layout.codes)}
    for node in graph.nodes:
        if node.op_type == "IsNaN" and node.input[0] in width:
            width[node.output[0]] = width[node.input[0]]
        if node.op_type != "Gather" or node.input[0] not in width or graph.attribute(node, "axis") != 1:
            continue
        places = graph.constant(node.input[1])
        if places is not None and np.array_equal(places, np.arange(width[node.input[0]])):
            return _bypassed(graph, node, node.input[0])
    return False


def _undo_identities(graph: _Graph, layout: Layout) -> bool:  # noqa: ARG001 - the shape of a step
    for node in graph.nodes:
        if node.op_type == "Identity" and node.output[0] not in graph.answers and graph.constant(node.input[0]) is None:
            return _bypassed(graph, node, node.input[0])
    return False


def _bypassed(graph: _Graph, node: Any, given: str) -> bool:
    if node.output[0] in graph.answers:
        return False
    graph.replace(node.output[0], given)
    graph.drop([node])
    return True


def _gather(graph: _Graph, given: str, places: NDArray[np.int64], name: str) -> Any:
    return graph.helper.make_node("Gather", [given, graph.new_constant(places)], [name], axis=1)
