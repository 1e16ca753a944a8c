"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

BARS = "▁▂▃▄▅▆▇█"


def age(seconds: float | None) -> str:
    """A stretch of time in its largest unit: 40 s, 5 min, 3 h, 12 d; "-" where there is none."""
    if seconds is None:
        return "-"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def when(seconds: float) -> str:
    """An instant: 2013-04-01 10:00 UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B")


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """The values as bars, thinned to `width`; empty where there are none."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    thinned = [max(values[i : i + step]) for i in range(0, len(values), step)]
    low, high = min(thinned), max(thinned)
    reach = (high - low) or 1.0
    return "".join(BARS[min(7, int((value - low) / reach * 8))] for value in thinned)
