"""Compile a model, try it, and keep the graph only where it answers as the native model does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lockgate.errors import SpecError
from lockgate.records import Column, Parity
from lockgate.records.spec import Task
from lockgate.runtime.compile.convert import Asked, convert, sentence
from lockgate.runtime.compile.engine import ONNX, Compiled
from lockgate.runtime.compile.forest import Refused
from lockgate.runtime.compile.graph import with_layout
from lockgate.runtime.compile.layout import Layout, raw_layout
from lockgate.runtime.compile.parity import TOLERANCE, Answers, answers, compared, failed, unit, verdict
from lockgate.runtime.compile.rows import MAX_LEVELS, Tried, tried
from lockgate.runtime.formats.engine import arranged
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.predictor import Engine, Inputs

PARITY = "parity.json"
TRIED = TOLERANCE / 2  # rows are tried at half of what is promised, so that those never tried stay within it
CLOSE = TRIED / 5
ONNX_ALREADY = "It is an ONNX model: what is served is the file itself."


def compile_checked(
    loaded: Loaded,
    native: Engine,
    inputs: tuple[Column, ...],
    held_out: Inputs,
    folder: Path,
    *,
    task: Task,
) -> Parity:
    """Convert, compare, and write parity.json; model.onnx lies in the folder only where parity passed.

    native: the engine that would serve. inputs: what it takes, in the order of the matrix or of the raw pipeline's columns.
    held_out: rows it was not trained on. Raises nothing for a conversion's sake: the reason says why native is served.
    """
    found, graph = decided(loaded, native, inputs, held_out, task=task)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ONNX).unlink(missing_ok=True)
    if graph is not None:
        (folder / ONNX).write_bytes(graph)
    (folder / PARITY).write_bytes(msgspec.json.encode(found))
    return found


def decided(
    loaded: Loaded, native: Engine, inputs: tuple[Column, ...], held_out: Inputs, *, task: Task
) -> tuple[Parity, bytes | None]:
    """The decision, and the graph where it passed.

    A matrix is float32, so a graph in float32 is tried first, and one in float64 where that does not come close; raw
    columns are float64 themselves, and it is the other way round.
    """
    try:
        _refuse(loaded, inputs)
        order = arranged(loaded, inputs)
        names = loaded.needs or tuple(column.name for column in order)
        moved = tried(loaded.model, held_out, inputs, order, names)
        rows = [(kind, answers(native, kind.inputs)) for kind in moved if len(kind)]
        if not rows or not rows[0][1].is_given.any():
            raise Refused("The native model itself answers none of the held-out rows.")
        layout = _layout(held_out, inputs, rows)
    except (Refused, SpecError) as error:
        if loaded.format == "onnx":
            return failed(str(error)), None
        return failed(sentence(error, loaded.model)), None
    columns, ordered = (tuple(column.name for column in one) for one in (inputs, order))
    asked = Asked(layout=layout, columns=columns, order=ordered, names=names)
    is_raw = isinstance(held_out, dict)
    attempts: list[tuple[Parity, bytes]] = []
    for is_wide in (True, False) if is_raw else (False, True):
        attempts.append(_attempt(loaded.model, asked, rows, task, is_wide))
        if attempts[-1][0].is_passed and attempts[-1][0].worst <= CLOSE:
            break
    found, graph = min(attempts, key=lambda one: (not one[0].is_passed, one[0].rows == 0, one[0].worst))
    return found, graph if found.is_passed else None


def to_onnx(model: Any, width: int, folder: Path) -> str | None:
    """Write model.onnx, unchecked, taking one float32 matrix of shape (n, width); None, or why it could not be."""
    try:
        names = tuple(map(str, range(width)))
        graph = convert(model, Asked(layout=Layout(), columns=names, order=names, names=names), is_wide=False)
    except Exception as error:  # noqa: BLE001 - converters raise anything at all: what matters is that native is served
        return sentence(error, model)
    (folder / ONNX).write_bytes(graph)
    return None


def _attempt(
    model: Any, asked: Asked, rows: list[tuple[Tried, Answers]], task: Task, is_wide: bool
) -> tuple[Parity, bytes]:
    try:
        graph = convert(model, asked, is_wide=is_wide)
    except Exception as error:  # noqa: BLE001 - converters raise anything at all
        return failed(sentence(error, model)), b""
    size = unit(rows[0][1], task)
    try:
        engine = Compiled(graph)
        graph, engine = _refusing_beyond(graph, engine, rows, task, size)
        kinds = [one for one in rows if one[0].kind != "beyond" or not engine.layout.refuses_beyond]
        return verdict([compared(kind, expected, engine, task, size) for kind, expected in kinds], TRIED), graph
    except Exception as error:  # noqa: BLE001 - a graph may convert, and still be refused or raise when it runs
        return failed(f"The compiled model does not run: {type(error).__name__}: {str(error)[:200]}."), b""


def _refusing_beyond(
    graph: bytes, engine: Compiled, rows: list[tuple[Tried, Answers]], task: Task, size: float
) -> tuple[bytes, Compiled]:
    """Numbers beyond float32 are refused where the native model refuses them, or answers otherwise than the graph."""
    for kind, expected in rows:
        if kind.kind == "beyond":
            found = compared(kind, expected, engine, task, size)
            if not verdict([found]).is_passed or found.answered or not expected.is_given.all():
                layout = msgspec.structs.replace(engine.layout, refuses_beyond=True)
                graph = with_layout(graph, layout)
                return graph, Compiled(graph)
    return graph, engine


def _refuse(loaded: Loaded, inputs: tuple[Column, ...]) -> None:
    if loaded.format == "onnx":
        raise Refused(ONNX_ALREADY)
    if loaded.model is None:
        raise Refused("There is no model in memory to convert.")
    if loaded.gives == "labels":
        raise Refused("It names a class and gives no chances, and a graph of it would give scores.")
    if loaded.categories:
        raise Refused(f"It takes {next(iter(loaded.categories))!r} as pandas categories, which the graph cannot carry.")
    times = [column.name for column in inputs if column.type == "time"]
    if times and loaded.takes == "frame":
        raise Refused(f"It takes {times[0]!r} as a time, which the graph cannot carry.")


def _layout(held_out: Inputs, inputs: tuple[Column, ...], rows: list[tuple[Tried, Answers]]) -> Layout:
    """How rows come, and what the native model was seen to refuse."""
    is_raw = isinstance(held_out, dict)
    layout = raw_layout(inputs) if is_raw else Layout()
    refused = sorted(set(_refused("missing", rows)))
    missing = tuple(inputs[place].name if is_raw else str(place) for place in refused)
    levels: dict[str, tuple[str, ...]] = {}
    for place in set(_refused("unseen", rows)):
        levels[inputs[place].name] = _known_levels(place, inputs[place].name, rows)
    return msgspec.structs.replace(layout, refuses_missing=missing, levels=levels)


def _refused(kind: str, rows: list[tuple[Tried, Answers]]) -> Iterator[int]:
    """The inputs that were moved in the rows of this kind that the native model did not answer."""
    for here, expected in rows:
        if here.kind == kind:
            yield from here.columns[~expected.is_given].tolist()


def _known_levels(place: int, name: str, rows: list[tuple[Tried, Answers]]) -> tuple[str, ...]:
    """The levels that the native model answered. Raises Refused where there are too many to hold them apart."""
    for here, expected in rows:
        if here.kind == "level" and isinstance(here.inputs, dict):
            taken = here.inputs[name][(here.columns == place) & expected.is_given].tolist()
            if len(taken) < MAX_LEVELS:
                return tuple(sorted(set(taken)))
    raise Refused(f"It raises on levels of {name!r} that it never saw, and there are too many to tell them apart.")
