"""What a fitted estimator was told: its hyper-parameters as text, for people to compare runs by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MOST, LONGEST = 200, 500


def parameters_of(model: object) -> dict[str, str]:
    """By name, at most 200 of at most 500 characters; of a pipeline or an ensemble those of its parts too, `part__name`.

    Nothing where the model does not say: a statsmodels result, a function, a torch module.
    """
    found: dict[str, str] = {}
    for name, value in _told(model):
        if len(found) == MOST:
            break
        found[str(name)] = _text(value)
    return found


def _told(model: Any) -> Iterator[tuple[str, Any]]:
    try:
        told = _asked(model)
    except Exception as error:  # noqa: BLE001 - a user's own estimator: a run without them is still a run
        told = {"parameters": f"cannot be read: {error!r}"}
    for name, value in sorted(told.items()):
        if not _is_part(value):
            yield name, value


def _asked(model: Any) -> Mapping[str, Any]:
    kind = type(model).__module__.partition(".")[0]
    if kind == "catboost" and model.is_fitted():
        return dict(model.get_all_params())  # get_params tells only what was set
    if hasattr(model, "get_params"):
        return dict(model.get_params(deep=True))
    if kind == "lightgbm":
        return dict(model.params)
    if kind == "xgboost":
        return dict(_leaves(json.loads(model.save_config())["learner"]))
    return {}


def _leaves(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings of an XGBoost booster lie some levels deep, each under a name of its own."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value)  # pyright: ignore[reportUnknownArgumentType] # JSON
        elif isinstance(value, str):
            yield name, value


def _is_part(value: Any) -> bool:
    """Whether it is an estimator, or a list of named ones: their own parameters stand beside it."""
    if isinstance(value, list | tuple):
        return any(_is_part(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return hasattr(value, "get_params") and not isinstance(value, type)


def _text(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
