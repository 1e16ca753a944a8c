"""Nodes that change nothing, left out of a graph: columns taken apart and put together again, casts there and back."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from lockgate.runtime.compile.nodes import DOUBLE, FLOAT
from lockgate.runtime.compile.surgery import BOOL, Rule, Surgery, pick, picks, setting, source_of


def _identity(graph: Surgery, node: Any) -> bool:
    is_one = node.op_type == "Identity" or (node.op_type in {"Concat", "Mean"} and len(node.input) == 1)
    return is_one and graph.replace(node.output[0], node.input[0])


def _cast_to_the_same(graph: Surgery, node: Any) -> bool:
    """Also float32 to float64 at the very end, which the engine does by itself."""
    if node.op_type != "Cast":
        return False
    source, to = graph.kinds.get(node.input[0]), setting(node, "to")
    is_last = node.output[0] == graph.output and (source, to) == (FLOAT, DOUBLE)
    return (source == to or is_last) and graph.replace(node.output[0], node.input[0])


def _cast_of_cast(graph: Surgery, node: Any) -> bool:
    """Where the first one loses nothing."""
    first = graph.maker(node.input[0], "Cast") if node.op_type == "Cast" else None
    if first is None:
        return False
    if not _loses_nothing(graph, first):
        return False
    node.input[0] = first.input[0]
    return True


def _loses_nothing(graph: Surgery, cast: Any) -> bool:
    source, to = graph.kinds.get(cast.input[0]), setting(cast, "to")
    is_exact = cast.input[0] in graph.exact and to == FLOAT
    return is_exact or source == BOOL or (source, to) == (FLOAT, DOUBLE)


def _cast_of_casts(graph: Surgery, node: Any) -> bool:
    """Columns that are cast, put together and cast again: cast once each."""
    side = graph.maker(node.input[0], "Concat") if node.op_type == "Cast" else None
    if side is None or not graph.is_used_once(node.input[0]):
        return False
    casts = [graph.maker(name, "Cast") for name in side.input]
    if any(cast is None or not _loses_nothing(graph, cast) for cast in casts):
        return False
    to, name = setting(node, "to"), side.output[0]
    side.input[:] = [
        graph.add("Cast", [cast.input[0]], kind=to, width=graph.widths.get(cast.output[0]), to=to)
        for cast in casts
        if cast
    ]
    graph.kinds[name] = to
    return graph.replace(node.output[0], name)


def _split(graph: Surgery, node: Any) -> bool:
    """As picks, which can be put together again."""
    width = graph.widths.get(node.input[0]) if node.op_type == "Split" else None
    if width is None or setting(node, "axis", 0) not in {1, -1} or len(node.output) != width:
        return False
    for place, output in enumerate(list(node.output)):
        graph.replace(output, pick(graph, node.input[0], [place]))
    return True


def _pick_of_all(graph: Surgery, node: Any) -> bool:
    places = picks(graph, node)
    is_all = places is not None and places == list(range(graph.widths.get(node.input[0], -1)))
    return is_all and graph.replace(node.output[0], node.input[0])


def _pick_of_pick(graph: Surgery, node: Any) -> bool:
    places, inner = picks(graph, node), graph.maker(node.input[0], "Gather") if node.input else None
    among = picks(graph, inner)
    if places is None or inner is None or among is None:
        return False
    return graph.replace(node.output[0], pick(graph, inner.input[0], [among[place] for place in places]))


def _pick_of_missing(graph: Surgery, node: Any) -> bool:
    """Which are missing, asked of those picked."""
    places, inner = picks(graph, node), graph.maker(node.input[0], "IsNaN") if node.input else None
    if places is None or inner is None:
        return False
    picked = pick(graph, inner.input[0], places)
    return graph.replace(node.output[0], graph.add("IsNaN", [picked], kind=BOOL, width=len(places)))


def _same_pick(graph: Surgery, node: Any) -> bool:
    """One of two alike is enough."""
    places = picks(graph, node)
    if places is None:
        return False
    for other in graph.users(node.input[0]):
        if other is not node and picks(graph, other) == places:
            return graph.replace(node.output[0], other.output[0])
    return False


def _same_missing(graph: Surgery, node: Any) -> bool:
    if node.op_type != "IsNaN":
        return False
    others = [other for other in graph.users(node.input[0]) if other.op_type == "IsNaN" and other is not node]
    return bool(others) and graph.replace(node.output[0], others[0].output[0])


def _side_by_side(graph: Surgery, node: Any) -> bool:
    """What is put together is put together at once, and neighbours picked from one table are picked together."""
    if node.op_type != "Concat" or setting(node, "axis") not in {1, -1}:
        return False
    flat: list[str] = []
    for name in node.input:
        inner = graph.maker(name, "Concat") if graph.is_used_once(name) else None
        flat += inner.input if inner is not None and setting(inner, "axis") in {1, -1} else [name]
    merged: list[str] = []
    for source, group in groupby(flat, key=lambda name: source_of(graph, name)):
        names = list(group)
        if source and len(names) > 1:
            places = [place for name in names for place in picks(graph, graph.maker(name)) or ()]
            names = [pick(graph, source, places)]
        merged += names
    if merged == list(node.input):
        return False
    del node.input[:]
    node.input.extend(merged)
    return True


TIDY: tuple[Rule, ...] = (
    _identity,
    _cast_to_the_same,
    _cast_of_cast,
    _cast_of_casts,
    _split,
    _pick_of_all,
    _pick_of_pick,
    _pick_of_missing,
    _same_pick,
    _same_missing,
    _side_by_side,
)
