"""Figures and names of a report as people read them, with what a terminal or a page would obey taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from lockgate.metrics.figures import between, decimals, named, number, rounded
from lockgate.records import Report, Score

__all__ = ["ARROWS", "between", "decimals", "named", "number", "rounded", "safe", "score_places"]

ARROWS = {"down": "↓", "up": "↑"}


def score_places(scores: Sequence[Score]) -> int:
    """For one metric's column: as the model and the best baseline, which come first, bear them."""
    return decimals((score.value, score.low, score.high) for score in scores[:2])


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
