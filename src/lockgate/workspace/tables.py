"""Anybody's table as frames, gone through a stretch at a time: a file is never read whole."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lockgate.errors import SpecError
from lockgate.features.infer import column_type, prepared
from lockgate.features.profiles.table import STRETCH, Frames, in_memory, streamed
from lockgate.records import Column
from lockgate.records.column_type import ColumnType
from lockgate.store import stretches
from lockgate.store.files import CSV_KINDS, first_line, kind_of, present, read
from lockgate.workspace.checking import as_polars

if TYPE_CHECKING:
    import polars as pl

HEAD = 10_000
"""Lines of text that say of what type its columns are."""


class Source(NamedTuple):
    """notes: what was taken one way of several, a sentence each."""

    frames: Frames
    notes: tuple[str, ...] = ()


def source(table: Any) -> Source:
    """A frame, a LazyFrame, Arrow, a mapping of columns, or the path of a file or Delta folder.

    Raises NotFound where there is no file, SpecError where it is no table.
    """
    import polars as pl

    if isinstance(table, str | Path):
        return _of_file(Path(table))
    if isinstance(table, pl.LazyFrame):
        with readable(table):
            return Source(streamed(table))
    return Source(in_memory(as_polars(table)))


@contextmanager
def readable(table: Any) -> Generator[None]:
    """What Polars cannot read becomes SpecError, naming the table."""
    import polars as pl

    try:
        yield
    except pl.exceptions.PolarsError as error:
        name = str(table) if isinstance(table, str | Path) else "The table"
        raise SpecError(
            f"{name} cannot be read: {first_line(error)}.", cure="Write it again, or as Parquet."
        ) from error


def _of_file(path: Path) -> Source:
    present(path)
    kind = kind_of(path)
    if kind in (*CSV_KINDS, ".jsonl", ".ndjson"):
        return _of_text(path, kind)
    with readable(path):
        return Source(streamed(stretches.scan(path, kind)))


def _of_text(path: Path, kind: str) -> Source:
    """Types by the first lines; a whole number there may be a fraction further on."""
    import polars as pl

    head = _head(path, kind)
    ready = prepared(head.table)
    types: dict[str, ColumnType] = {name: column_type(name, dtype) for name, dtype in ready.table.schema.items()}
    wanted = {
        name: Column(name=name, type="float" if own == "int" else own, is_nullable=True) for name, own in types.items()
    }
    dtypes = {"float": pl.Float64(), "bool": pl.Boolean(), "text": pl.String(), "time": pl.Datetime("us", "UTC")}

    def every(names: Sequence[str]) -> Iterator[pl.DataFrame]:
        chosen = stretches.Wanted(tuple(wanted[name] for name in names), path.name)
        for stretch in stretches.source(path, chosen).stretches(STRETCH):
            yield stretch.table

    schema = pl.Schema({name: dtypes[column.type] for name, column in wanted.items()})
    return Source(Frames(schema, every), (*head.notes, *ready.notes))


def _head(path: Path, kind: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="lockgate-head-") as folder:
        place = Path(folder) / path.name.removesuffix(".gz")
        with gzip.open(path) if kind.endswith(".gz") else path.open("rb") as file:
            place.write_bytes(b"".join(islice(file, HEAD)))
        return read(place)
