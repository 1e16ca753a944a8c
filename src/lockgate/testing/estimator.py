"""Somebody's fitted estimator, as ways from columns to numbers: what it prepares, where that can be seen, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import INTERRUPTIONS, PredictError, SpecError
from lockgate.features.columns import Columns
from lockgate.records import Column
from lockgate.runtime.frames import framer


class Way(NamedTuple):
    """work: raises PredictError where the estimator raises. names: of that many columns of what it gives."""

    work: Callable[[Columns], NDArray[Any]]
    names: Callable[[int], tuple[str, ...]]


def needs(model: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that it was fitted on, else all of the table's. Raises SpecError for what cannot predict."""
    if not hasattr(model, "predict"):
        raise SpecError(
            f"{type(model).__name__} is neither a feature pipeline, a predictor nor a fitted estimator.",
            cure="Give a Pipeline, workspace.predictor(version), or a model with predict.",
        )
    named = getattr(model, "feature_names_in_", None)
    return tuple(map(str, columns if named is None else named))


def ways(model: Any, order: tuple[Column, ...]) -> Iterator[Way]:
    """What a scikit-learn Pipeline hands to its last step, column by column; then its answer."""
    frame = framer(tuple(column.name for column in order), order, {})
    if len(getattr(model, "steps", ())) > 1:
        prepared = model[:-1]
        yield Way(_guarded(lambda columns: _dense(prepared.transform(frame(columns)))), partial(_prepared, prepared))
    ask = getattr(model, "predict_proba", model.predict)
    yield Way(_guarded(lambda columns: np.asarray(ask(frame(columns)))), _answers)


def _answers(width: int) -> tuple[str, ...]:
    return ("answer",) if width == 1 else tuple(f"answer {place}" for place in range(width))


def _prepared(prepared: Any, width: int) -> tuple[str, ...]:
    """By scikit-learn's own names where all of its steps have some, else by place."""
    try:
        names = tuple(map(str, prepared.get_feature_names_out()))
    except Exception:  # noqa: BLE001 - a FunctionTransformer without names raises, and other libraries raise otherwise
        names = ()
    return names if len(names) == width else tuple(f"prepared column {place}" for place in range(width))


def _dense(found: Any) -> NDArray[Any]:
    dense = found.toarray() if hasattr(found, "toarray") else found
    return np.asarray(dense, dtype=np.float64)


def _guarded(work: Callable[[Columns], NDArray[Any]]) -> Callable[[Columns], NDArray[Any]]:
    def guarded(columns: Columns) -> NDArray[Any]:
        try:
            return work(columns)
        except INTERRUPTIONS:
            raise
        except BaseException as error:
            raise PredictError(f"It raised {error!r}.", reason="raised") from error

    return guarded
