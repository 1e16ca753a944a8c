"""Figures and names of a report as people read them: as many digits as their interval bears."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec

from lockgate.records import Report, Score
from lockgate.report.words import figure

NAMES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "roc_auc": "ROC AUC",
    "zero_one": "wrong decisions",
    "f1": "F1",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC",
    "rmse": "RMSE",
    "r2": "R²",
}
ARROWS = {"down": "↓", "up": "↑"}
_MOST_DECIMALS, _NOUGHT = 5, 1e-5
_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def named(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))


def decimals(ends: Iterable[tuple[float, float | None, float | None]]) -> int:
    """How many decimals a column of (value, low, high) bears: two figures of its narrowest half interval, three of a value
    where none has one.
    """
    known = list(ends)
    halves = [(high - low) / 2 for _, low, high in known if low is not None and high is not None]
    halves = [half for half in halves if half > 0 and math.isfinite(half)]
    if halves:
        return _within(1 - math.floor(math.log10(min(halves))))
    largest = max((abs(value) for value, _, _ in known if math.isfinite(value)), default=0.0)
    return _within(2 - math.floor(math.log10(largest))) if largest >= _NOUGHT else 3


def _within(places: int) -> int:
    return max(0, min(_MOST_DECIMALS, places))


def number(value: float | None, places: int, sign: str = "") -> str:
    """With so many decimals; millions and more by a letter, 12.3M, so that a column stays narrow. sign: "+" shows it."""
    if value is None or not math.isfinite(value):
        return "-"
    for size, letter in _SIZES:
        if abs(value) >= 10 * size:
            return f"{value / size:{sign},.1f}{letter}" if abs(value) < 1e16 else figure(value)
    found = f"{value:{sign},.{places}f}"
    # What rounds to nothing is nothing, and has no sign.
    return found if any(digit in found for digit in "123456789") else f"{0:.{places}f}"


def between(low: float | None, high: float | None, places: int, sign: str = "") -> str:
    """[low, high]; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{number(low, places, sign)}, {number(high, places, sign)}]"


def score_places(scores: Sequence[Score]) -> int:
    """For one metric's column: as the model and the best baseline, which come first, bear them."""
    return decimals((score.value, score.low, score.high) for score in scores[:2])


def rounded(value: float) -> str:
    """Three figures of a large count: 196,000; small ones as `figure` says them."""
    if not math.isfinite(value) or abs(value) < 1000:
        return figure(value)
    unit = 10 ** (math.floor(math.log10(abs(value))) - 2)
    return f"{round(value / unit) * unit:,.0f}"


def safe(report: Report) -> Report:
    """The same report with every character that a terminal or a page would obey, not show, written as its escape."""
    found: Report = msgspec.convert(_shown(msgspec.to_builtins(report)), Report)
    return found


def _shown(held: Any) -> Any:
    if isinstance(held, str):
        return held if held.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in held)
    if isinstance(held, dict):
        return {_shown(name): _shown(value) for name, value in cast("dict[str, Any]", held).items()}
    if isinstance(held, list | tuple):
        return [_shown(item) for item in cast("Sequence[Any]", held)]
    return held
