"""A slice: a named part of the rows, and what is known of the difference there."""

from __future__ import annotations

from typing import Literal

from lockgate.records.record import Record


class Slice(Record, frozen=True, kw_only=True):
    """estimate, low, high: challenger minus champion, positive is worse, each slice by itself. state: after all slices were
    looked at together, "worse" beyond the margin, "not worse" than it, or "not told".
    """

    column: str
    level: str
    rows: int
    estimate: float
    low: float
    high: float
    state: Literal["worse", "not worse", "not told"]
