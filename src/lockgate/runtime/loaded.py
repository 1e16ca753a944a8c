"""A framework's model in memory, and what it says of itself: what it takes, for which task, and who wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.records.version import Format

Takes = Literal["matrix", "frame", "columns", "text"]
Gives = Literal["chances", "labels", "values"]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One model, ready to answer.

    model: the framework's own object, None where there is nothing to convert. answer: what `takes` names, to shape (n,):
    the chance of class 1 or a value; (n, k) for k classes; on one thread. takes: "matrix", floats of shape (n, width);
    "frame", a pandas frame; "columns", arrays by name; "text", the values of one text column. needs: its columns by name,
    in order, () where the file does not say. width: how many, None likewise. categories: levels, in order, of columns
    that it wants as pandas categories. task: None where the file cannot say. classes: labels as text, in the order of its
    chances. gives: "labels", where it names a class and no chance: the class it names has chance 1. note: a sentence on
    what a reader of its answers should know.
    """

    format: Format
    model: Any
    answer: Callable[[Any], Floats]
    takes: Takes
    needs: tuple[str, ...] = ()
    width: int | None = None
    categories: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    task: Task | None = None
    classes: tuple[str, ...] = ()
    gives: Gives = "values"
    library: Library | None = None
    note: str = ""


def label_text(value: object) -> str:
    """A label as text, the same for 1, 1.0 and numpy's own 1; true and false as JSON writes them."""
    plain: object = cast("Any", value).item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float) and plain.is_integer():
        return str(int(plain))
    return str(plain)


def labels_text(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(label_text(value) for value in values)


def task_of(classes: int) -> Task:
    """The task of a classifier over so many classes. Raises SpecError for one."""
    if classes < 2:
        raise SpecError(
            "The model was trained on one class alone: it can only ever answer that one.",
            cure="Train it on rows of at least two classes.",
        )
    return "binary" if classes == 2 else "multiclass"


def chances(found: NDArray[Any]) -> Floats:
    """Chances of shape (n, k) as an engine gives them: of two classes, that of class 1 alone."""
    wide = np.asarray(found, dtype=np.float64)
    return wide[:, 1] if wide.ndim == 2 and wide.shape[1] == 2 else wide


def named(found: NDArray[Any], classes: NDArray[Any]) -> Floats:
    """Predicted labels as chances of 0 and 1: shape (n,) for two classes, else (n, k)."""
    hit = np.asarray(found).reshape(-1, 1) == np.asarray(classes).reshape(1, -1)
    return chances(hit)


def values(found: NDArray[Any]) -> Floats:
    """Predicted values, shape (n,); a single column is taken as such."""
    wide = np.asarray(found, dtype=np.float64)
    return wide.reshape(-1) if wide.ndim == 2 and wide.shape[1] == 1 else wide
