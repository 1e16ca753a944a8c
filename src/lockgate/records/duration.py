"""Durations and instants as people write them: 90s, 15m, 12h, 1d, 2w; 2013-04-01 10:00 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lockgate.errors import ConfigError

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds(duration: str) -> float:
    """The length of `duration` in seconds. Raises ConfigError where it is not a positive number and a unit."""
    found = _FORM.fullmatch(duration.strip())
    if not found or float(found[1]) <= 0:
        raise ConfigError(
            f"{duration!r} is not a duration.", cure="Write a number and a unit: 90s, 15m, 12h, 1d or 2w."
        )
    return float(found[1]) * UNITS_S[found[2]]


def lasted(seconds_: float) -> str:
    """A stretch of time in its two largest units: 40 s, 3 h 10 min, 2 d 4 h."""
    left = max(0.0, seconds_)
    units = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))
    for place, (unit, size) in enumerate(units):
        if left < size:
            continue
        whole = int(left // size)
        smaller, below = ("s", 1.0) if place == len(units) - 1 else units[place + 1]
        rest = int((left - whole * size) // below)
        return f"{whole} {unit} {rest} {smaller}" if rest else f"{whole} {unit}"
    return f"{left:.0f} s"


def minute(at_s: float) -> str:
    """An instant, in seconds since 1970: 2013-04-01 10:00 UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def second(at_s: float) -> str:
    """The same to the second: 2013-04-01 10:00:00 UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
