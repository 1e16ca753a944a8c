"""CatBoost's own file, and its models in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats
from lockgate.records import Library
from lockgate.runtime.formats.kind import Kind, head, library, reading, root
from lockgate.runtime.loaded import Loaded, chances, labels_text, task_of, values

FILE = "native/model.cbm"
MAGIC = b"CBM1"
CHANCES = frozenset({"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "Focal"})
SEVERAL_VALUES = frozenset({"MultiRMSE", "MultiRMSEWithMissingValues", "RMSEWithUncertainty", "MultiQuantile"})
RANKS = ("YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax", "StochasticRank", "StochasticFilter", "LambdaMart")


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    catboost = library("catboost", "catboost")
    with reading(path, "a CatBoost model"):
        model = catboost.CatBoost()
        model.load_model(str(path), format="cbm" if head(path).startswith(MAGIC) else "json")
        return of(model)


def of(model: Any) -> Loaded:
    """A fitted CatBoost model of any of its classes, one thread."""
    loss = _loss(model)
    classes = labels_text(model.classes_) if loss in CHANCES else ()
    width = len(model.feature_names_)
    names = tuple(str(name) for name in model.feature_names_)
    own_kinds = (*model.get_cat_feature_indices(), *model.get_text_feature_indices())
    return Loaded(
        format="catboost",
        model=model,
        answer=_answer(model, loss),
        takes="frame" if own_kinds else "matrix",
        needs=() if all(name == str(place) for place, name in enumerate(names)) else names,
        width=width,
        task=task_of(len(classes)) if loss in CHANCES else ("regression" if loss else None),
        classes=classes,
        gives="chances" if loss in CHANCES else "values",
        library=Library(name="catboost", version=_version(model)),
    )


def _answer(model: Any, loss: str) -> Callable[[Any], Floats]:
    if loss in CHANCES:
        return lambda inputs: chances(model.predict(inputs, prediction_type="Probability", thread_count=1))
    kind = "Exponent" if loss in {"Poisson", "Tweedie"} else "RawFormulaVal"
    return lambda inputs: values(model.predict(inputs, prediction_type=kind, thread_count=1))


def _loss(model: Any) -> str:
    """The word of its loss. Raises SpecError for one that answers no single outcome."""
    stored = json.loads(model.get_metadata().get("params", "{}"))
    loss = str(stored.get("loss_function", {}).get("type", ""))
    if loss in SEVERAL_VALUES or loss.startswith(RANKS):
        raise SpecError(f"The CatBoost model was trained for {loss}: it does not foretell one outcome per row.")
    if loss.startswith("PythonUserDefined"):
        raise SpecError(
            "The CatBoost model was trained with a loss of its maker's own: its file does not say what its scores mean.",
            cure="Train it with a loss of CatBoost's own, Logloss, MultiClass or RMSE say.",
        )
    return loss


def _version(model: Any) -> str | None:
    said = re.search(r"tags/v(\d[\w.]*)", str(model.get_metadata().get("catboost_version_info", "")))
    return said[1] if said else None


def owns(model: Any) -> bool:
    return root(model) == "catboost" and hasattr(model, "save_model")


def save(model: Any, path: Path) -> None:
    model.save_model(str(path), format="cbm")


def sniff(path: Path) -> bool:
    start = head(path)
    return start.startswith(MAGIC) or (start.lstrip()[:1] == b"{" and b'"features_info"' in start)


KIND = Kind(format="catboost", file=FILE, what="a CatBoost model", sniff=sniff, load=load, owns=owns, save=save)
