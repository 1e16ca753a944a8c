"""Names of metrics and figures as people read them: as many digits as their interval bears, and never an e+05."""

from __future__ import annotations

import math
from collections.abc import Iterable

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
_MOST_DECIMALS, _NOUGHT = 5, 1e-5
_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def named(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))


def decimals(ends: Iterable[tuple[float, float | None, float | None]]) -> int:
    """How many decimals a column of (value, low, high) bears: two figures of its narrowest half interval, three of its
    widest at most, so that one row of next to nothing does not stretch the others; three of a value where none has one.
    """
    known = list(ends)
    halves = [(high - low) / 2 for _, low, high in known if low is not None and high is not None]
    halves = [half for half in halves if half > 0 and math.isfinite(half)]
    if halves:
        narrow, wide = (1 - math.floor(math.log10(pick(halves))) for pick in (min, max))
        return _within(min(narrow, wide + 1))
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
            is_told = abs(value) < 1e16
            return (
                f"{value / size:{sign},.1f}{letter}"
                if is_told
                else f"{'-' * (value < 0)}10^{math.log10(abs(value)):.0f}"
            )
    found = f"{value:{sign},.{places}f}"
    # What rounds to nothing is nothing, and has no sign.
    return found if any(digit in found for digit in "123456789") else f"{0:.{places}f}"


def between(low: float | None, high: float | None, places: int, sign: str = "") -> str:
    """[low, high]; nothing where there is no interval."""
    return "" if low is None or high is None else f"[{number(low, places, sign)}, {number(high, places, sign)}]"


def rounded(value: float) -> str:
    """Three figures: 196,000; 12.3; 0.0456. A small one has no more than five decimals."""
    if not math.isfinite(value):
        return "no limit" if math.isinf(value) else "-"
    if abs(value) < 1000:
        return f"{value:.3g}" if value == 0 or abs(value) >= 1e-4 else number(value, _MOST_DECIMALS)
    unit = 10 ** (math.floor(math.log10(abs(value))) - 2)
    return f"{round(value / unit) * unit:,.0f}"


def p_words(p: float) -> str:
    """A p-value: one figure, and nothing under a thousandth."""
    return "p under 0.001" if p < 0.001 else f"p {p:.1g}"
