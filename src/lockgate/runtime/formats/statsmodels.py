"""Fitted statsmodels results: linear, discrete and generalised linear models, by arrays, frames or formulas."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.spec import Task
from lockgate.runtime.formats.kind import installed
from lockgate.runtime.loaded import Loaded, Takes, chances, task_of, values

CONSTANT = {"const", "Intercept"}


def of(results: Any) -> Loaded:
    """Results of a fit. Raises SpecError for a model that was not fitted, and for time series, which take no table."""
    model = getattr(results, "model", None)
    if model is None or not hasattr(results, "predict"):
        raise SpecError(
            f"{type(results).__name__} holds no results of a fit.",
            cure="Save what `fit()` returned: `results.save(...)`.",
        )
    if type(model).__module__.startswith("statsmodels.tsa."):
        raise SpecError(
            f"{type(model).__name__} continues one series and answers no rows of a table.",
            cure="Give a model that takes columns.",
        )
    task, classes = _outcome(results, model)
    takes, needs, width, answer = (
        _formula(results, model) if getattr(model, "formula", None) else _arrays(results, model)
    )
    return Loaded(
        format="joblib",
        model=results,
        answer=answer,
        takes=takes,
        needs=needs,
        width=width,
        task=task,
        classes=classes,
        gives="chances" if classes else "values",
        library=Library(name="statsmodels", version=installed("statsmodels")),
    )


def _formula(results: Any, model: Any) -> tuple[Takes, tuple[str, ...], int | None, Callable[[Any], Floats]]:
    """A formula takes a frame; a row that lacks a value it needs gives NaN, at its place."""
    needs = variables(str(model.formula))

    def answer(frame: Any) -> Floats:
        found = results.predict(frame)
        return chances(np.asarray(found.reindex(frame.index) if hasattr(found, "reindex") else found))

    return "frame", needs, len(needs), answer


def _arrays(results: Any, model: Any) -> tuple[Takes, tuple[str, ...], int | None, Callable[[Any], Floats]]:
    """A column of ones that the maker added is added here too: no table carries it."""
    names = [str(name) for name in model.exog_names]
    place = next((n for n, name in enumerate(names) if name in CONSTANT), None)
    others = tuple(name for n, name in enumerate(names) if n != place)
    is_named = type(model.data).__name__.startswith("Pandas")

    def answer(matrix: NDArray[Any]) -> Floats:
        whole = matrix if place is None else np.insert(matrix, place, 1.0, axis=1)
        return chances(np.asarray(results.predict(whole), dtype=np.float64))

    return "matrix", (others if is_named else ()), len(others), answer


def _outcome(results: Any, model: Any) -> tuple[Task | None, tuple[str, ...]]:
    kind = type(model).__name__
    if kind in {"Logit", "Probit"}:
        return "binary", ("0", "1")
    if kind == "MNLogit":
        labels = [str(model._ynames_map[place]) for place in sorted(model._ynames_map)]  # noqa: SLF001 - not told elsewhere
        return task_of(len(labels)), tuple(label.removesuffix(".0") for label in labels)
    if kind == "GLM" and type(model.family).__name__ == "Binomial":
        return "binary", ("0", "1")
    if values(np.zeros((1, 1))).ndim == 1 and hasattr(results, "params"):
        return "regression", ()
    return None, ()


def variables(formula: str) -> tuple[str, ...]:
    """The columns that a formula's right side names, in order: not its functions, nor the modules they come from."""
    body = formula.partition("~")[2] or formula
    found: list[str] = []
    for part in _parsed(body):
        called = {id(node.func) for node in ast.walk(part) if isinstance(node, ast.Call)}
        owners = {id(node.value) for node in ast.walk(part) if isinstance(node, ast.Attribute)}
        quoted = [node.args[0] for node in ast.walk(part) if isinstance(node, ast.Call) and _is_quote(node)]
        found += [str(node.value) for node in quoted if isinstance(node, ast.Constant)]
        found += [
            node.id
            for node in ast.walk(part)
            if isinstance(node, ast.Name)
            and id(node) not in called | owners
            and node.id not in {"Treatment", "Sum", "Poly"}
        ]
    return tuple(dict.fromkeys(found))


def _is_quote(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Q" and len(node.args) == 1


def _parsed(body: str) -> Iterable[ast.expr]:
    """A formula's terms as Python reads them: `a:b` and `a ~ b` are two."""
    try:
        return [ast.parse(part.strip(), mode="eval").body for part in body.replace(":", "+").split("~") if part.strip()]
    except SyntaxError as error:
        raise SpecError(f"The formula {body.strip()!r} cannot be read: {error.msg}.") from error
