"""Tables that people bring: read as they are, or refused in a sentence that names the line and the cure."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import LockgateError, NotFound, SpecError
from lockgate.store.files import read, read_table

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).replace(tzinfo=None)
TABLE = pl.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", "y"]})


def written(folder: Path, body: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.csv", "t.tsv", "t.csv.gz", "t.arrow", "t.feather", "t.jsonl", "t.ndjson"]
)
def test_every_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = TABLE.write_csv(separator="\t" if name.endswith("tsv") else ",")
    writers: dict[str, Any] = {
        ".parquet": lambda: TABLE.write_parquet(path),
        ".csv": lambda: path.write_text(text),
        ".tsv": lambda: path.write_text(text),
        ".gz": lambda: path.write_bytes(gzip.compress(text.encode())),
        ".arrow": lambda: TABLE.write_ipc(path),
        ".feather": lambda: TABLE.write_ipc(path),
        ".jsonl": lambda: TABLE.write_ndjson(path),
        ".ndjson": lambda: TABLE.write_ndjson(path),
    }
    writers[path.suffix]()
    assert read_table(path).equals(TABLE)


def test_a_delta_folder_is_a_table_and_another_folder_is_not(tmp_path: Path) -> None:
    TABLE.write_delta(str(tmp_path / "delta"))
    assert read_table(tmp_path / "delta").equals(TABLE)
    with pytest.raises(SpecError, match="is a folder and no Delta table"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("body", "options", "rows"),
    [
        ("a,b\r\n1,2\r\n3,4\r\n", {}, [(1, 2), (3, 4)]),
        ("\ufeffa,b\n1,2\n\n\n", {}, [(1, 2)]),
        ('a,b\n"1,5\nx",2\n', {}, [("1,5\nx", 2)]),
        ("a;b\n1.000,5;2\n-0,5;3\n", {"separator": ";", "decimal_comma": True}, [(1000.5, 2), (-0.5, 3)]),
        ("a\tb\n1\t2\n", {"separator": "\\t"}, [(1, 2)]),
        ("a,b\nTrue,007\nFalse,010\n", {}, [(True, "007"), (False, "010")]),
        ("a,b\n1e5,+1\ninf,-2\n", {}, [(1e5, 1), (float("inf"), -2)]),
        ("a,b\n99999999999999999999,1\n1,2\n", {}, [("99999999999999999999", 1), ("1", 2)]),
        ("a,b\n2026-01-31,2026-01-31 12:00\n", {}, [(date(2026, 1, 31), NOON)]),
        ("a,b\n1,x\n2,y\n", {"text": ("a",)}, [("1", "x"), ("2", "y")]),
        ("a,b\n,1\n,2\n", {}, [(None, 1), (None, 2)]),
    ],
)
def test_values_are_read_as_what_they_say_they_are(
    tmp_path: Path, body: str, options: dict[str, Any], rows: list[tuple[Any, ...]]
) -> None:
    assert read_table(written(tmp_path, body), **options).rows() == rows


def test_words_for_nothing_among_numbers_are_missing_and_said_and_among_words_they_are_words(tmp_path: Path) -> None:
    found = read(written(tmp_path, "n,w\n1,NA\nNA,x\n-,y\n"))
    assert found.table.rows() == [(1, "NA"), (None, "x"), (None, "y")]
    assert found.notes == ("Column 'n': '-', 'NA' in 2 rows read as missing.",)


def test_times_with_several_offsets_are_the_same_moments_and_said(tmp_path: Path) -> None:
    found = read(written(tmp_path, "t\n2026-03-29T01:30:00+01:00\n2026-03-29 03:30+0200\n2026-03-29T01:30:00.5Z\n"))
    moments = [datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]
    assert found.table["t"].to_list()[:2] == moments
    assert found.table.schema["t"] == pl.Datetime("us", "UTC")
    assert "offsets +01:00, +0200, Z" in found.notes[0]


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        ("a;b\n1;2\n", {}, r"has a semicolon between its values; a comma would make it one column.*--separator ';'"),
        ("a\tb\n1\t2\n", {}, r"has a tab between its values.*--separator '\\t'"),
        ("a|b\n1|2\n", {}, r"has a pipe between"),
        ("a,b\n1,2\n", {"separator": ";"}, r"has a comma between its values; a semicolon is not in its first line"),
        ("a,b\n1,2\n", {"separator": ";;"}, r"separator ';;' is not one character"),
        ("a,b\n1,2\n", {"decimal_comma": True}, r"With decimal commas the separator cannot be a comma"),
        (
            "a;b\n1;2\n1,5;2\n",
            {"separator": ";"},
            r"'a' .* has decimal commas: row 2 \(line 3\) is '1,5'.*--decimal-comma",
        ),
        ("a\n" + "1\n" * 20 + "x\n", {}, r"'a' .* text where numbers should be: row 21 \(line 22\) is 'x'"),
        ("a\n" + "1.5\n" * 40 + "x\ny\n", {}, r"row 41 .* and 1 more rows are like it.*--text 'a'"),
        ("a,b\n1,2\n3\n", {}, r"Line 3 of .* has 1 value, and the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", {}, r"Line 3 of .* has 3 values"),
        ('a,b\n"1,2",2\n3,4,5\n', {}, r"Line 3 of .* has 3 values"),
        ("a,b\n1,2\n\n3,4\n", {}, r"Line 3 of"),
        ("a,a\n1,2\n", {}, r"has 2 columns called 'a'"),
        (",a\n0,2\n", {}, r"Column 1 of .* has no name.*index=False"),
        ("", {}, r"is empty"),
        ("\n\n", {}, r"is empty"),
        ("a,b\n", {}, r"has columns and no rows"),
        ("a,b\n1,\xe9\n".encode("latin-1"), {}, r"is not UTF-8: line 2 holds the byte 0xe9.*WINDOWS-1252"),
        ("a,b\n1,2\n".encode("utf-16"), {}, r"is not UTF-8.*UTF-16"),
        ("t\n2026-01-01T10:00:00Z\n2026-01-01 10:00:00\n", {}, r"mixes times with an offset and times without: row 2"),
        ("t\n" + "2026-01-01 10:00\n" * 20 + "soon\n", {}, r"text where times should be: row 21 \(line 22\) is 'soon'"),
        ("t\n2026-02-30 10:00\n", {}, r"'2026-02-30 10:00', which is not a time that exists"),
        ("a,b\n1,2\n", {"text": ("c",)}, r"no column 'c'"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_cure(
    tmp_path: Path, body: str | bytes, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        read_table(written(tmp_path, body), **options)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("t.parquet", b"not parquet", r"cannot be read"),
        ("t.parquet", b"", r"is empty"),
        ("t.arrow", b"not arrow at all", r"cannot be read"),
        ("t.csv.gz", b"not gzip", r"cannot be unpacked"),
        ("t.jsonl", b'{"a": 1}\n{"a":\n', r"Line 2 of .* is not JSON"),
        ("t.xlsx", b"x", r"no table that Lockgate reads.*Save the sheet as CSV"),
        ("t.pkl", b"x", r"a pickle may run code"),
        ("t", b"x", r"no table that Lockgate reads"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    with pytest.raises(LockgateError, match=said):
        read_table(written(tmp_path, body, name))


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, "a\n1\n", "flights.csv")
    with pytest.raises(NotFound, match=r"Did you mean 'flights.csv'"):
        read_table(tmp_path / "flight.csv")
    with pytest.raises(NotFound, match="There is no folder"):
        read_table(tmp_path / "nowhere" / "flights.csv")
