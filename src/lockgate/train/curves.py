"""What a fitted model remembers of its own training: loss by round, as its library keeps it; and more rows, less loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

MOST_POINTS = 1000


def rounds(model: Any) -> dict[str, list[tuple[int, float]]]:
    """Curves by name as (round, value), at most 1,000 points each; {} where the library keeps none.

    Known: `evals_result_` and `evals_result()` (LightGBM, XGBoost, CatBoost), `loss_curve_` (scikit-learn's networks),
    `train_score_`, `validation_score_` (its boosted trees). In a scikit-learn Pipeline the last step is asked.
    """
    asked = _last(model)
    found: dict[str, list[tuple[int, float]]] = {}
    for part, measures in _evaluated(asked).items():
        for name, measured in measures.items():
            found[f"{part}_{name}"] = _points(measured)
    for attribute in ("loss_curve_", "train_score_", "validation_score_"):
        kept: Any = getattr(asked, attribute, None)
        if kept is not None and np.ndim(kept) == 1 and np.size(kept):
            found[attribute.rstrip("_")] = _points(kept)
    return found


def _last(model: Any) -> Any:
    steps: Any = getattr(model, "steps", None)
    try:
        return steps[-1][1]
    except (TypeError, LookupError):
        return model


def _evaluated(model: Any) -> Mapping[str, Mapping[str, Any]]:
    held: Any = getattr(model, "evals_result_", None)
    if held is None:
        ask = getattr(model, "get_evals_result", None) or getattr(model, "evals_result", None)
        try:
            held = ask() if callable(ask) else None
        except Exception:  # noqa: BLE001 - a library that was given no evaluation set raises its own error to say so
            held = None
    return held if isinstance(held, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _points(values: Any) -> list[tuple[int, float]]:
    numbers = np.asarray(values, dtype=np.float64)
    step = max(1, -(-numbers.size // MOST_POINTS))
    return [(place, float(numbers[place])) for place in range(0, numbers.size, step) if np.isfinite(numbers[place])]
