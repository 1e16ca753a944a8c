"""Tables that people bring: Parquet, CSV, Arrow, JSON lines, a Delta folder; what is wrong with one is said with its cure."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lockgate.errors import NotFound, SpecError, unknown
from lockgate.store.csv_values import read_values

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a pipe"}
CSV_KINDS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_OTHER_KINDS = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson")
_KNOWN = ".parquet, .csv, .tsv, .csv.gz, .arrow, .feather, .jsonl, .ndjson, or the folder of a Delta table"
_CURES = {
    ".xlsx": "Save the sheet as CSV, in UTF-8.",
    ".xls": "Save the sheet as CSV, in UTF-8.",
    ".zip": "Unpack it first; .csv.gz is read as it is.",
    ".json": "Write one row a line (JSON lines) and call it .jsonl.",
    ".pkl": "Save it as Parquet where it was made; a pickle may run code.",
    ".pickle": "Save it as Parquet where it was made; a pickle may run code.",
}


class Read(NamedTuple):
    """A table as its file has it, and a sentence for each thing that was taken one way of several."""

    table: pl.DataFrame
    notes: tuple[str, ...]


def read_table(
    path: str | Path, *, separator: str | None = None, decimal_comma: bool = False, text: Collection[str] = ()
) -> pl.DataFrame:
    """The table of a file or a Delta folder. Raises NotFound where it is not there, SpecError where it cannot be read.

    Of a CSV file: separator, between the values of a line, from the file's name where left out; decimal_comma, 1,5 is one
    and a half; text, columns that are text although they look like numbers.
    """
    return read(path, separator=separator, decimal_comma=decimal_comma, text=text).table


def read(
    path: str | Path, *, separator: str | None = None, decimal_comma: bool = False, text: Collection[str] = ()
) -> Read:
    """The same, with its notes."""
    import polars as pl

    path = Path(path)
    present(path)
    if path.is_dir():
        return Read(_delta(path), ())
    kind = kind_of(path)
    if kind in CSV_KINDS:
        return _csv(path, kind, separator, decimal_comma=decimal_comma, text=text)
    readers: dict[str, Callable[[], pl.DataFrame]] = dict.fromkeys((".parquet", ".pq"), lambda: pl.read_parquet(path))
    readers |= dict.fromkeys((".arrow", ".feather", ".ipc"), lambda: pl.read_ipc(path))
    readers |= dict.fromkeys((".jsonl", ".ndjson"), lambda: _json_lines(path))
    if path.stat().st_size == 0:
        raise SpecError(f"{path} is empty.", cure="Write it again; the last attempt ended before its first byte.")
    try:
        table = readers[kind]()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SpecError(
            f"{path} cannot be read: {first_line(error)}.", cure="Write it again, or as Parquet."
        ) from error
    return Read(_with_rows(table, path), ())


def present(path: Path) -> None:
    """Raises NotFound where nothing is there, with the nearest name."""
    if not path.exists():
        raise NotFound(f"There is no file {path}.{_nearest(path)}")


def kind_of(path: Path) -> str:
    """By its name: the suffix of a file, with the one before .gz; "" for a folder. Raises SpecError for one not known."""
    if path.is_dir():
        return ""
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind not in (*CSV_KINDS, *_OTHER_KINDS):
        cure = _CURES.get(kind, f"Save it as one of {_KNOWN}.")
        raise SpecError(f"{path} is no table that Lockgate reads: {_KNOWN}.", cure=cure)
    return kind


def _delta(path: Path) -> pl.DataFrame:
    import polars as pl

    if not (path / "_delta_log").is_dir():
        raise SpecError(
            f"{path} is a folder and no Delta table.", cure="Name one file in it, or the table's own folder."
        )
    try:
        return _with_rows(pl.read_delta(str(path)), path)
    except Exception as error:
        raise SpecError(f"The Delta table {path} cannot be read: {first_line(error)}.") from error


def _json_lines(path: Path) -> pl.DataFrame:
    import msgspec
    import polars as pl

    text = _text(path.read_bytes(), path)
    try:
        return pl.read_ndjson(text.encode(), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        for number, line in enumerate(text.splitlines(), 1):
            try:
                row = msgspec.json.decode(line or "{}")
            except msgspec.DecodeError as error:
                raise SpecError(f"Line {number} of {path} is not JSON: {error}.", cure="Mend that line.") from error
            if not isinstance(row, dict):
                raise SpecError(f"Line {number} of {path} is no row.", cure='Write {"column": value, ...}.') from None
        raise


def _csv(path: Path, kind: str, separator: str | None, *, decimal_comma: bool, text: Collection[str]) -> Read:
    import polars as pl

    body = _text(_unpacked(path, kind), path).strip("\r\n")
    if not body.strip():
        raise SpecError(f"{path} is empty.", cure="It holds no header and no rows; write it again.")
    given, separator = separator, separator_of(kind, separator, decimal_comma=decimal_comma)
    header = header_of(body, path, separator, is_given=given is not None)
    _refuse_ragged(body, path, separator, len(header))
    try:
        table = pl.read_csv(io.StringIO(body), separator=separator, infer_schema=False, null_values=[""])
    except pl.exceptions.PolarsError as error:
        raise SpecError(f"{path} cannot be read: {first_line(error)}.") from error
    for name in text:
        if name not in header:
            raise SpecError(unknown("column", name, header), cure=f"Name one of {path}.")
    typed, notes = read_values(_with_rows(table, path), str(path), decimal_comma=decimal_comma, text=text)
    return Read(typed, notes)


def separator_of(kind: str, given: str | None, *, decimal_comma: bool) -> str:
    """As it was given, else by the file's name. Raises SpecError where decimal commas would be taken for it."""
    found = given or ("\t" if kind.startswith(".tsv") else ",")
    found = "\t" if found == "\\t" else found  # as a shell passes it on
    if decimal_comma and found == ",":
        raise SpecError(
            "With decimal commas the separator cannot be a comma.",
            cure="Give the other one as well: separator=';' or --separator ';'.",
        )
    return found


def _unpacked(path: Path, kind: str) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if kind.endswith(".gz") else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise SpecError(f"{path} cannot be unpacked: {error}.", cure="It is not whole; copy it again.") from error


def _text(raw: bytes, path: Path) -> str:
    """The bytes as UTF-8, without a byte order mark."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, raw, error.start, raw.count(b"\n", 0, error.start) + 1) from error


def not_utf8(path: Path, raw: bytes, at: int, line: int) -> SpecError:
    """raw: the file, or one line of it; at: the first byte in it that is wrong."""
    known = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
    return SpecError(
        f"{path} is not UTF-8: line {line} holds the byte 0x{raw[at]:02x}.",
        cure=f"It looks like {known}; convert it: iconv -f {known} -t UTF-8 {path.name} > utf8.csv",
    )


def header_of(text: str, path: Path, separator: str, *, is_given: bool) -> list[str]:
    """The names in the first line. Raises SpecError where they are none, or one comes twice."""
    if len(separator) != 1:
        raise SpecError(f"The separator {separator!r} is not one character.", cure="Give one of , ; | or a tab.")
    first = text.lstrip("\n\r").splitlines()[0]
    names = next(csv.reader([first], delimiter=separator))
    other = next((mark for mark in SEPARATORS if mark != separator and mark in first), None)
    if len(names) == 1 and other is not None:
        said = f"--separator '{other}'" if other != "\t" else "--separator '\\t'"
        found = "is not in its first line" if is_given else "would make it one column"
        raise SpecError(
            f"{path} has {SEPARATORS[other]} between its values; {SEPARATORS.get(separator, repr(separator))} {found}.",
            cure=f"Say so: separator={other!r}, or {said}.",
        )
    for name, times in Counter(names).items():
        if times > 1:
            raise SpecError(f"{path} has {times} columns called {name!r}.", cure="Give each column its own name.")
        if not name.strip():
            place = names.index(name) + 1
            raise SpecError(
                f"Column {place} of {path} has no name.",
                cure="Name it in the first line; if it only counts the rows, write the file without it (index=False).",
            )
    return names


def _refuse_ragged(text: str, path: Path, separator: str, wanted: int) -> None:
    """Every line has as many values as the header: one with fewer would be filled with nulls unsaid."""
    import polars as pl

    if '"' in text:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for row in reader:
            if len(row) != wanted and (row or wanted > 1):
                raise ragged(path, reader.line_num, len(row), wanted)
        return
    lines = pl.Series("line", text.split("\n")).str.strip_chars("\r")
    values = lines.str.count_matches(separator, literal=True) + 1
    wrong = (values != wanted) | ((lines == "") & (wanted > 1))
    if wrong.any():
        place = wrong.arg_max() or 0
        raise ragged(path, place + 1, int(values[place]), wanted)


def ragged(path: Path, line: int, found: int, wanted: int) -> SpecError:
    """Of a line with another number of values than the first one."""
    return SpecError(
        f"Line {line} of {path} has {found} value{'' if found == 1 else 's'}, and the first line has {wanted}.",
        cure="Mend that line; a value that holds the separator goes in double quotes.",
    )


def _with_rows(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    if not table.height:
        raise SpecError(f"{path} has columns and no rows.", cure="Check what wrote it: it found nothing to write.")
    return table


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" There is no folder {folder} either."
    near = get_close_matches(path.name, [entry.name for entry in folder.iterdir()], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def first_line(error: Exception) -> str:
    return re.split(r"\n", str(error).strip() or repr(error))[0].rstrip(".")
