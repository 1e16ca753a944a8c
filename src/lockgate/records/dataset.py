"""A dataset: an immutable, versioned table, and how it is referred to."""

from __future__ import annotations

from lockgate.records.record import Record


class DatasetRef(Record, frozen=True, kw_only=True, omit_defaults=True):
    """(table id, version, digest of its files): a version number alone is no identity.

    table_id: what the store gave the table when its folder was made, so that a folder made anew is noticed; "" in refs
    written before it was kept. It is left out of the bytes then: what was digested with such a ref keeps its digest.
    """

    table: str
    version: int
    digest: str
    table_id: str = ""

    def __str__(self) -> str:
        return f"{self.table}@{self.version}#{self.digest[:8]}"


class Dataset(Record, frozen=True, kw_only=True):
    """One immutable version of a model's table, and what was refused on the way in.

    rows: kept; quarantined: rule -> rows set aside because they broke it, to be read at `aside`. Times are seconds since
    1970, UTC. content: SHA-256 of the rows, whatever their order. repeated: rows left out because every value of them came
    before. late: rows older than the newest of the version before, which did not hold them. source: where the table came
    from. notes: what was taken one way of several. Schema 1 had none of these; they are then empty.
    """

    ref: DatasetRef
    model: str
    rows: int
    quarantined: dict[str, int]
    contract: str
    since_s: float | None
    until_s: float | None
    written_s: float
    content: str = ""
    repeated: int = 0
    late: int = 0
    aside: DatasetRef | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    schema: int = 2


class DatasetState(Record, frozen=True, kw_only=True):
    """A dataset version and how it stands now. pinned_by: the versions that were trained on it; is_kept: whether its rows
    can still be read; columns: name -> type as stored, empty where they cannot.
    """

    dataset: Dataset
    pinned_by: tuple[str, ...]
    is_kept: bool
    columns: dict[str, str] = {}
