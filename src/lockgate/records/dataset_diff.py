"""What differs between two versions of a dataset: rows, schema, profile."""

from __future__ import annotations

from lockgate.records.dataset import DatasetRef
from lockgate.records.record import Record


class ColumnDiff(Record, frozen=True, kw_only=True):
    """One column that both versions hold. Pairs are (before, after).

    changed: rows of the same key whose value differs; None where there are no keys. distance: total variation between the
    two profiles, in [0, 1]; None for columns without a scale or levels. missing: share of rows, in [0, 1]. mean: of a
    number's present values.
    """

    name: str
    types: tuple[str, str]
    changed: int | None = None
    distance: float | None = None
    missing: tuple[float, float] | None = None
    mean: tuple[float | None, float | None] = (None, None)


class DatasetDiff(Record, frozen=True, kw_only=True):
    """From `before` to `after`. by: the keys that rows were matched by; empty where none are declared, and then rows are
    matched by all the values they hold in `compared`, and a changed row is one removed and one added.

    rows: (before, after). same: rows in both, every compared value alike. dropped, gained: columns that only one holds,
    with their types.
    """

    before: DatasetRef
    after: DatasetRef
    by: tuple[str, ...]
    rows: tuple[int, int]
    added: int
    removed: int
    changed: int | None
    same: int
    compared: tuple[str, ...]
    gained: dict[str, str]
    dropped: dict[str, str]
    columns: tuple[ColumnDiff, ...]
    schema: int = 1
