"""A profile: exact counts of a stretch of data, over bins fixed from the reference."""

from __future__ import annotations

from lockgate.records.record import Record


class ColumnProfile(Record, frozen=True, kw_only=True):
    """Counts of one column. Numbers: `edges` are the inner quantile edges of the reference, so len(edges) + 1 cells;
    text: `levels` in order and one cell for the rest. Both end with a *missing* cell. `mean`, `sd` are of present
    numbers, None for text.
    """

    name: str
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    mean: float | None = None
    sd: float | None = None


class Profile(Record, frozen=True, kw_only=True):
    """The columns of one stretch of data. importance: share of the model's gain per input, 0 where it is not used."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    importance: dict[str, float] = {}
    since_s: float | None = None
    until_s: float | None = None
    schema: int = 1
