"""Fitted estimators in memory: scikit-learn's, those that follow its words, and anything else that predicts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from importlib import import_module
from typing import Any, cast

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.records.version import Format
from lockgate.runtime.formats import catboost, lightgbm, statsmodels, torchscript, xgboost
from lockgate.runtime.formats.kind import installed, root
from lockgate.runtime.loaded import Gives, Loaded, Takes, chances, labels_text, named, task_of, values

DISTRIBUTIONS = {"sklearn": ("scikit-learn",), "xgboost": ("xgboost", "xgboost-cpu")}
NO_OUTCOME = {"clusterer": "finds groups", "outlier_detector": "finds outliers", "density_estimator": "gives densities"}


def of(model: Any, format: Format = "joblib") -> Loaded:  # noqa: A002 - the record's own word
    """Whatever predicts, as a framework's own reader would give it. Raises SpecError for what does not predict."""
    package = root(model)
    if package == "lightgbm" and not hasattr(model, "booster_"):
        return _as(lightgbm.of(model), format) if hasattr(model, "model_to_string") else _refuse_unfitted(model)
    if package == "xgboost" and not hasattr(model, "get_booster"):
        return _as(xgboost.of(model), format)
    if package == "catboost":
        return _as(catboost.of(model), format) if model.is_fitted() else _refuse_unfitted(model)
    if package == "statsmodels":
        return _as(statsmodels.of(model), format)
    if torchscript.is_module(model):
        return _as(torchscript.of(model), format)
    return _estimator(model, format)


def library_of(model: Any) -> Library:
    """The library of a model in memory, and the version that is installed."""
    package = root(_last(model))
    names = DISTRIBUTIONS.get(package, (package,))
    return Library(name=names[0], version=installed(*names))


def _as(loaded: Loaded, format: Format) -> Loaded:  # noqa: A002
    return replace(loaded, format=format)


def _estimator(model: Any, format: Format) -> Loaded:  # noqa: A002
    if not callable(getattr(model, "predict", None)) and not hasattr(model, "predict_proba"):
        raise _no_model(model)
    _check_kind(model)
    labels = _classes(model)
    task = task_of(len(labels)) if labels is not None else ("regression" if _is_regressor(model) else None)
    names = _needs(model)
    categories = _categories(model)
    gives: Gives = "chances" if hasattr(model, "predict_proba") else ("values" if labels is None else "labels")
    return Loaded(
        format=format,
        model=model,
        answer=_answer(model, labels, gives),
        takes=_takes(model, names, categories),
        needs=names,
        width=_width(model),
        categories=categories,
        task=task,
        classes=labels_text(labels) if labels is not None else (),
        gives=gives,
        library=library_of(model),
        note=f"{type(model).__name__} names a class and gives no chances." if gives == "labels" else "",
    )


def _answer(model: Any, labels: Any, gives: Gives) -> Callable[[Any], Floats]:
    single = SingleThread()
    if gives == "chances":

        def answer(inputs: Any) -> Floats:
            with single():
                return chances(model.predict_proba(inputs))

    elif gives == "labels":

        def answer(inputs: Any) -> Floats:
            with single():
                return named(model.predict(inputs), labels)

    else:

        def answer(inputs: Any) -> Floats:
            with single():
                return values(model.predict(inputs))

    return answer


class SingleThread:
    """Keeps a call on one thread, whatever the model's own setting: the pools are looked up once, at the first call."""

    def __init__(self) -> None:
        self._pools: Any = None
        self._sequential: Callable[[], AbstractContextManager[Any]] | None = None

    def __call__(self) -> AbstractContextManager[Any]:
        if self._pools is None:
            try:
                self._pools = import_module("threadpoolctl").ThreadpoolController()
                joblib = import_module("joblib")
                self._sequential = lambda: joblib.parallel_config(backend="sequential")
            except ImportError:
                self._pools = False
        if not self._pools:
            return ExitStack()
        stack = ExitStack()
        stack.enter_context(self._pools.limit(limits=1))
        if self._sequential is not None:
            stack.enter_context(self._sequential())
        return stack


def _no_model(model: Any) -> SpecError:
    kind = type(model).__name__
    if isinstance(model, dict):
        entries: Any = cast("Any", model)
        inside = [str(key) for key, value in entries.items() if hasattr(value, "predict")]
        hint = f"; its entry {inside[0]!r} holds one" if inside else ""
        return SpecError(f"The file holds a dict, not a model{hint}.", cure="Save the fitted model itself, alone.")
    if hasattr(model, "fit_predict") or hasattr(model, "transform"):
        return SpecError(
            f"{kind} transforms and does not predict.", cure="Save the whole Pipeline, its last step included."
        )
    return SpecError(f"The file holds a {kind}, which cannot predict.", cure="Save the fitted model itself.")


def _refuse_unfitted(model: Any) -> Loaded:
    raise SpecError(f"{type(model).__name__} is not fitted.", cure="Fit it first, then save it.")


def _check_kind(model: Any) -> None:
    """Refuses what is not fitted, and what foretells no outcome."""
    if not hasattr(model, "fit"):
        return
    kind = _kind(model)
    if kind in NO_OUTCOME:
        raise SpecError(
            f"{type(model).__name__} {NO_OUTCOME[kind]}; it foretells no outcome.", cure="Give a model that does."
        )
    if root(model) in {"sklearn", "lightgbm", "xgboost"}:
        is_fitted = getattr(import_module("sklearn.utils.validation"), "_is_fitted", None)
        check = getattr(model, "__sklearn_is_fitted__", None) or (lambda: is_fitted is None or is_fitted(model))
        if not check():
            _refuse_unfitted(model)


def _kind(model: Any) -> str | None:
    try:
        kind = import_module("sklearn.utils").get_tags(model).estimator_type
    except (ImportError, AttributeError, TypeError, ValueError):
        kind = getattr(model, "_estimator_type", None)
    return kind if isinstance(kind, str) else None


def _is_regressor(model: Any) -> bool:
    return _kind(model) == "regressor"


def _classes(model: Any) -> Any | None:
    """The labels of a classifier in the order of its chances, None for what is none."""
    if _is_regressor(model):
        return None
    found = getattr(model, "classes_", None)
    if found is None:
        return None
    several: list[Any] = list(cast("Any", found)) if isinstance(found, list) else []
    if several and isinstance(several[0], np.ndarray):
        raise SpecError(
            f"{type(model).__name__} foretells {len(several)} outcomes at once.",
            cure="Train one model for each outcome.",
        )
    return np.asarray(cast("Any", found))


def _last(model: Any) -> Any:
    """The step that predicts: the last of a Pipeline."""
    steps = _steps(model)
    return steps[-1] if steps else model


def _first(model: Any) -> Any:
    steps = _steps(model)
    return steps[0] if steps else model


def _steps(model: Any) -> list[Any]:
    """Of a Pipeline, in order; none of anything else."""
    found: Any = getattr(model, "steps", None)
    pairs: list[Any] = list(cast("Any", found)) if isinstance(found, list) else []
    return [pair[1] for pair in pairs] if all(isinstance(pair, tuple) for pair in pairs) else []


def _needs(model: Any) -> tuple[str, ...]:
    try:
        names = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    except AttributeError:
        return ()
    made_up = all(name == f"Column_{place}" for place, name in enumerate(names))  # LightGBM's, where it saw no names
    return () if root(model) == "lightgbm" and made_up else names


def _width(model: Any) -> int | None:
    width = getattr(model, "n_features_in_", None)
    return int(width) if width is not None else None


def _takes(model: Any, names: tuple[str, ...], categories: dict[str, tuple[Any, ...]]) -> Takes:
    if _first(model).__class__.__module__ == "sklearn.feature_extraction.text":
        return "text"
    if root(model) in {"lightgbm", "xgboost"}:
        return "frame" if categories else "matrix"
    return "frame" if names else "matrix"


def _categories(model: Any) -> dict[str, tuple[Any, ...]]:
    """Levels of the columns that the model itself wants as pandas categories: of a Pipeline, where its last step does."""
    last = _last(model)
    if last is not model:
        return {}  # its first step gives what the last one takes
    if root(model) == "lightgbm":
        return lightgbm.categories_of(model.booster_)
    if root(model) == "xgboost":
        return xgboost.categories_of(model.get_booster())
    return _from_dtype(model)


def _from_dtype(model: Any) -> dict[str, tuple[Any, ...]]:
    """Of scikit-learn's histogram boosting, which tells categories by their dtype."""
    if getattr(model, "categorical_features", None) != "from_dtype" or getattr(model, "is_categorical_", None) is None:
        return {}
    encoder = model._preprocessor.named_transformers_["encoder"]  # noqa: SLF001 - there is no other door to the levels
    names = [name for name, is_one in zip(_needs(model), model.is_categorical_, strict=True) if is_one]
    return {
        name: tuple(level for level in levels.tolist() if level == level)  # NaN stands for missing
        for name, levels in zip(names, encoder.categories_, strict=True)
    }
