"""The port of tables in memory: for notebooks and tests, and the plain statement of what an adapter does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lockgate.errors import NotFound, StoreError
from lockgate.records import DatasetRef
from lockgate.store.ports import Cleaned

if TYPE_CHECKING:
    import polars as pl


class MemoryTables:
    def __init__(self) -> None:
        self._held: dict[str, list[tuple[DatasetRef, pl.DataFrame | None]]] = {}
        self._writing = threading.RLock()

    def turn(self, table: str) -> AbstractContextManager[object]:  # noqa: ARG002 - one lock for all of them
        return self._writing

    def write(self, table: str, rows: pl.DataFrame) -> DatasetRef:
        with self._writing:
            before = self._held.setdefault(table, [])
            own = before[0][0].table_id if before else uuid.uuid4().hex
            ref = DatasetRef(table=table, version=len(before), digest=uuid.uuid4().hex, table_id=own)
            before.append((ref, rows))
            return ref

    def read(self, ref: DatasetRef) -> pl.DataFrame:
        found = self._rows(ref)
        if found is None:
            raise NotFound(f"The rows of {ref} were cleaned away.", cure="Add the table again.")
        return found

    def scan(self, ref: DatasetRef) -> pl.LazyFrame:
        return self.read(ref).lazy()

    def schema(self, ref: DatasetRef) -> dict[str, pl.DataType]:
        return dict(self.read(ref).schema)

    def is_kept(self, ref: DatasetRef) -> bool:
        try:
            return self._rows(ref) is not None
        except (NotFound, StoreError):
            return False

    def clean(self, table: str, keep: Collection[DatasetRef], *, dry_run: bool) -> Cleaned:
        with self._writing:
            held = self._held.get(table, [])
            for ref in keep:
                self._rows(ref)
            gone = [
                (place, rows) for place, (ref, rows) in enumerate(held[:-1]) if ref not in keep and rows is not None
            ]
            if not dry_run:
                for place, _ in gone:
                    held[place] = (held[place][0], None)
            return Cleaned(len(gone), sum(int(rows.estimated_size()) for _, rows in gone))

    def _rows(self, ref: DatasetRef) -> pl.DataFrame | None:
        held = self._held.get(ref.table)
        if held is None:
            raise NotFound(f"There is no table {ref.table!r}.")
        if ref.version >= len(held) or held[ref.version][0] != ref:
            raise StoreError(f"The table {ref.table!r} at version {ref.version} is not the one referred to.")
        return held[ref.version][1]
