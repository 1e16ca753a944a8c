"""Sums and means over `[t - window, t)` of past events, for all questions at once.

Sorting and cumulative sums: O((events + questions) log events), whatever the window. Sums of whole numbers stay exact
in float64, so the answers do not depend on the order of events that share a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

KEY_SHIFT: Final = 32  # minutes since 1970 fit in 25 bits; a unit's events are neighbours in the order of the keys


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events in order of (unit, minute they were known).

    keys: shape (n,).  running: shape (n + 1,), the sum of all values before.  values: shape (n,).
    """

    keys: Ints
    running: Floats
    values: Floats


def events(units: Ints, minutes: Ints, values: Floats) -> Events:
    """Sort the events. units: codes from 0; minutes: since 1970, when each became known. All shape (n,)."""
    keys = _keys(units, minutes)
    order = np.argsort(keys, kind="stable")
    ordered = values[order]
    return Events(keys=keys[order], running=np.concatenate([[0.0], np.cumsum(ordered)]), values=ordered)


def mean_before(past: Events, units: Ints, asked: Ints, window: int) -> Floats:
    """Mean value of the unit's events known within `window` minutes before `asked`; NaN when there is none."""
    total, count = totals_before(past, units, asked, window)
    mean: Floats = np.divide(total, count, out=np.full(len(asked), np.nan), where=count > 0)
    return mean


def totals_before(past: Events, units: Ints, asked: Ints, window: int) -> tuple[Floats, Ints]:
    """Sum and number of the unit's events known within `window` minutes before `asked`.

    The minute of the question itself is outside: an event of that minute may have come after it.
    """
    start = np.searchsorted(past.keys, _keys(units, asked - window))
    stop = np.searchsorted(past.keys, _keys(units, asked))
    return past.running[stop] - past.running[start], stop - start


def last_before(past: Events, units: Ints, asked: Ints) -> Floats:
    """Value of the unit's last event known before `asked`; NaN when there is none."""
    at, is_own = _last(past, units, asked)
    value: Floats = np.where(is_own, past.values[at], np.nan)
    return value


def minutes_since(past: Events, units: Ints, asked: Ints) -> Floats:
    """Minutes from the unit's last event known before `asked`; NaN when there is none."""
    at, is_own = _last(past, units, asked)
    minutes: Floats = np.where(is_own, asked - (past.keys[at] & ((1 << KEY_SHIFT) - 1)), np.nan)
    return minutes


def _last(past: Events, units: Ints, asked: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where the last event before stands, and whether it is the unit's own."""
    at = np.searchsorted(past.keys, _keys(units, asked)) - 1
    return at, (at >= 0) & (past.keys[at] >> KEY_SHIFT == units)


def _keys(units: Ints, minutes: Ints) -> Ints:
    return (units << KEY_SHIFT) + minutes
