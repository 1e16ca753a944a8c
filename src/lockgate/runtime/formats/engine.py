"""A model in memory as an engine: what a feature pipeline gives, arranged and typed as the model takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import PredictError, SpecError
from lockgate.features.columns import Columns
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records import Column
from lockgate.records.spec import Task
from lockgate.runtime.frames import framer, refuse_text, stacked
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.predictor import Engine, Inputs

BOOSTERS = frozenset({"lightgbm", "xgboost", "catboost"})


def engine(loaded: Loaded, inputs: Sequence[Column], task: Task | None = None) -> Engine:
    """An engine fed by `inputs`: a matrix in their order, or columns by their names.

    Raises SpecError where the model expects other columns, or another number, or types that they cannot give, and where
    it does not do `task`.
    """
    if task is not None:
        check_task(loaded, task)
    order = arranged(loaded, inputs)
    if loaded.format == "constant":
        return loaded.answer
    if loaded.takes == "text":
        return _text(loaded, order)
    if loaded.takes == "matrix":
        return _matrix(loaded, order, inputs)
    return _named(loaded, order, inputs)


def arranged(loaded: Loaded, inputs: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that the model takes, in its own order. Raises SpecError naming those that are missing."""
    if loaded.format in {"constant", "rule"}:
        return tuple(inputs)
    if loaded.takes == "text":
        return _only_text(inputs)
    if loaded.needs:
        return _by_name(loaded, inputs)
    if loaded.width is not None and len(inputs) != loaded.width:
        raise SpecError(
            f"The model takes {loaded.width} columns and does not say which; it was offered {len(inputs)}: "
            f"{_some([column.name for column in inputs])}.",
            cure="Offer the columns it was trained on, in that order.",
        )
    return tuple(inputs)


def check_task(loaded: Loaded, task: Task) -> None:
    """Raises SpecError where the model says of itself that it does something else than `task`."""
    if loaded.task is not None and loaded.task != task:
        raise SpecError(
            f"The model is made for a {loaded.task} task, and this one is {task}.",
            cure="Name another target or another task, or train a model for this one.",
        )


def _by_name(loaded: Loaded, inputs: Sequence[Column]) -> tuple[Column, ...]:
    offered = {column.name: column for column in inputs}
    if loaded.library is not None and loaded.library.name == "lightgbm":  # it writes spaces as underscores
        offered |= {name.replace(" ", "_"): column for name, column in offered.items() if " " in name}
    missing = [name for name in loaded.needs if name not in offered]
    if not missing:
        return tuple(offered[name] for name in loaded.needs)
    needs = set(loaded.needs)
    extra = [column.name for column in inputs if column.name not in needs]
    near = {name: get_close_matches(name, extra, n=1) for name in missing}
    hints = "; ".join(f"{found[0]!r} for {name!r}" for name, found in near.items() if found)
    raise SpecError(
        f"The model expects {len(missing)} {'column' if len(missing) == 1 else 'columns'} that the table lacks: "
        f"{_some(missing)}."
        + (f" The table has {_some(extra)} besides." if extra else "")
        + (f" Did you mean {hints}?" if hints else ""),
        cure="Rename the table's columns, or give the table that the model was trained on.",
    )


def _only_text(inputs: Sequence[Column]) -> tuple[Column, ...]:
    text = [column for column in inputs if column.type == "text"]
    if len(text) != 1:
        raise SpecError(
            f"The model takes one column of text, and the table has {len(text)}"
            + (f": {_some([column.name for column in text])}." if text else "."),
            cure="Offer that column alone.",
        )
    return tuple(text)


def _text(loaded: Loaded, order: tuple[Column, ...]) -> Engine:
    (column,) = order

    def answer(inputs: Inputs) -> Floats:
        if not isinstance(inputs, dict):
            raise PredictError("The model takes text, and was given a matrix of numbers.", reason="raised")
        return loaded.answer(inputs[column.name])

    return answer


def _matrix(loaded: Loaded, order: tuple[Column, ...], inputs: Sequence[Column]) -> Engine:
    refuse_text(order)
    places = _places(order, inputs)

    def answer(given: Inputs) -> Floats:
        if isinstance(given, dict):
            return loaded.answer(stacked(given, order))
        return loaded.answer(_checked(given, len(inputs)) if places is None else given[:, places])

    return answer


def _named(loaded: Loaded, order: tuple[Column, ...], inputs: Sequence[Column]) -> Engine:
    """Of models that take names: a frame, or arrays by name under the model's own names."""
    names = loaded.needs or tuple(column.name for column in order)
    sources = {column.name: place for place, column in enumerate(inputs)}
    shape: Callable[[Columns], Any]
    if loaded.takes == "frame":
        is_booster = loaded.library is not None and loaded.library.name in BOOSTERS
        shape = framer(names, order, loaded.categories, strict=is_booster)
    else:
        pairs = [(name, column.name) for name, column in zip(names, order, strict=True)]
        shape = lambda columns: {name: columns[source] for name, source in pairs}  # noqa: E731

    def answer(given: Inputs) -> Floats:
        if isinstance(given, dict):
            return loaded.answer(shape(given))
        matrix = _checked(given, len(inputs))
        return loaded.answer(shape({name: matrix[:, place] for name, place in sources.items()}))

    return answer


def _places(order: tuple[Column, ...], inputs: Sequence[Column]) -> NDArray[np.intp] | None:
    """Where each of the model's columns lies in the matrix; None where it is as it should be."""
    at = {column.name: place for place, column in enumerate(inputs)}
    places = [at[column.name] for column in order]
    return None if places == list(range(len(inputs))) else np.array(places, dtype=np.intp)


def _checked(matrix: Matrix, width: int) -> Matrix:
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise PredictError(f"The model takes {width} columns and was given shape {matrix.shape}.", reason="shape")
    return matrix


def _some(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
