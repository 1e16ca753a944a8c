"""Tables as Delta Lake, under one directory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.errors import NotFound, StoreError
from lockgate.records import DatasetRef

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable


class DeltaTables:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, table: str, rows: pl.DataFrame) -> DatasetRef:
        """The next version. Raises StoreError when the disk refuses; what was there stays."""
        from deltalake import DeltaTable, write_deltalake

        path = self._directory / table
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_deltalake(path, rows, mode="overwrite", schema_mode="overwrite")
            written = DeltaTable(path)
        except Exception as error:
            raise StoreError(f"The table {path} cannot be written: {error}.", cure="Free some room there.") from error
        return DatasetRef(table=table, version=written.version(), digest=_digest(written))

    def read(self, ref: DatasetRef) -> pl.DataFrame:
        import polars as pl

        return pl.read_delta(self._held(ref))

    def schema(self, ref: DatasetRef) -> dict[str, pl.DataType]:
        import polars as pl

        return dict(pl.scan_delta(self._held(ref)).collect_schema())

    def _held(self, ref: DatasetRef) -> DeltaTable:
        from deltalake import DeltaTable

        path = self._directory / ref.table
        if not DeltaTable.is_deltatable(str(path)):
            raise NotFound(f"There is no table {ref.table!r} in {self._directory}.")
        held = DeltaTable(path, version=ref.version)
        if _digest(held) != ref.digest:
            raise StoreError(
                f"The table {ref.table!r} at version {ref.version} is not the one referred to: its files differ.",
                cure="Somebody rewrote it; restore the folder, or add the data again as a new version.",
            )
        return held


def _digest(table: DeltaTable) -> str:
    """SHA-256 over the names and sizes of the version's files; the names are unique to one write."""
    actions: Any = table.get_add_actions(flatten=True)
    paths: list[str] = actions["path"].to_pylist()
    sizes: list[int] = actions["size_bytes"].to_pylist()
    files = sorted(zip(paths, sizes, strict=True))
    return hashlib.sha256("\n".join(f"{path}:{size}" for path, size in files).encode()).hexdigest()
