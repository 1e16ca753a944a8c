"""Where a model's splits lie, told in its raw inputs: back through the steps of a pipeline that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockgate.features.pipeline import Floats
from lockgate.runtime.compile.forest import Refused, forest_of, is_forest

Undo = Callable[[Floats], Floats]


@dataclass(frozen=True)
class _Feature:
    """One input of a step: the raw column it comes from and how to undo what was done to it; None where it cannot be."""

    column: int | None
    undo: Undo


def splits(model: Any, order: Sequence[str]) -> dict[int, Floats]:
    """By raw input (its place in `order`), the thresholds at which the model's trees split it; empty without trees."""
    found: dict[int, list[Floats]] = {}
    for column, thresholds in _walk(model, [_Feature(place, _same) for place in range(len(order))], list(order)):
        found.setdefault(column, []).append(thresholds)
    return {column: np.unique(np.concatenate(parts)) for column, parts in found.items()}


def _walk(model: Any, given: list[_Feature], order: list[str]) -> Iterator[tuple[int, Floats]]:
    if is_forest(model):
        yield from _of_forest(model, given)
    elif type(model).__name__ == "Pipeline":
        features, names = given, order
        for _, step in model.steps[:-1]:
            features = _through(step, features, names)
            names = []
        yield from _walk(model.steps[-1][1], features, names)
    else:
        for inner in _inner(model):
            yield from _walk(inner, given, order)


def _of_forest(model: Any, given: list[_Feature]) -> Iterator[tuple[int, Floats]]:
    try:
        forest = forest_of(model)
    except Refused:
        return
    assert forest is not None
    features, thresholds = forest.splits()
    for place in np.unique(features).tolist():
        feature = given[int(place)] if place < len(given) else None
        if feature is not None and feature.column is not None:
            yield feature.column, feature.undo(np.unique(thresholds[features == place]))


def _inner(model: Any) -> Iterator[Any]:
    """The fitted estimators inside one that hands its inputs on: calibrated, voting, stacking, bagging, boosting, search."""
    for fold in getattr(model, "calibrated_classifiers_", ()):
        yield fold.estimator
    yield from _flat(getattr(model, "estimators_", ()))
    if hasattr(model, "best_estimator_"):
        yield model.best_estimator_


def _flat(members: Any) -> Iterator[Any]:
    """Without numpy, which would take a forest for a list of its trees."""
    for member in members:
        if isinstance(member, list | tuple | np.ndarray):
            yield from _flat(member)
        else:
            yield member


def _through(step: Any, given: list[_Feature], names: list[str]) -> list[_Feature]:
    """What a fitted transformer makes of its inputs, in its order."""
    kind = type(step).__name__
    if step == "passthrough" or step is None or (kind == "FunctionTransformer" and step.func is None):
        return given
    if kind == "Pipeline":
        for _, inner in step.steps:
            given, names = _through(inner, given, names), []
        return given
    if kind == "ColumnTransformer":
        return _side_by_side(step, given, names)
    if kind == "SimpleImputer":
        return _imputed(step, given)
    undo = _undo(step, kind)
    if undo is not None and len(given) == step.n_features_in_:
        return [_Feature(f.column, _chain(f.undo, undo, place)) for place, f in enumerate(given)]
    return [_Feature(None, _same)] * _width(step)


def _side_by_side(step: Any, given: list[_Feature], names: list[str]) -> list[_Feature]:
    found: list[_Feature] = []
    for _, inner, picked in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        places = _places(picked, names, len(given))
        if not places:  # a step that was given no column was never fitted
            continue
        found += _through(inner, [given[place] for place in places], [names[place] for place in places if names])
    return found


def _places(picked: Any, names: list[str], width: int) -> list[int]:
    if isinstance(picked, slice):
        return list(range(width))[picked]
    columns = [picked] if isinstance(picked, str | int) else list(picked)
    if columns and all(isinstance(column, bool | np.bool_) for column in columns):
        return [place for place, is_picked in enumerate(columns) if is_picked]
    return [names.index(column) if isinstance(column, str) else int(column) for column in columns]


def _imputed(step: Any, given: list[_Feature]) -> list[_Feature]:
    statistics = step.statistics_.tolist()
    kept = [f for f, value in zip(given, statistics, strict=False) if value is not None and value == value]
    marks = len(step.indicator_.features_) if step.add_indicator else 0
    return kept + [_Feature(None, _same)] * marks


def _undo(step: Any, kind: str) -> Callable[[Floats, int], Floats] | None:
    """For one column of a scaler, from scaled to raw."""
    if kind == "StandardScaler":
        mean, scale = step.mean_ if step.with_mean else None, step.scale_
    elif kind == "RobustScaler":
        mean, scale = step.center_ if step.with_centering else None, step.scale_
    elif kind == "MaxAbsScaler":
        mean, scale = None, step.scale_
    elif kind == "MinMaxScaler":
        return lambda values, place: (values - step.min_[place]) / step.scale_[place]
    else:
        return None

    def undo(values: Floats, place: int) -> Floats:
        wide = values if scale is None else values * scale[place]
        return wide if mean is None else wide + mean[place]

    return undo


def _chain(first: Undo, second: Callable[[Floats, int], Floats], place: int) -> Undo:
    return lambda values: first(second(values, place))


def _width(step: Any) -> int:
    try:
        return len(step.get_feature_names_out())
    except Exception:  # noqa: BLE001 - a step that cannot name its outputs ends the trace, and nothing else
        return 0


def _same(values: Floats) -> Floats:
    return values
