"""A finished graph under the knife: who makes a value, who uses it, its type and width, and how another takes its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from graphlib import TopologicalSorter
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.runtime.compile.nodes import DOUBLE, FLOAT, INT64

BOOL = 9  # onnx.TensorProto's number
Rule = Callable[["Surgery", Any], bool]
"""Changes the graph at one node, and says whether it did."""


class Surgery:
    """kinds: by value, ONNX's number of its type. widths: by value, its columns, of those that are known to be tables.
    exact: float64 values that float32 holds as they are.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._made = 0
        self.nodes: list[Any] = list(model.graph.node)
        self.inputs: dict[str, Any] = {given.name: given for given in model.graph.input}
        self.output: str = model.graph.output[-1].name
        to_array = import_module("onnx.numpy_helper").to_array
        self.constants: dict[str, NDArray[Any]] = {one.name: to_array(one) for one in model.graph.initializer}
        self.kinds: dict[str, int] = {one.name: one.data_type for one in model.graph.initializer}
        self.widths: dict[str, int] = {}
        self.exact: set[str] = set()
        self._infer()
        self.look()

    @property
    def has_graphs_inside(self) -> bool:
        return any(attribute.HasField("g") or attribute.graphs for node in self.nodes for attribute in node.attribute)

    def apply(self, rules: Sequence[Rule]) -> None:
        """Until none of them finds anything more."""
        self.prune()
        while any(rule(self, node) for node in list(self.nodes) for rule in rules):
            self.prune()

    def maker(self, name: str, op: str | None = None) -> Any | None:
        """The node that makes a value; with op, only if it is such a one."""
        node = self._makers.get(name)
        return node if node is not None and (op is None or node.op_type == op) else None

    def users(self, name: str) -> list[Any]:
        return self._users.get(name, [])

    def is_used_once(self, name: str) -> bool:
        return name != self.output and len(self.users(name)) == 1

    def add(self, op: str, inputs: Sequence[str], *, kind: int, width: int | None = None, **more: Any) -> str:
        """A node with one output of this type and width; its name."""
        name = self._name(op)
        self.nodes.append(import_module("onnx.helper").make_node(op, list(inputs), [name], name=name, **more))
        self.kinds[name] = kind
        if width is not None:
            self.widths[name] = width
        self.look()
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = self._name("constant")
        self.constants[name] = value
        self.kinds[name] = {np.dtype(np.float32): FLOAT, np.dtype(np.float64): DOUBLE}.get(value.dtype, INT64)
        return name

    def replace(self, old: str, new: str) -> bool:
        """Let everything that uses `old` use `new`. An answer stays a node's, never an input as it came."""
        if old == self.output:
            if self.maker(new) is None:
                return False
            self.output = new
        for node in self.users(old):
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = new
        self.look()
        return True

    def prune(self) -> None:
        """Leave out what does not lead to the answer."""
        needed, stack = set[str](), [self.output]
        while stack:
            name = stack.pop()
            if name not in needed:
                needed.add(name)
                stack += getattr(self.maker(name), "input", ())
        self.nodes = [node for node in self.nodes if needed.intersection(node.output)]
        self.look()

    def write(self) -> None:
        """Put the nodes back into the model, each behind those that it uses."""
        helper, to_tensor = import_module("onnx.helper"), import_module("onnx.numpy_helper").from_array
        graph, used = self._model.graph, {name for node in self.nodes for name in node.input}
        outer = graph.output[-1]
        nodes = self._in_order()
        kept = [one for one in graph.initializer if one.name in used]
        have = {one.name for one in kept}
        kept += [to_tensor(self.constants[n], n) for n in self.constants if n in used and n not in have]
        for field, values in (("node", nodes), ("initializer", kept), ("input", [*self.inputs.values()])):
            copies = [_copy(value) for value in values]  # what was taken from the field goes with it
            del getattr(graph, field)[:]
            getattr(graph, field).extend(copies)
        del graph.value_info[:]
        if self.output != outer.name:
            answer = helper.make_tensor_value_info(self.output, self.kinds[self.output], [None, None])
            del graph.output[:]
            graph.output.append(answer)

    def _in_order(self) -> list[Any]:
        by_output = {name: place for place, node in enumerate(self.nodes) for name in node.output if name}
        sorter = TopologicalSorter(
            {
                place: [by_output[name] for name in node.input if name in by_output]
                for place, node in enumerate(self.nodes)
            }
        )
        return [self.nodes[place] for place in sorter.static_order()]

    def _infer(self) -> None:
        found = import_module("onnx.shape_inference").infer_shapes(self._model).graph
        for one in [*found.input, *found.value_info, *found.output]:
            kind = one.type.tensor_type
            if kind.elem_type:
                self.kinds[one.name] = kind.elem_type
            if len(kind.shape.dim) == 2 and kind.shape.dim[1].HasField("dim_value"):
                self.widths[one.name] = kind.shape.dim[1].dim_value

    def look(self) -> None:
        """Who makes and who uses what, after nodes were changed."""
        self._makers = {name: node for node in self.nodes for name in node.output if name}
        self._users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)

    def _name(self, op: str) -> str:
        self._made += 1
        return f"lockgate_thin_{op}_{self._made}"


def _copy(message: Any) -> Any:
    kind: Any = message.__class__
    return kind.FromString(message.SerializeToString())


def setting(node: Any, name: str, default: Any = None) -> Any:
    """An attribute's value."""
    for attribute in node.attribute:
        if attribute.name == name:
            return import_module("onnx.helper").get_attribute_value(attribute)
    return default


def pick(graph: Surgery, name: str, places: Sequence[int]) -> str:
    """Some columns of a table, as a table."""
    chosen = graph.constant(np.array(places, dtype=np.int64))
    return graph.add("Gather", [name, chosen], kind=graph.kinds[name], width=len(places), axis=1)


def picks(graph: Surgery, node: Any) -> list[int] | None:
    """The columns that a node picks, None where it does anything else."""
    if node is None or node.op_type != "Gather" or setting(node, "axis", 0) != 1:
        return None
    places = graph.constants.get(node.input[1])
    if places is None or places.ndim != 1 or (places < 0).any():
        return None
    found: list[int] = places.tolist()
    return found


def source_of(graph: Surgery, name: str) -> str:
    """The table that a value is picked from, "" where it is not."""
    node = graph.maker(name, "Gather")
    return node.input[0] if node is not None and picks(graph, node) is not None else ""
