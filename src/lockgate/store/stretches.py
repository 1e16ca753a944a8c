"""Tables larger than memory, a stretch of rows at a time: the columns that a contract asks for, in exactly its types.

What `files.read_table` refuses is refused here as well, once a stretch comes to it. A stretch is the same rows however often
it is read: rows `first` to `first + rows` of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lockgate.errors import SpecError
from lockgate.features.infer import prepared
from lockgate.features.typed import typed
from lockgate.records import Column, Record
from lockgate.store.files import CSV_KINDS, first_line, kind_of, present

if TYPE_CHECKING:
    import polars as pl


class Identity(Record, frozen=True, kw_only=True):
    """What makes a table this one. digest: SHA-256 of a file's bytes, or of the names of a Delta version's files; size,
    changed_ns: of a file, as they were when it was digested; version: of a Delta table.
    """

    path: str
    digest: str
    size: int = 0
    changed_ns: int = 0
    version: int | None = None


class Wanted(NamedTuple):
    """What is read of a table. model: whose contract asks for the columns. separator, decimal_comma: of a CSV file."""

    columns: tuple[Column, ...]
    model: str
    separator: str | None = None
    decimal_comma: bool = False


class Stretch(NamedTuple):
    """Some rows. done: how much of the table has been read so far, in [0, 1]."""

    table: pl.DataFrame
    done: float


class Source(Protocol):
    """A table that is read in stretches."""

    @property
    def notes(self) -> Sequence[str]:
        """A sentence for each thing that was taken one way of several, so far."""
        ...

    def stretches(self, rows: int, first: int = 0) -> Iterator[Stretch]:
        """From row `first` on; each has `rows` rows but the last. Raises SpecError or ContractError naming the place."""
        ...


def source(path: Path, wanted: Wanted, version: int | None = None) -> Source:
    """The table of a file, or of a Delta folder at a version.

    Raises NotFound where it is not there, SpecError where it is none, and ContractError where a column that is wanted is
    missing or of another type.
    """
    present(path)
    kind = kind_of(path)
    if kind in CSV_KINDS:
        from lockgate.store.csv_stretches import CsvSource

        return CsvSource(path, kind, wanted)
    if kind in (".jsonl", ".ndjson"):
        from lockgate.store.json_stretches import JsonSource

        return JsonSource(path, wanted)
    return _Scanned(path, kind, wanted, version)


def identity(path: Path, known: Identity | None = None) -> Identity:
    """known: what it was before; a file of the same size and time is not read again."""
    present(path)
    if path.is_dir():
        return _of_delta(path)
    now = path.stat()
    if known is not None and (known.size, known.changed_ns) == (now.st_size, now.st_mtime_ns):
        return Identity(path=str(path.resolve()), digest=known.digest, size=known.size, changed_ns=known.changed_ns)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Identity(path=str(path.resolve()), digest=digest, size=now.st_size, changed_ns=now.st_mtime_ns)


class _Scanned:
    """Parquet, Arrow and Delta: their own types, checked before a row is read."""

    def __init__(self, path: Path, kind: str, wanted: Wanted, version: int | None) -> None:
        import polars as pl

        self._path, self._wanted = path, wanted
        try:
            self._rows = scan(path, kind, version)
            schema = self._rows.collect_schema()
            self._count = int(self._rows.select(pl.len()).collect().item())
        except SpecError:
            raise
        except Exception as error:
            raise _unreadable(path, error) from error
        if not self._count:
            raise SpecError(f"{path} has columns and no rows.", cure="Check what wrote it: it found nothing to write.")
        known = [column.name for column in wanted.columns if column.name in schema]
        ready = prepared(pl.DataFrame(schema={name: schema[name] for name in known}))
        typed(ready.table, wanted.columns, model=wanted.model, widens=True)
        self._names, self.notes = known, ready.notes

    def stretches(self, rows: int, first: int = 0) -> Iterator[Stretch]:
        import polars as pl

        read = first
        held: list[pl.DataFrame] = []
        for part in self._batches(rows, first):
            held.append(part)
            while sum(one.height for one in held) >= rows:
                whole = pl.concat(held, rechunk=False)
                held = [whole.slice(rows)] if whole.height > rows else []
                read += rows
                yield self._stretch(whole.head(rows), read)
        left = sum(one.height for one in held)
        if left:
            yield self._stretch(pl.concat(held), read + left)

    def _batches(self, rows: int, first: int) -> Iterator[pl.DataFrame]:
        wanted = self._rows.select(self._names).slice(first)
        try:
            yield from wanted.collect_batches(chunk_size=rows, maintain_order=True, lazy=True, engine="streaming")
        except Exception as error:
            raise _unreadable(self._path, error) from error

    def _stretch(self, table: pl.DataFrame, read: int) -> Stretch:
        ready = prepared(table.rechunk()).table
        return Stretch(typed(ready, self._wanted.columns, model=self._wanted.model, widens=True), read / self._count)


def scan(path: Path, kind: str, version: int | None = None) -> pl.LazyFrame:
    """Parquet, Arrow or Delta, by its kind, nothing of it read yet. Raises SpecError where it is empty or none."""
    import polars as pl

    if path.is_dir():
        if not (path / "_delta_log").is_dir():
            raise _no_delta(path)
        return pl.scan_delta(str(path), version=version)
    if path.stat().st_size == 0:
        raise SpecError(f"{path} is empty.", cure="Write it again; the last attempt ended before its first byte.")
    return pl.scan_parquet(path) if kind in (".parquet", ".pq") else pl.scan_ipc(path)


def _unreadable(path: Path, error: Exception) -> SpecError:
    return SpecError(f"{path} cannot be read: {first_line(error)}.", cure="Write it again, or as Parquet.")


def _of_delta(path: Path) -> Identity:
    from deltalake import DeltaTable

    if not (path / "_delta_log").is_dir():
        raise _no_delta(path)
    try:
        table = DeltaTable(path)
        files = table.file_uris()
    except Exception as error:
        raise SpecError(f"The Delta table {path} cannot be read: {first_line(error)}.") from error
    # In the order in which they are read: the same rows in another order are other stretches.
    names = "\n".join(Path(name).name for name in files)
    digest = hashlib.sha256(names.encode()).hexdigest()
    return Identity(path=str(path.resolve()), digest=digest, version=table.version())


def _no_delta(path: Path) -> SpecError:
    return SpecError(f"{path} is a folder and no Delta table.", cure="Name one file in it, or the table's own folder.")
