"""JSON lines larger than memory, a stretch of rows at a time, as strict as a request is: types are the contract's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from lockgate.errors import ContractError, SpecError
from lockgate.features.typed import polars_type
from lockgate.records import Column
from lockgate.store.files import not_utf8
from lockgate.store.stretches import Stretch, Wanted

if TYPE_CHECKING:
    import polars as pl

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "text": str,
    "time": Annotated[datetime, msgspec.Meta(tz=True)],
}


class JsonSource:
    """One row a line. A row without a column has no value there; columns that nobody asks for are passed over."""

    notes: Sequence[str] = ()

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path, self._wanted = path, wanted
        if path.stat().st_size == 0:
            raise SpecError(f"{path} is empty.", cure="Write it again; the last attempt ended before its first byte.")
        self._decoder = _decoder(wanted.columns)

    def stretches(self, rows: int, first: int = 0) -> Iterator[Stretch]:
        size = max(1, self._path.stat().st_size)
        at = 0
        with self._path.open("rb") as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
            while taken := list(islice(lines, rows)):
                if at >= first:
                    yield Stretch(self._read(taken), min(1.0, file.tell() / size))
                at += len(taken)
        if not at:
            raise SpecError(f"{self._path} has no rows.", cure="Check what wrote it: it found nothing to write.")

    def _read(self, taken: Sequence[tuple[int, bytes]]) -> pl.DataFrame:
        try:
            rows = self._decoder.decode_lines(b"".join(line for _, line in taken))
        except UnicodeDecodeError as error:
            raise self._undecoded(taken) from error
        except msgspec.DecodeError as error:
            raise self._refused(taken, error) from error
        return self._table(rows, taken[0][0])

    def _table(self, rows: Sequence[msgspec.Struct], line: int) -> pl.DataFrame:
        import polars as pl

        values: list[Sequence[Any]] = list(zip(*map(msgspec.structs.astuple, rows), strict=True))
        found: list[pl.Series] = []
        for column, own in zip(self._wanted.columns, values, strict=True):
            if msgspec.UNSET in own:
                if all(value is msgspec.UNSET for value in own):
                    raise ContractError(
                        f"No row of {self._path} from line {line} on has a column {column.name!r}, which the contract of "
                        f"{self._wanted.model} asks for.",
                        cure=f"Add it as {column.type}, null where it is missing.",
                        column=column.name,
                    )
                own = [None if value is msgspec.UNSET else value for value in own]  # noqa: PLW2901 - the same values
            try:
                found.append(pl.Series(column.name, own, dtype=polars_type(column.type)))
            except (OverflowError, TypeError, pl.exceptions.PolarsError) as error:
                raise ContractError(
                    f"Column {column.name!r} of {self._path} has a value that is too large a number, from line {line} on.",
                    cure="Keep it as text, if it is a name.",
                    column=column.name,
                ) from error
        return pl.DataFrame(found)

    def _refused(self, taken: Sequence[tuple[int, bytes]], whole: msgspec.DecodeError) -> Exception:
        """What is wrong with the first line that cannot be read, by itself."""
        for number, line in taken:
            try:
                self._decoder.decode(line)
            except msgspec.ValidationError as error:
                said, _, where = str(error).partition(" - at `$")
                name = where.strip("`.")
                if not name:
                    return SpecError(
                        f"Line {number} of {self._path} is no row: {said}.", cure='Write {"column": value, ...}.'
                    )
                return ContractError(
                    f"Column {name!r} of {self._path}, line {number}: {said} by the contract of {self._wanted.model}.",
                    cure="Mend the value, or leave it out where it is missing.",
                    column=name,
                )
            except msgspec.DecodeError as error:
                return SpecError(f"Line {number} of {self._path} is not JSON: {error}.", cure="Mend that line.")
        return whole

    def _undecoded(self, taken: Sequence[tuple[int, bytes]]) -> SpecError:
        for number, line in taken:
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return not_utf8(self._path, line, error.start, number)
        return SpecError(f"{self._path} is not UTF-8.", cure="Convert it with iconv.")


def _decoder(columns: Sequence[Column]) -> msgspec.json.Decoder[Any]:
    """Fields are numbered and renamed, for a column may have any name; each may be null or left out."""
    fields: list[Any] = [
        (f"f{number}", _TYPES[column.type] | None | msgspec.UnsetType, msgspec.UNSET)
        for number, column in enumerate(columns)
    ]
    names = {f"f{number}": column.name for number, column in enumerate(columns)}
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields, rename=names))
