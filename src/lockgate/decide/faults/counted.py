"""What can be counted of one column in one hour: rows that are bad in some way, the one value that all have, a mean."""

from __future__ import annotations

import math
from typing import Literal

from lockgate.decide.faults.hour import Hour
from lockgate.records.profile import ColumnProfile

Counted = Literal["missing", "infinite", "unseen", "late", "contract"]
FEWEST_OF_MEAN = 10
"""Rows under which an hour's mean says little."""


def bad_rows(column: ColumnProfile) -> dict[Counted, int]:
    """By what is counted, in how many rows. What the kind of column cannot show is left out."""
    found: dict[Counted, int] = {"missing": column.missing + column.nan}
    if column.kind in ("number", "time"):
        found["infinite"] = column.infinite
    if column.kind == "category":
        found["unseen"] = column.unseen
    lag = column.facet("lag")
    if lag is not None:
        found["late"] = lag.counts[-1]
    return found


def strange_rows(column: ColumnProfile) -> int:
    """Values of another type; a category counts them among its unseen levels, where they cannot be told apart."""
    return 0 if column.kind == "category" else column.unseen


def only_value(column: ColumnProfile) -> str | None:
    """What all values of the column are, None where they differ, are no kind that can be stuck, or there are none."""
    if not column.there or column.kind in ("time", "text"):
        return None
    if column.kind == "number":
        own = column.moments
        return None if own is None or own.low is None or own.low != own.high else f"{own.low:.6g}"
    if column.kind == "id":
        return f"#{column.hashes[0]:x}" if len(column.hashes) == 1 else None
    facet = column.facets[0]
    filled = [cell for cell, rows in enumerate(facet.counts) if rows]
    if len(filled) > 1 or column.unseen or (facet.levels and filled[0] == len(facet.levels)):
        return None
    return facet.levels[filled[0]] if facet.levels else ("false", "true")[filled[0]]


def alike_rows(column: ColumnProfile) -> int:
    """Rows of the fullest cell: at most so many have one value."""
    return 0 if column.kind in ("time", "text") else max(column.facets[0].counts, default=0)


def sure_mean(column: ColumnProfile) -> float | None:
    """The mean of a number, None where few rows stand behind it."""
    own = column.moments
    if column.kind != "number" or own is None or own.n < FEWEST_OF_MEAN or own.mean is None or math.isinf(own.mean):
        return None
    return own.mean


def newest_s(column: ColumnProfile, hour: Hour) -> float | None:
    """Of a time, a moment that one of its values has reached for sure; exact where all values are the same."""
    ends = _ends(column, hour)
    return None if ends is None else max(ends)


def stands_still(column: ColumnProfile, hour: Hour) -> bool:
    """Whether every value of a time is the same moment, as far as its lags show it."""
    ends = _ends(column, hour)
    return ends is not None and hour.until_s > hour.since_s and abs(ends[0] - ends[1]) <= 1.0


def _ends(column: ColumnProfile, hour: Hour) -> tuple[float, float] | None:
    """What the first and the last row's value would be, if the least lag were the first's and the greatest the last's."""
    own = column.moments
    if column.kind != "time" or own is None or own.low is None or own.high is None:
        return None
    return hour.since_s - own.low, hour.until_s - own.high
