"""Surgery on finished graphs: one answer kept, inputs packed, what a graph refuses written into it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from lockgate.records import encode
from lockgate.runtime.compile.forest import Forest
from lockgate.runtime.compile.layout import KEY, Layout
from lockgate.runtime.compile.nodes import DOUBLE, FLOAT, OPSETS, GraphWriter, forest_answer

INSIDE = "lockgate_x"
_IR = 9  # what the oldest ONNX Runtime allowed here reads
_TEXT = 8


def forest_graph(forest: Forest, width: int, *, is_wide: bool) -> Any:
    """A model of one node or a few more, with an input INSIDE of shape (n, width)."""
    helper = import_module("onnx.helper")
    writer = GraphWriter()
    writer.node("Identity", [forest_answer(writer, forest, INSIDE, is_wide=is_wide)], "answer")
    given = helper.make_tensor_value_info(INSIDE, DOUBLE if is_wide else FLOAT, [None, width])
    answer = helper.make_tensor_value_info("answer", FLOAT, [None, None])
    graph = helper.make_graph(writer.nodes, "forest", [given], [answer], writer.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR)


def last_answer_only(model: Any) -> None:
    """Keep the last output: of a classifier the chances. What led to the others is pruned when the graph is loaded."""
    keep = model.graph.output[-1]
    del model.graph.output[:-1]
    assert len(model.graph.output) == 1, keep


def with_inputs(
    model: Any, packed: Mapping[str, tuple[str, ...]], order: tuple[str, ...], *, is_wide: bool, is_named: bool
) -> None:
    """Give the graph packed inputs, split inside into its own: one for each column of `order`, or one for all of them where
    not is_named. packed: by input, "input" or "numbers" and "texts", its columns.
    """
    helper = import_module("onnx.helper")
    inside = [given.name for given in model.graph.input]
    writer = GraphWriter()
    if is_named:
        places = dict(zip(order, inside, strict=True))
        for name, columns in packed.items():
            given = _widened(writer, name, is_wide)
            writer.nodes.append(_split(helper, given, [places[column] for column in columns]))
    else:
        ((name, columns),) = [item for item in packed.items() if item[1]]
        given = _widened(writer, name, is_wide)
        if columns != order:
            places_in = np.array([columns.index(column) for column in order], dtype=np.int64)
            given = writer.node("Gather", [given, writer.constant(places_in)], axis=1)
        writer.node("Identity", [given], inside[0])
    model.graph.initializer.extend(writer.constants)
    for node in reversed(writer.nodes):
        model.graph.node.insert(0, node)
    kinds = {"input": FLOAT, "numbers": DOUBLE if is_wide else FLOAT, "texts": _TEXT}
    del model.graph.input[:]
    for name, columns in packed.items():
        model.graph.input.append(helper.make_tensor_value_info(name, kinds[name], [None, len(columns)]))


def with_layout(graph: bytes, layout: Layout) -> bytes:
    """The same graph, carrying the layout."""
    model = import_module("onnx").ModelProto.FromString(graph)
    import_module("onnx.helper").set_model_props(model, {KEY: encode(layout).decode()})
    return bytes(model.SerializeToString())


def without_locale(model: Any) -> None:
    """Lower case by the plain rules: a named locale may be missing on the machine that serves."""
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            for attribute in [one for one in node.attribute if one.name == "locale"]:
                node.attribute.remove(attribute)
            node.attribute.append(import_module("onnx.helper").make_attribute("locale", "C"))


def declare_float32_trees(model: Any) -> None:
    """Tree nodes answer float32 whatever they are given; skl2onnx declares float64 for some, and they do not load."""
    helper = import_module("onnx.helper")
    nodes: list[Any] = list(model.graph.node)
    for place, node in reversed(list(enumerate(nodes))):
        is_wide = any(attribute.name == "nodes_values_as_tensor" for attribute in node.attribute)
        if is_wide and not node.name.startswith("lockgate"):
            outer, node.output[-1] = node.output[-1], f"{node.output[-1]}_float32"
            model.graph.node.insert(place + 1, helper.make_node("Cast", [node.output[-1]], [outer], to=DOUBLE))


def _widened(writer: GraphWriter, name: str, is_wide: bool) -> str:
    """A matrix is float32 however the graph computes."""
    return writer.node("Cast", [name], to=DOUBLE) if is_wide and name == "input" else name


def _split(helper: Any, packed: str, outputs: list[str]) -> Any:
    if len(outputs) == 1:
        return helper.make_node("Identity", [packed], outputs)
    return helper.make_node("Split", [packed], outputs, axis=1, num_outputs=len(outputs))
