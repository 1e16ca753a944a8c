"""Thinner graphs: texts looked up before they come in, and nodes left out that change nothing.

ONNX Runtime takes as long to come to a node as a small node takes to compute, and longer for a text: the time of one row is
mostly the number of nodes. Each rule knows one shape of nodes and leaves every other alone. Whether it still answers as its
model does is found out afterwards, on rows, like everything else about a graph.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.runtime.compile.layout import Coded, Layout
from lockgate.runtime.compile.lifted import NUMBERS, lift, settle
from lockgate.runtime.compile.nodes import DOUBLE
from lockgate.runtime.compile.surgery import BOOL, Surgery, pick, picks, setting, source_of
from lockgate.runtime.compile.tidy import TIDY

_NEUTRAL = {"Sub": 0.0, "Add": 0.0, "Div": 1.0, "Mul": 1.0, "Where": np.nan}  # Where: what is missing stays missing


def thinned(model: Any, layout: Layout) -> Layout:
    """Thin the graph in place, and tell how rows come to it now."""
    graph = Surgery(model)
    if graph.has_graphs_inside:  # their nodes name what lies outside
        return layout
    graph.apply(TIDY)
    graph.apply((_even_chances, _other_chance, *TIDY))
    layout = lift(graph, layout)
    layout = _weighed(graph, layout)
    graph.apply((_one_hot_together, _joined, *TIDY))
    layout = settle(graph, layout)
    graph.apply(TIDY)
    graph.write()
    return layout


def _even_chances(graph: Surgery, node: Any) -> bool:
    """The two chances of a line sum to one as they are. Both stay: of one column alone, ONNX Runtime takes the sigmoid of
    some rows two at a time and of the last by itself, and a row's last bit would hang on the rows beside it.
    """
    if node.op_type != "Div" or node.output[0] != graph.output:
        return False
    total = graph.maker(node.input[1], "ReduceSum")
    size = graph.maker(total.input[0], "Abs") if total is not None else None
    chance = graph.maker(node.input[0], "Sigmoid")
    if size is None or chance is None or size.input[0] != chance.output[0]:
        return False
    add = graph.maker(chance.input[0], "Add")
    times = graph.maker(add.input[0], "MatMul") if add is not None else None
    if add is None or times is None:
        return False
    lines = [graph.constants.get(one.input[1]) for one in (times, add)]
    if any(line is None or line.shape[-1:] != (2,) or not (line[..., 0] == -line[..., 1]).all() for line in lines):
        return False
    return graph.replace(node.output[0], chance.output[0])


def _other_chance(graph: Surgery, node: Any) -> bool:
    """Of a forest's two chances, the last is the answer."""
    if node.op_type != "Concat" or node.output[0] != graph.output or len(node.input) != 2:
        return False
    rest, chance = (graph.maker(name, "Sigmoid") for name in node.input)
    if rest is None or chance is None:
        return False
    other = graph.maker(rest.input[0], "Neg")
    is_pair = other is not None and other.input[0] == chance.input[0] and _is_one_sum(graph, chance.input[0])
    return is_pair and graph.replace(node.output[0], chance.output[0])


def _is_one_sum(graph: Surgery, name: str) -> bool:
    factor = graph.maker(name, "Mul")
    forest = graph.maker(name if factor is None else factor.input[0], "TreeEnsembleRegressor")
    return forest is not None and setting(forest, "n_targets") == 1


class _OneHot(NamedTuple):
    """The code's column, and the codes that it is held against, shape (1, w)."""

    column: int
    codes: NDArray[Any]


def _one_hot(graph: Surgery, name: str) -> _OneHot | None:
    cast = graph.maker(name, "Cast") if graph.is_used_once(name) else None
    equal = graph.maker(cast.input[0], "Equal") if cast is not None and graph.is_used_once(cast.input[0]) else None
    if equal is None or source_of(graph, equal.input[0]) != NUMBERS:
        return None
    places, codes = picks(graph, graph.maker(equal.input[0])) or [], graph.constants.get(equal.input[1])
    if len(places) != 1 or codes is None or codes.ndim != 2:
        return None
    return _OneHot(places[0], codes)


def _weighed(graph: Surgery, layout: Layout) -> Layout:
    """Where a line weighs one-hot columns, its weights are looked up themselves: the sum stays, the columns go."""
    tables = list(layout.coded)
    for times in [node for node in graph.nodes if node.op_type == "MatMul"]:
        side = graph.maker(times.input[0], "Concat") if graph.is_used_once(times.input[0]) else None
        weights = graph.constants.get(times.input[1])
        if side is None or weights is None or not _is_one_line(weights):
            continue
        if graph.kinds[times.input[1]] == graph.kinds.get(NUMBERS) and all(name in graph.widths for name in side.input):
            left = [
                _weighed_part(graph, side, place, own, tables, len(layout.numbers))
                for place, own in enumerate(_parts(graph, side, weights))
            ]
            times.input[1] = graph.constant(np.concatenate(left))
            graph.widths[side.output[0]] = sum(map(len, left))
            graph.look()
    graph.prune()
    return msgspec.structs.replace(layout, coded=tuple(tables))


def _is_one_line(weights: NDArray[Any]) -> bool:
    """One answer, or a line's two that differ in sign alone."""
    is_pair = weights.ndim == 2 and weights.shape[1] == 2 and bool((weights[:, 0] == -weights[:, 1]).all())
    return is_pair or (weights.ndim == 2 and weights.shape[1] == 1)


def _parts(graph: Surgery, side: Any, weights: NDArray[Any]) -> list[NDArray[Any]]:
    """The weights of each of the columns or tables that are put together."""
    ends = np.cumsum([graph.widths[name] for name in side.input])
    return list(np.split(weights, ends[:-1]))


def _weighed_part(
    graph: Surgery, side: Any, place: int, weights: NDArray[Any], tables: list[Coded], numbers: int
) -> NDArray[Any]:
    """The weights that are left to a part: of one-hot columns a one, for the part is their weighted sum by then."""
    found = _one_hot(graph, side.input[place])
    if found is None:
        return weights
    table = tables[found.column - numbers]
    side.input[place] = pick(graph, NUMBERS, [numbers + len(tables)])
    tables.append(_with_weights(table, found.codes[0], weights[:, -1]))
    return np.array([[-1, 1][-weights.shape[1] :]], dtype=weights.dtype)


def _with_weights(table: Coded, codes: NDArray[Any], weights: NDArray[Any]) -> Coded:
    """The table with a code's weight in place of the code; a code that stands for none weighs nothing."""
    by_code = dict(zip(codes.tolist(), weights.tolist(), strict=True))
    levels = {level: by_code.get(code, 0.0) for level, code in table.levels.items()}
    unseen, missing = (by_code.get(code, 0.0) for code in (table.unseen, table.missing))
    return Coded(column=table.column, levels=levels, unseen=unseen, missing=missing)


def _one_hot_together(graph: Surgery, node: Any) -> bool:
    """Neighbours of one table, by one comparison."""
    if node.op_type != "Concat":
        return False
    merged: list[str] = []
    for is_one_hot, group in groupby(node.input, key=lambda name: _one_hot(graph, name) is not None):
        names = list(group)
        found = [one for name in names if (one := _one_hot(graph, name)) is not None]
        if is_one_hot and len(names) > 1:
            columns = pick(graph, NUMBERS, [one.column for one in found for _ in range(one.codes.shape[1])])
            codes = graph.constant(np.concatenate([one.codes for one in found], axis=1))
            kind, width = graph.kinds[names[0]], graph.widths[columns]
            equal = graph.add("Equal", [columns, codes], kind=BOOL, width=width)
            names = [graph.add("Cast", [equal], kind=kind, width=width, to=kind)]
        merged += names
    if merged == list(node.input):
        return False
    del node.input[:]
    node.input.extend(merged)
    return True


class _Chain(NamedTuple):
    """Columns of a table, and what is done to each by itself: an operation, and its number for each column."""

    source: str
    places: list[int]
    steps: list[tuple[str, NDArray[Any]]]


def _chain(graph: Surgery, name: str) -> _Chain | None:
    steps: list[tuple[str, NDArray[Any]]] = []
    while (found := _step(graph, name)) is not None:
        name, op, number = found
        steps.insert(0, (op, number))
    source, width = source_of(graph, name), graph.widths.get(name)
    if width is None or (not source and name not in graph.inputs):
        return None
    places = picks(graph, graph.maker(name)) if source else list(range(width))
    assert places is not None
    wide = [(op, np.broadcast_to(number.reshape(1, -1), (1, len(places)))) for op, number in steps]
    return _Chain(source or name, places, wide)


def _step(graph: Surgery, name: str) -> tuple[str, str, NDArray[Any]] | None:
    """What a value was before the last thing done to it, that thing, and its number."""
    node = graph.maker(name)
    if node is None or not graph.is_used_once(name) or node.op_type not in _NEUTRAL:
        return None
    if node.op_type == "Where":
        test, fill, given = node.input
        missing = graph.maker(test, "IsNaN")
        if missing is None or missing.input[0] != given:
            return None
    else:
        given, fill = node.input
    number, width = graph.constants.get(fill), graph.widths.get(name)
    is_plain = number is not None and number.ndim <= 2 and number.size in {1, width}
    return (given, node.op_type, number) if is_plain and number is not None else None


def _joined(graph: Surgery, node: Any) -> bool:
    """Columns of one table that are put together after something was done to some: done to all, and nothing to the rest."""
    if node.op_type != "Concat" or len(node.input) < 2:
        return False
    chains = [_chain(graph, name) for name in node.input]
    known = [chain for chain in chains if chain is not None]
    ops = max(([op for op, _ in chain.steps] for chain in known), key=len, default=list[str]())
    if len(known) < len(chains) or len({chain.source for chain in known}) > 1:
        return False
    if any([op for op, _ in chain.steps] not in ([], ops) for chain in known):
        return False
    name = pick(graph, known[0].source, [place for chain in known for place in chain.places])
    for at, op in enumerate(ops):
        name = _done(graph, name, op, np.concatenate([_number(chain, at, op) for chain in known], axis=1))
    return graph.replace(node.output[0], name)


def _number(chain: _Chain, at: int, op: str) -> NDArray[Any]:
    return chain.steps[at][1] if chain.steps else np.full((1, len(chain.places)), _NEUTRAL[op])


def _done(graph: Surgery, name: str, op: str, number: NDArray[Any]) -> str:
    kind, width = graph.kinds[name], graph.widths[name]
    held = graph.constant(number.astype(np.float64 if kind == DOUBLE else np.float32))
    if op == "Where":
        missing = graph.add("IsNaN", [name], kind=BOOL, width=width)
        return graph.add("Where", [missing, held, name], kind=kind, width=width)
    return graph.add(op, [name, held], kind=kind, width=width)
