"""Texts looked up before they come into a graph: each table from levels to numbers becomes a column beside its numbers.

While a graph is thinned these columns stand behind its own numbers, in the order in which they were found; those still in use
at the end are what its engine looks up.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from lockgate.runtime.compile.layout import MISSING, Coded, Layout
from lockgate.runtime.compile.nodes import DOUBLE
from lockgate.runtime.compile.surgery import Surgery, pick, picks, setting

NUMBERS, TEXTS = "numbers", "texts"
_WHOLE = 2**24  # float32 holds every whole number up to it


def lift(graph: Surgery, layout: Layout) -> Layout:
    """Look texts up outside, where every use of them is a table from levels to numbers; else leave them as they come."""
    encoders = _encoders(graph, layout) if TEXTS in graph.inputs else []
    if encoders is None or TEXTS not in graph.inputs or not (encoders or layout.numbers):
        return layout
    _make_room(graph, layout)
    coded: list[Coded] = []
    for node, places in encoders:
        columns = [len(layout.numbers) + len(coded) + at for at in range(len(places))]
        coded += [_coded(node, layout.texts[place]) for place in places]
        codes = pick(graph, NUMBERS, columns)
        graph.exact.add(codes)
        _take_codes(graph, node, codes)
    graph.prune()
    del graph.inputs[TEXTS]
    return msgspec.structs.replace(layout, texts=(), coded=tuple(coded))


def settle(graph: Surgery, layout: Layout) -> Layout:
    """Keep the looked-up columns that are used, in order."""
    if not layout.coded:
        return layout
    width = len(layout.numbers)
    nodes = [(node, places) for node in graph.users(NUMBERS) if (places := picks(graph, node)) is not None]
    used = sorted({place for _, places in nodes for place in places if place >= width})
    moved = {place: place for place in range(width)} | {place: width + at for at, place in enumerate(used)}
    for node, places in nodes:
        node.input[1] = graph.constant(np.array([moved[place] for place in places], dtype=np.int64))
    graph.widths[NUMBERS] = width + len(used)
    graph.inputs[NUMBERS] = _input(graph, width + len(used))
    return msgspec.structs.replace(layout, coded=tuple(layout.coded[place - width] for place in used))


def _encoders(graph: Surgery, layout: Layout) -> list[tuple[Any, list[int]]] | None:
    """The tables that texts go into, each with the places of its columns; None where texts go anywhere else."""
    found: list[tuple[Any, list[int]]] = []
    for node in graph.users(TEXTS):
        places = picks(graph, node)
        if places is None:
            found.append((node, list(range(len(layout.texts)))))
        else:
            found += [(user, places) for user in graph.users(node.output[0])]
    return found if all(_is_table(node) for node, _ in found) else None


def _is_table(node: Any) -> bool:
    if node.op_type != "LabelEncoder" or not setting(node, "keys_strings"):
        return False
    whole: list[int] = [*(setting(node, "values_int64s") or ()), setting(node, "default_int64", -1)]
    return setting(node, "values_floats") is not None or (len(whole) > 1 and max(map(abs, whole)) < _WHOLE)


def _make_room(graph: Surgery, layout: Layout) -> None:
    """Of its own numbers the graph picks its columns from here on, for others will stand behind them."""
    width = len(layout.numbers)
    graph.widths.pop(NUMBERS, None)
    if not width:
        graph.kinds[NUMBERS] = DOUBLE
        graph.inputs[NUMBERS] = _input(graph, 0)
        return
    own = [node for node in graph.users(NUMBERS) if picks(graph, node) is None]
    if own:
        name = pick(graph, NUMBERS, range(width))
        for node in own:
            node.input[:] = [name if given == NUMBERS else given for given in node.input]
        graph.look()


def _input(graph: Surgery, width: int) -> Any:
    return import_module("onnx.helper").make_tensor_value_info(NUMBERS, graph.kinds[NUMBERS], [None, width])


def _coded(node: Any, column: str) -> Coded:
    floats = setting(node, "values_floats")
    values = setting(node, "values_int64s") if floats is None else floats
    unseen = setting(node, "default_int64", -1) if floats is None else setting(node, "default_float", 0.0)
    table = {key.decode(): float(value) for key, value in zip(setting(node, "keys_strings"), values, strict=True)}
    missing = table.pop(MISSING, unseen)
    return coded(column, table, float(unseen), float(missing))


def coded(column: str, levels: dict[str, float], unseen: float, missing: float) -> Coded:
    """The table of a column; NaN is written as None, for JSON has no NaN."""
    return Coded(
        column=column,
        levels={level: _told(value) for level, value in levels.items()},
        unseen=_told(unseen),
        missing=_told(missing),
    )


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value


def _take_codes(graph: Surgery, node: Any, codes: str) -> None:
    """In place of a table's numbers. They have the type of the numbers beside them: what they meet is brought to it."""
    kind, dtype = graph.kinds[codes], np.float64 if graph.kinds[codes] == DOUBLE else np.float32
    for user in graph.users(node.output[0]):
        held = graph.constants.get(user.input[1]) if user.op_type == "Equal" else None
        if held is not None:
            user.input[0], user.input[1] = codes, graph.constant(held.astype(dtype))
        elif user.op_type == "Cast":
            user.input[0] = codes
        else:
            old = graph.kinds[node.output[0]]
            same = codes if old == kind else graph.add("Cast", [codes], kind=old, width=graph.widths[codes], to=old)
            user.input[:] = [same if given == node.output[0] else given for given in user.input]
    graph.look()
