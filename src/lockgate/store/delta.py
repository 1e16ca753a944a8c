"""Tables as Delta Lake, under one directory.

A table keeps its log for ever and its files until `clean` is asked: a version that a model was trained on must be there
in a year, whoever vacuums with the defaults of another tool.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lockgate.errors import Conflict, NotFound, StoreError
from lockgate.records import DatasetRef
from lockgate.store.ports import Cleaned
from lockgate.store.turn import turn

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

KEPT = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.deletedFileRetentionDuration": "interval 5200 weeks",
}
_WRITE = "lockgate.write"
_LOG = "_delta_log"
ATTEMPTS = 8


class DeltaTables:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def turn(self, table: str) -> AbstractContextManager[None]:
        return turn(self._directory / table, f"the table {table!r}")

    def write(self, table: str, rows: pl.DataFrame) -> DatasetRef:
        """The next version. Raises StoreError when the disk refuses, Conflict where others write without a pause; what was
        there stays.
        """
        from deltalake.exceptions import CommitFailedError

        path = self._directory / table
        for _ in range(ATTEMPTS):
            try:
                written = self._overwritten(path, rows)
            except CommitFailedError:
                continue
            except Exception as error:
                raise StoreError(
                    f"The table {path} cannot be written: {error}.", cure="Free some room there."
                ) from error
            if written is not None:
                own_id = str(written.metadata().id)
                return DatasetRef(table=table, version=written.version(), digest=_digest(written), table_id=own_id)
        raise Conflict(f"Others write the table {path} all the while.", cure="Add the data again when they have ended.")

    def _overwritten(self, path: Path, rows: pl.DataFrame) -> DeltaTable | None:
        """The version that was made; None where it holds more than these rows. deltalake 1.6 lets an overwrite pass a
        compaction that was committed meanwhile, and what that had put together is then there as well: such a version is
        nobody's, and the next attempt replaces it.
        """
        from deltalake import CommitProperties, DeltaTable, write_deltalake

        path.parent.mkdir(parents=True, exist_ok=True)
        before, own = self._keep_history(path), uuid.uuid4().hex
        write_deltalake(
            path,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            configuration=KEPT,
            commit_properties=CommitProperties(custom_metadata={_WRITE: own}),
        )
        version, added = _commit(path, own, after=before)
        written = DeltaTable(path, version=version)
        return written if {name for name, _ in _files(written)} == added else None

    def read(self, ref: DatasetRef) -> pl.DataFrame:
        return self.scan(ref).collect()

    def scan(self, ref: DatasetRef) -> pl.LazyFrame:
        import polars as pl

        held = self._held(ref)
        if not _has_files(held, self._directory / ref.table):
            raise NotFound(
                f"The rows of {ref} were cleaned away.", cure="Add the table again; it becomes the next version."
            )
        return pl.scan_delta(held)

    def schema(self, ref: DatasetRef) -> dict[str, pl.DataType]:
        import polars as pl

        return dict(pl.scan_delta(self._held(ref)).collect_schema())

    def is_kept(self, ref: DatasetRef) -> bool:
        try:
            return _has_files(self._held(ref), self._directory / ref.table)
        except (NotFound, StoreError):
            return False

    def clean(self, table: str, keep: Collection[DatasetRef], *, dry_run: bool) -> Cleaned:
        from deltalake import DeltaTable

        path = self._directory / table
        if not DeltaTable.is_deltatable(str(path)):
            return Cleaned()
        for ref in keep:
            self._held(ref)
        held = DeltaTable(path)
        # In order: deltalake 1.5 goes through them one by one, and not back.
        versions = sorted({held.version(), *(ref.version for ref in keep)})
        # Whoever asks has judged the ages of versions: the files of all but the kept ones may go at once. Files that no
        # commit names, a writer's in the middle of its work, are not touched.
        ask = partial(held.vacuum, retention_hours=0, enforce_retention_duration=False, keep_versions=versions)
        found = [file for name in ask(dry_run=True) if (file := path / unquote(name)).exists()]
        size = sum(file.stat().st_size for file in found)
        if found and not dry_run:
            ask(dry_run=False)
        return Cleaned(len(found), size)

    def _keep_history(self, path: Path) -> int:
        """The version that is there, -1 for none. A table made before this was done is told to keep its history from now
        on; that is one commit.
        """
        from deltalake import DeltaTable

        if not (path / _LOG).is_dir() or not DeltaTable.is_deltatable(str(path)):
            return -1
        held = DeltaTable(path)
        if not KEPT.items() <= held.metadata().configuration.items():
            held.alter.set_table_properties(KEPT)
        return held.version()

    def _held(self, ref: DatasetRef) -> DeltaTable:
        from deltalake import DeltaTable

        path = self._directory / ref.table
        if not DeltaTable.is_deltatable(str(path)):
            raise NotFound(f"There is no table {ref.table!r} in {self._directory}.")
        held = _at(path, ref)
        if ref.table_id and str(held.metadata().id) != ref.table_id:
            raise StoreError(
                f"The table {ref.table!r} is not the one that {ref} refers to: its folder was made anew.",
                cure="Restore the folder, or add the data again as a new version.",
            )
        if _digest(held) != ref.digest:
            raise StoreError(
                f"The table {ref.table!r} at version {ref.version} is not the one referred to: its files differ.",
                cure="Somebody rewrote it; restore the folder, or add the data again as a new version.",
            )
        return held


def _at(path: Path, ref: DatasetRef) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(path, version=ref.version)
    except DeltaError as error:
        raise StoreError(
            f"The table {ref.table!r} has no version {ref.version} to be read: {error}.",
            cure="Its log was cut or its folder made anew; restore it, or add the data again as a new version.",
        ) from error


def _commit(path: Path, own: str, *, after: int) -> tuple[int, set[str]]:
    """The version whose commit carries our mark, and the files it added. Read from the log itself: deltalake's history
    numbers its entries from a version that may be older than they are.
    """
    for commit in sorted((path / _LOG).glob("*.json")):
        if int(commit.stem) <= after or own not in (text := commit.read_text("utf-8")):
            continue
        actions = [json.loads(line) for line in text.splitlines()]
        return int(commit.stem), {unquote(action["add"]["path"]) for action in actions if "add" in action}
    raise StoreError(f"The table {path} does not hold what was just written.", cure="Add the data again.")


def _files(table: DeltaTable) -> list[tuple[str, int]]:
    actions: Any = table.get_add_actions(flatten=True)
    return sorted(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))


def _has_files(table: DeltaTable, path: Path) -> bool:
    return all((path / unquote(name)).exists() for name, _ in _files(table))


def _digest(table: DeltaTable) -> str:
    """SHA-256 over the names and sizes of the version's files; the names are unique to one write."""
    return hashlib.sha256("\n".join(f"{path}:{size}" for path, size in _files(table)).encode()).hexdigest()
