"""A column that always says the same though the reference varies: a feature, or the prediction itself.

The chance that rows drawn one by one are all the same value is at most the sum over cells of the highest share to the power
of the rows. Rows of an hour hang together: where three stations tell the weather, an hour of one value is no wonder. So
each row of an input also counts for no more than the fullest cell of hours of that time of day allows, and a run must be
twice as long as the longest so far. Where whole hours lay in one cell before, rows say nothing, and a run must last RUN_S
beside. Of an input nothing is said before some days of hours have been learnt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.faults.counted import only_value
from lockgate.decide.faults.fault import Fault, Found, fault, urgency
from lockgate.decide.faults.hour import HOUR_S, Hour, pairs
from lockgate.decide.faults.usual import ALIKE, highest_share, name_of, running
from lockgate.records.duration import minute
from lockgate.records.profile import ColumnProfile, Profile
from lockgate.records.usual import ColumnUsual, Usual
from lockgate.stats import tails

EPS, DELTA = 0.02, 0.01
FEWEST = 30
FEWEST_HOURS = 48
LONGER = 2.0
ROOM, RATIO = 0.05, 1.5
RUN_S = 12 * HOUR_S


def judged(reference: Profile, hour: Hour, usual: Usual, *, alpha: float) -> Iterator[Fault]:
    """alpha: of one test."""
    for held, now in pairs(reference, hour):
        name, value = name_of(held), only_value(now)
        own = usual.column(name)
        is_known = held.role == "prediction" or own.hours >= FEWEST_HOURS
        if value is None or not is_known or not _varies(held):
            continue
        rows = running(own, now)
        if rows < FEWEST or rows < LONGER * own.longest:
            continue
        since_s = own.run_since_s if own.value == value and own.run_since_s is not None else hour.since_s
        log_p = _log_chance(held, rows)
        if held.role == "input" and hour.until_s - since_s < RUN_S:
            log_p = max(log_p, (rows - 1) * math.log(_alike(own, hour)))
        if log_p > math.log(alpha):
            continue
        found = Found(
            rows=rows,
            bad=rows,
            bar=math.exp(log_p / rows),
            log_p=log_p,
            alpha=alpha,
            method="all the same by chance",
            guarantee="calibrated",
        )
        yield _told(reference, held, hour, found, value, since_s, own.longest)


def _alike(usual: ColumnUsual, hour: Hour) -> float:
    """The chance at most that a row has the value of the rows before it, as far as hours of that time of day show."""
    highest = max(highest_share(usual, ALIKE, of_day) for of_day in hour.of_days)
    return min(1.0, max(highest + ROOM, RATIO * highest))


def _told(
    reference: Profile, held: ColumnProfile, hour: Hour, found: Found, value: str, since_s: float, longest: int
) -> Fault:
    name, is_input = name_of(held), held.role == "input"
    longest_said = f"; the longest run so far was {longest:,} rows" if longest > 1 else ""
    said = (
        f"{name} {'is stuck at' if is_input else 'is always'} {value} for {found.rows:,} rows from {minute(since_s)} on, "
        f"where the reference's {held.there:,} had {_many(held)}{longest_said}"
    )
    if is_input:
        return fault("stuck", name, hour, found, said, severity=urgency(reference, held.name, breaks=False), fewest=2)
    return fault("constant", name, hour, found, said, severity="page", following="lockgate rollback {model}", fewest=2)


def _many(held: ColumnProfile) -> str:
    own = held.moments
    if held.kind == "number" and own is not None and own.low is not None and own.high is not None:
        return f"values from {own.low:.4g} to {own.high:.4g}"
    filled = sum(rows > 0 for rows in held.facets[0].counts)
    return f"{filled + len(held.rare) - bool(held.rare):,} of them" if held.kind == "category" else "others too"


def _varies(held: ColumnProfile) -> bool:
    return held.there > 1 and only_value(held) is None and held.kind in ("number", "category", "boolean", "id")


def _log_chance(held: ColumnProfile, rows: int) -> float:
    """Natural log of the chance at most that so many rows in a row are all alike."""
    return min(0.0, float(np.logaddexp.reduce(rows * _log_highest(held))))


@lru_cache(maxsize=1024)
def _log_highest(held: ColumnProfile) -> NDArray[np.float64]:
    return np.log(np.minimum(1.0, tails.highest_each(held.facets[0].counts, delta=DELTA) + EPS))
