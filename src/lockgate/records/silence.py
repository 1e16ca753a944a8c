"""A silence: a stretch in which a source told nothing new, although some model that serves is computed of it."""

from __future__ import annotations

from lockgate.records.record import Record


class Silence(Record, frozen=True, kw_only=True):
    """There is one record of a source, and the next stretch replaces it. Times are event time, seconds since 1970.

    id: of its alarm. since_s: when its newest event happened, None where it never had one; noticed_s: the newest question
    when it was told; until_s: the same when it was over, None while it lasts. readers: by model the columns that are computed
    of the source. sentence, next: what the alarm says.
    """

    id: str
    source: str
    since_s: float | None
    noticed_s: float
    until_s: float | None = None
    readers: dict[str, tuple[str, ...]]
    sentence: str
    next: str
    model: str = "-"
    schema: int = 1
