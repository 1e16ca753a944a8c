"""A CSV file larger than memory, a stretch of rows at a time. The contract says what each column is, so that no stretch can
read one otherwise than the stretch before: a value that is something else is named with its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, TextIO, cast

from lockgate.errors import ContractError, InvariantBroken, SpecError, unknown
from lockgate.features.infer import prepared
from lockgate.features.typed import typed
from lockgate.records import Column
from lockgate.store.csv_values import DATE, DECIMAL_COMMA, MISSING, TIME, WHOLE, as_time
from lockgate.store.files import first_line, header_of, not_utf8, ragged, separator_of
from lockgate.store.stretches import Stretch, Wanted

if TYPE_CHECKING:
    import polars as pl


_A = {"int": "whole numbers", "float": "numbers", "bool": "true or false", "text": "text", "time": "times"}


class _At(NamedTuple):
    """Where a stretch begins: its first row, from 0, and its first line, from 1; None where rows may hold line ends."""

    row: int
    line: int | None

    def named(self, row: int) -> str:
        line = "" if self.line is None else f" (line {self.line + row})"
        return f"row {self.row + row + 1}{line}"


class CsvSource:
    """A file of text, packed by gzip or not; its first line names the columns."""

    def __init__(self, path: Path, kind: str, wanted: Wanted) -> None:
        self._path, self._kind, self._wanted = path, kind, wanted
        self._separator = separator_of(kind, wanted.separator, decimal_comma=wanted.decimal_comma)
        self._times: dict[str, pl.DataType] = {}  # how the first times of each column were written
        self._missing: Counter[str] = Counter()
        self._said: list[str] = []
        with self._opened() as (file, _):
            head = next(without_ends(self._lines(file)), "")
        if not head.strip():
            raise SpecError(f"{path} is empty.", cure="It holds no header and no rows; write it again.")
        self._kinds = {column.name: column.type for column in wanted.columns}
        self._header = header_of(head, path, self._separator, is_given=wanted.separator is not None)
        for column in wanted.columns:
            if column.name not in self._header:
                raise ContractError(
                    f"{unknown('column', column.name, self._header)} The contract of {wanted.model} asks for it.",
                    cure=f"Add it as {column.type}.",
                    column=column.name,
                )

    @property
    def notes(self) -> Sequence[str]:
        words = [
            f"Column {name!r}: a word for no value in {rows:,} {'row' if rows == 1 else 'rows'} read as missing."
            for name, rows in sorted(self._missing.items())
        ]
        return [*words, *self._said]

    def stretches(self, rows: int, first: int = 0) -> Iterator[Stretch]:
        size = max(1, self._path.stat().st_size)
        with self._opened() as (file, raw):
            lines = without_ends(self._lines(file))
            next(lines)
            at, line = 0, 2
            while text := "".join(taken := list(islice(lines, rows))):
                count = len(taken)
                if '"' in text:
                    count = self._records(taken, lines, rows, line)
                    text = "".join(taken)
                # Of the rows before `first` the first stretch is read all the same: it says how times are written.
                if at == 0 or at >= first:
                    is_plain = len(taken) == count
                    if is_plain and '"' not in text:
                        self._refuse_ragged(taken, line)
                    found = self._read(text, count, _At(at, line if is_plain else None))
                    if at >= first:
                        yield Stretch(found, min(1.0, raw.tell() / size))
                at, line = at + count, line + len(taken)
        if not at:
            raise SpecError(
                f"{self._path} has columns and no rows.", cure="Check what wrote it: it found nothing to write."
            )

    @contextmanager
    def _opened(self) -> Generator[tuple[TextIO, BinaryIO]]:
        """The file as text, and as the bytes it lies in, which say how far the reading is."""
        with self._path.open("rb") as raw:
            packed = gzip.GzipFile(fileobj=raw) if self._kind.endswith(".gz") else raw
            yield io.TextIOWrapper(cast(IO[bytes], packed), encoding="utf-8-sig", newline="\n"), raw

    def _lines(self, file: TextIO) -> Iterator[str]:
        try:
            yield from file
        except UnicodeDecodeError as error:
            raise self._undecoded() from error
        except (OSError, EOFError, zlib.error) as error:
            raise SpecError(
                f"{self._path} cannot be unpacked: {error}.", cure="It is not whole; copy it again."
            ) from error

    def _undecoded(self) -> SpecError:
        """The first line that is not UTF-8, looked for once more: what was being read is far behind it."""
        with self._path.open("rb") as raw:
            packed = gzip.GzipFile(fileobj=raw) if self._kind.endswith(".gz") else raw
            for number, line in enumerate(cast(IO[bytes], packed), 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return not_utf8(self._path, line, error.start, number)
        return SpecError(f"{self._path} is not UTF-8.", cure="Convert it with iconv.")

    def _records(self, taken: list[str], lines: Iterator[str], rows: int, line: int) -> int:
        """How many rows there are where quotes may hold line ends; `taken` grows until no row is cut."""

        def more() -> Iterator[str]:
            for text in lines:
                taken.append(text)
                yield text

        count = 0
        reader = csv.reader(chain([*taken], more()), delimiter=self._separator, strict=True)
        try:
            for values in reader:
                if len(values) != len(self._header):
                    raise ragged(self._path, line + reader.line_num - 1, len(values), len(self._header))
                count += 1
                if count == rows:
                    break
        except csv.Error as error:
            raise SpecError(
                f"Line {line + reader.line_num - 1} of {self._path} cannot be read: {error}.",
                cure="A double quote that opens must close; one that stands for itself is written twice.",
            ) from error
        return count

    def _read(self, text: str, count: int, at: _At) -> pl.DataFrame:
        import polars as pl

        try:
            table = pl.read_csv(
                io.BytesIO(text.encode()),
                separator=self._separator,
                has_header=False,
                new_columns=self._header,
                infer_schema=False,
                null_values=[""],
            )
        except pl.exceptions.PolarsError as error:
            raise SpecError(f"{self._path} cannot be read: {first_line(error)}.") from error
        if table.height != count:
            raise SpecError(
                f"The {count:,} rows of {self._path} from {at.named(0)} on can be read in two ways.",
                cure="A double quote inside a value is written twice, and the value goes in double quotes.",
            )
        found = table.select(self._typed(table[column.name], column, at) for column in self._wanted.columns)
        ready = prepared(found)
        self._said += [note for note in ready.notes if note not in self._said]
        return typed(ready.table, self._wanted.columns, model=self._wanted.model)

    def _refuse_ragged(self, taken: Sequence[str], line: int) -> None:
        wanted = len(self._header)
        for place, text in enumerate(taken):
            found = text.count(self._separator) + 1
            if found != wanted or (wanted > 1 and not text.strip("\r\n")):
                raise ragged(self._path, line + place, found, wanted)

    def _typed(self, series: pl.Series, column: Column, at: _At) -> pl.Series:
        """One column of a stretch, as the contract has it."""
        import polars as pl

        if column.type == "text":
            return series
        text = series.str.strip_chars()
        is_word = text.is_in(MISSING).fill_null(value=False)
        if words := int(is_word.sum()):
            self._missing[column.name] += words
        values = text.set(is_word, None)
        if not values.count():
            return values.cast(pl.Null)
        if column.type == "bool":
            lower = values.str.to_lowercase()
            self._refuse(values, lower.is_in(["true", "false"]), "true or false", at)
            return lower == "true"
        if column.type == "time":
            return self._time(values, at)
        return self._number(values, column, at)

    def _number(self, values: pl.Series, column: Column, at: _At) -> pl.Series:
        import polars as pl

        numbers = values
        if self._wanted.decimal_comma:
            numbers = values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        else:
            is_decimal = values.str.contains(DECIMAL_COMMA).fill_null(value=False)
            if is_decimal.any():
                raise self._other(values, ~is_decimal, "a number", at, cure="Say so: --decimal-comma.")
        if column.type == "float":
            typed_values = numbers.cast(pl.Float64, strict=False)
            self._refuse(values, typed_values.is_not_null(), "a number", at)
            return typed_values
        self._refuse(values, numbers.str.contains(WHOLE), "a whole number", at)
        whole = numbers.cast(pl.Int64, strict=False)
        self._refuse(values, whole.is_not_null() & ~numbers.str.contains(r"^0\d+$"), "a whole number of 64 bits", at)
        return whole

    def _time(self, values: pl.Series, at: _At) -> pl.Series:
        is_date = values.str.contains(DATE)
        if not is_date.fill_null(value=True).all():
            self._refuse(values, values.str.contains(TIME), "a time", at)
        found = as_time(values, str(self._path), first=at.row)
        if found is None:
            self._refuse(values, values.str.to_date("%Y-%m-%d", strict=False).is_not_null(), "a day that exists", at)
            raise InvariantBroken(f"Column {values.name!r} of {self._path} holds times that were not read.")
        before = self._times.setdefault(values.name, found.dtype)
        if found.dtype != before:
            raise self._other(values, values.is_null(), f"written as the first times were ({before})", at)
        return found

    def _refuse(self, values: pl.Series, is_fit: pl.Series, wanted: str, at: _At) -> None:
        is_fit = is_fit.fill_null(value=False) | values.is_null()
        if not is_fit.all():
            raise self._other(values, is_fit, wanted, at)

    def _other(self, values: pl.Series, is_fit: pl.Series, wanted: str, at: _At, *, cure: str = "") -> SpecError:
        row = (~is_fit).arg_max() or 0
        return SpecError(
            f"Column {values.name!r} of {self._path} holds {_A[self._kinds[values.name]]} by the contract of "
            f"{self._wanted.model}: {at.named(row)} is {values[row]!r}, which is not {wanted}.",
            cure=cure or "Mend the value, or leave it empty where it is missing.",
        )


def without_ends(lines: Iterator[str]) -> Iterator[str]:
    """Without the empty lines before the first and after the last that is none."""
    held: list[str] = []
    is_begun = False
    for line in lines:
        if line in ("\n", "\r\n"):
            held += [line] if is_begun else []
            continue
        if held:
            yield from held
            held = []
        is_begun = True
        yield line
