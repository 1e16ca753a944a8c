"""A dataset: an immutable, versioned table, and how it is referred to."""

from __future__ import annotations

from lockgate.records.record import Record


class DatasetRef(Record, frozen=True, kw_only=True):
    """(table id, version, digest of its files): a version number alone is no identity."""

    table: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.table}@{self.version}#{self.digest[:8]}"


class Dataset(Record, frozen=True, kw_only=True):
    """One immutable version of a model's table, and what was refused on the way in.

    rows: kept; quarantined: rule -> rows set aside because they broke it. Times are seconds since 1970, UTC.
    """

    ref: DatasetRef
    model: str
    rows: int
    quarantined: dict[str, int]
    contract: str
    since_s: float | None
    until_s: float | None
    written_s: float
    schema: int = 1
