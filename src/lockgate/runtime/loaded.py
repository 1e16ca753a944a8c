"""A framework's model in memory, and what it says of itself: what it takes, for which task, and who wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.records.version import Format


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One model, ready to answer.

    model: the framework's own object, None where there is nothing to convert. answer: what `takes` names, to shape (n,):
    the chance of class 1 or a value; (n, k) for k classes. takes: "matrix", floats of shape (n, width); "frame", a pandas
    frame. needs: its columns by name, in order, () where the file does not say. width: how many, None likewise.
    categories: levels, in order, of columns that it wants as pandas categories. task: None where the file cannot say.
    classes: labels as text, in the order of its chances.
    """

    format: Format
    model: Any
    answer: Callable[[Any], Floats]
    takes: Literal["matrix", "frame"]
    needs: tuple[str, ...] = ()
    width: int | None = None
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    task: Task | None = None
    classes: tuple[str, ...] = ()
    library: Library | None = None
