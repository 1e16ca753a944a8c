"""A table read in stretches is the table read whole: its rows, its types, and what it is refused for."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import LockgateError
from lockgate.features.infer import prepared
from lockgate.features.typed import polars_type
from lockgate.records import Column
from lockgate.store.files import read_table
from lockgate.store.stretches import Wanted, identity, source

COLUMNS = (
    Column(name="n", type="int"),
    Column(name="x (km)", type="float"),
    Column(name="is_late", type="bool"),
    Column(name="word", type="text"),
    Column(name="at", type="time"),
)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROWS = 23
TABLE = pl.DataFrame(
    {
        "n": list(range(ROWS)),
        "passed over": ["?"] * ROWS,
        "x (km)": [None if n % 5 == 0 else n / 3 for n in range(ROWS)],
        "is_late": [n % 2 == 0 for n in range(ROWS)],
        "word": [None if n % 7 == 1 else f'say "{n}",\nü' for n in range(ROWS)],
        "at": [NOON + timedelta(seconds=n) for n in range(ROWS)],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


def written(folder: Path, name: str, table: pl.DataFrame = TABLE) -> Path:
    path = folder / name
    text = table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
    lines = table.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_ndjson()
    writers: dict[str, Any] = {
        "t.parquet": lambda: table.write_parquet(path, row_group_size=4),
        "t.arrow": lambda: table.write_ipc(path),
        "t.csv": lambda: path.write_text(text, newline=""),
        "bom.csv": lambda: path.write_bytes(b"\xef\xbb\xbf\n" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n"),
        "t.csv.gz": lambda: path.write_bytes(gzip.compress(text.encode())),
        "t.jsonl": lambda: path.write_text(lines),
        "delta": lambda: table.write_delta(str(path)),
    }
    writers[name]()
    return path


def wanted(*columns: Column, **more: Any) -> Wanted:
    return Wanted(columns or COLUMNS, "late", **more)


def read(path: Path, rows: int, first: int = 0, *, of: Wanted | None = None) -> list[pl.DataFrame]:
    return [stretch.table for stretch in source(path, of or wanted()).stretches(rows, first)]


def exactly(table: pl.DataFrame) -> pl.DataFrame:
    """The columns of the contract in its types: these say what is compared, for all-null stretches have no type."""
    return table.select(pl.col(c.name).cast(polars_type(c.type)) for c in COLUMNS)


FILES = ["t.parquet", "t.arrow", "t.csv", "t.csv.gz", "t.jsonl", "delta"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rows", [1, 4, 7, ROWS - 1, ROWS, 100])
@pytest.mark.parametrize("first", [0, 1])
def test_every_format_gives_its_rows_once_in_order_from_any_stretch_on(
    tmp_path: Path, name: str, rows: int, first: int
) -> None:
    found = read(written(tmp_path, name), rows, first * rows)
    expected = TABLE.slice(first * rows)
    assert [part.height for part in found] == [len(part) for part in expected.iter_slices(rows) if len(part)]
    if found:
        assert pl.concat(exactly(part) for part in found).equals(exactly(expected))


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv", "t.csv.gz", "delta"])
def test_the_types_are_those_of_the_table_read_whole(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    whole = prepared(read_table(path)).table
    for part in read(path, 9):
        assert {n: part.schema[n] for n in part.columns if n != "passed over"} == {
            n: whole.schema[n] for n in whole.columns if n != "passed over"
        }


def test_a_mark_line_ends_of_windows_and_empty_lines_around_change_nothing(tmp_path: Path) -> None:
    found = pl.concat(exactly(part) for part in read(written(tmp_path, "bom.csv"), 5))
    assert found.drop("word").equals(exactly(TABLE).drop("word"))


cells = st.text(st.sampled_from('ab,"\n ü'), max_size=6).map(lambda text: text or None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(1, 13))
def test_quotes_and_line_ends_inside_values_cut_no_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, str | None]], at_once: int
) -> None:
    table = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    table.write_csv(path, quote_style="always")
    of = wanted(Column(name="a", type="text"), Column(name="b", type="text"))
    found = pl.concat(read(path, at_once, of=of))
    assert found.fill_null("").equals(table.fill_null(""))


def csv(folder: Path, body: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


INT, FLOAT = Column(name="a", type="int"), Column(name="a", type="float")
TEXT, BOOL, TIME = (
    Column(name="a", type="text"),
    Column(name="a", type="bool"),
    Column(name="a", type="time"),
)


@pytest.mark.parametrize(
    ("column", "body", "values"),
    [
        (TEXT, "a\n1\n2.50\nNA\n007\n", ["1", "2.50", "NA", "007"]),
        (FLOAT, "a\n1\n2\n2.5\nNA\n", [1.0, 2.0, 2.5, None]),
        (BOOL, "a\nTrue\nfalse\n", [True, False]),
        (INT, "a\n1\n-\n+3\n", [1, None, 3]),
        (TIME, "a\n2026-01-31\n2026-02-01\n", [datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)]),
        (TIME, "a\n2026-01-31 12:00+01:00\n2026-01-31T12:00:00Z\n", [NOON - timedelta(hours=1), NOON]),
    ],
)
def test_the_contract_says_what_a_column_of_a_csv_is_whatever_a_stretch_looks_like(
    tmp_path: Path, column: Column, body: str, values: list[Any]
) -> None:
    path = csv(tmp_path, body)
    found = read(path, 1, of=wanted(column))
    assert [part["a"][0] for part in found] == values


def test_what_was_taken_one_way_of_several_is_said(tmp_path: Path) -> None:
    of = source(csv(tmp_path, "a\nNA\n2026-01-31\n?\n"), wanted(TIME))
    assert len(list(of.stretches(1))) == 3
    assert of.notes == [
        "Column 'a': a word for no value in 2 rows read as missing.",
        "Column 'a' holds dates: taken as their midnight in UTC.",
    ]


@pytest.mark.parametrize(
    ("column", "body", "said"),
    [
        (INT, "a\n1\n2\nx\n", r"'a' of .* whole numbers .*: row 3 \(line 4\) is 'x', which is not a whole number"),
        (INT, "a\n1\n2.5\n", r"row 2 \(line 3\) is '2.5', which is not a whole number"),
        (INT, "a\n1\n007\n", r"row 2 \(line 3\) is '007'"),
        (INT, "a\n1\n99999999999999999999\n", r"row 2 \(line 3\) is .* of 64 bits"),
        (FLOAT, "a\n1\n1,5\n", r"Line 3 of .* has 2 values, and the first line has 1"),
        (BOOL, "a\ntrue\n1\n", r"row 2 \(line 3\) is '1', which is not true or false"),
        (TIME, "a\n2026-01-31T12:00:00Z\nsoon\n", r"row 2 \(line 3\) is 'soon', which is not a time"),
        (
            TIME,
            "a\n2026-01-31T12:00:00Z\n2026-01-31T12:00:00\n",
            r"(mixes times|not written as the first times).*|row 2 \(line 3\)",
        ),
        (TIME, "a\n2026-01-31T12:00:00Z\n2026-02-30T12:00:00Z\n", r"row 2 \(line 3\) .*not a time that exists"),
        (TIME, "a\n2026-01-31\n2026-02-30\n", r"row 2 \(line 3\) is '2026-02-30', which is not a day that exists"),
        (INT, "b\n1\n", r"no column 'a'; known: b\. The contract of late asks for it\. Add it as int"),
        (INT, "a,b\n1,2\n3\n", r"Line 3 of .* has 1 value, and the first line has 2"),
        (INT, 'a,b\n1,"x\ny"\n3,"z",5\n', r"Line 4 of .* has 3 values"),
        (INT, 'a,b\n1,2\n2,"never closed\n3,4\n', r"Line [34] of .* cannot be read.*must close"),
        (INT, "a,b\n1,2\n\n3,4\n", r"Line 3 of .* has 1 value"),
        (INT, "a,b\n1,2\n2,\xe9\n".encode("latin-1"), r"not UTF-8: line 3 holds the byte 0xe9"),
        (INT, "a,b\n1,2\n".encode("utf-16"), r"not UTF-8.*UTF-16"),
        (INT, "a;b\n1;2\n", r"has a semicolon between its values.*--separator ';'"),
        (INT, "a,a\n1,2\n", r"2 columns called 'a'"),
        (INT, "", r"is empty"),
        (INT, "a\n", r"has columns and no rows"),
    ],
)
def test_what_is_wrong_with_a_csv_is_named_with_its_line_in_whatever_stretch_it_is(
    tmp_path: Path, column: Column, body: str | bytes, said: str
) -> None:
    path = csv(tmp_path, body)
    for rows in (1, 50):
        with pytest.raises(LockgateError, match=said):
            read(path, rows, of=wanted(column))


def test_decimal_commas_are_named_with_the_option_that_reads_them(tmp_path: Path) -> None:
    path = csv(tmp_path, "a;b\n1;x\n1,5;y\n")
    with pytest.raises(LockgateError, match=r"row 2 \(line 3\) is '1,5'.*--decimal-comma"):
        read(path, 1, of=wanted(FLOAT, separator=";"))
    found = read(path, 1, of=wanted(FLOAT, separator=";", decimal_comma=True))
    assert [part["a"][0] for part in found] == [1.0, 1.5]


def test_a_packed_file_that_is_cut_is_said(tmp_path: Path) -> None:
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % (n * 7919) for n in range(5_000)))
    with pytest.raises(LockgateError, match=r"cannot be unpacked.*copy it again"):
        read(csv(tmp_path, whole[:-2_000], "t.csv.gz"), 100, of=wanted(INT))


@pytest.mark.parametrize(
    ("column", "body", "said"),
    [
        (
            INT,
            '{"a": 1}\n\n{"a": 1.5}\n',
            r"'a' of .*, line 3: Expected `int \| null`, got `float` by the contract of late",
        ),
        (TEXT, '{"a": "x"}\n{"a": 3}\n', r"line 2: Expected `str"),
        (TIME, '{"a": "2026-01-31T12:00:00"}\n', r"line 1: .*timezone"),
        (INT, '{"a": 1}\n{"a":\n', r"Line 2 of .* is not JSON"),
        (INT, '{"a": 1}\n[1]\n', r"Line 2 of .* is no row"),
        (INT, '{"b": 1}\n', r"No row of .* has a column 'a'"),
        (INT, '{"a": 99999999999999999999}\n', r"too large a number"),
        (TEXT, b'{"a": "x"}\n{"a": "\xe9"}\n', r"(line 2|not UTF-8)"),
        (INT, "", r"is empty"),
    ],
)
def test_what_is_wrong_with_json_lines_is_named_with_its_line(
    tmp_path: Path, column: Column, body: str | bytes, said: str
) -> None:
    for rows in (1, 50):
        with pytest.raises(LockgateError, match=said):
            read(csv(tmp_path, body, "t.jsonl"), rows, of=wanted(column))


def test_a_row_of_json_that_leaves_a_column_out_has_no_value_there(tmp_path: Path) -> None:
    (found,) = read(csv(tmp_path, '{"a": 1}\n{"b": 2}\n', "t.jsonl"), 5, of=wanted(INT))
    assert found["a"].to_list() == [1, None]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (Column(name="word", type="float"), r"'word' is text .* says float.*does not cast silently"),
        (Column(name="x (km)", type="int"), r"'x \(km\)' is float"),
        (Column(name="m", type="int"), r"no column 'm', which the contract of late asks for"),
    ],
)
def test_another_type_is_refused_before_a_row_is_read(tmp_path: Path, column: Column, said: str) -> None:
    for name in ("t.parquet", "t.arrow", "delta"):
        with pytest.raises(LockgateError, match=said):
            source(written(tmp_path, name), wanted(column))


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("t.parquet", b"not parquet", r"cannot be read"),
        ("t.parquet", b"", r"is empty"),
        ("t.pkl", b"x", r"a pickle may run code"),
        ("t.doc", b"x", r"no table that Lockgate reads"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    with pytest.raises(LockgateError, match=said):
        source(csv(tmp_path, body, name), wanted())
    with pytest.raises(LockgateError, match=r"Did you mean"):
        source(tmp_path / f"{name}x", wanted())
    with pytest.raises(LockgateError, match="is a folder and no Delta table"):
        source(tmp_path, wanted())


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "delta"])
def test_a_table_is_known_again_by_what_it_holds_and_not_by_its_time(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    before = identity(path)
    assert identity(path, before) == before
    if path.is_file():
        path.touch()
    assert identity(path, before).digest == before.digest
    if path.is_dir():
        TABLE.head(3).write_delta(str(path), mode="append")
    else:
        written(tmp_path, name, TABLE.head(3))
    assert identity(path, before).digest != before.digest
