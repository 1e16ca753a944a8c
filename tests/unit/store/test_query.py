"""Tables that a database answers with: real SQLite files, and PostgreSQL where a server and its driver are at hand."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from lockgate.errors import NotFound, SpecError, StoreError
from lockgate.store.query import read_query, source_of


@pytest.fixture
def flights(tmp_path: Path) -> str:
    file = tmp_path / "flights.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE flights (id TEXT, asked_at TIMESTAMP, wait REAL, seats INTEGER, mixed, either, code TEXT)")
    rows = [(f"f{n}", f"2026-01-0{n}T10:00:00Z", n / 2, n, n, n, f"00{n}") for n in range(1, 6)]
    rows.append(("f6", None, None, None, "seven", 1.5, None))
    db.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    db.commit()
    db.close()
    return f"sqlite:///{file}"


def test_a_query_gives_a_table_in_the_database_s_own_types(flights: str) -> None:
    found = read_query("SELECT id, asked_at, wait, seats, code FROM flights", flights)
    assert dict(found.table.schema) == {
        "id": pl.String(),
        "asked_at": pl.Datetime("us", "UTC"),
        "wait": pl.Float64(),
        "seats": pl.Int64(),
        "code": pl.String(),
    }
    assert found.table["asked_at"][0] == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert found.table["code"][0] == "001", "text that looks like a number is text"
    assert found.table.null_count().row(0) == (0, 1, 1, 1, 1)
    assert found.notes == ("Column 'asked_at' is text in the database, every value a time: taken as times.",)


def test_text_beside_numbers_is_refused_and_not_made_text(flights: str) -> None:
    with pytest.raises(SpecError, match=r"Column 'mixed' .* holds integer and text together.*CAST"):
        read_query("SELECT mixed FROM flights;", flights)


def test_whole_and_real_numbers_are_real_and_that_is_said(flights: str) -> None:
    found = read_query("SELECT either FROM flights", flights)
    assert found.table["either"].to_list() == [1, 2, 3, 4, 5, 1.5]
    assert found.notes == ("Column 'either' holds whole and real numbers: taken as float64.",)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC", "syntax error"),
        ("SELECT * FROM flight", "no such table: flight"),
        ("SELECT id, id FROM flights", "more than once"),
        ("SELECT id FROM flights WHERE 0", "gives no rows"),
        ("UPDATE flights SET wait = 9", "not valid 'read' queries"),
    ],
)
def test_what_gives_no_table_is_said(flights: str, sql: str, said: str) -> None:
    with pytest.raises((SpecError, StoreError), match=said):
        read_query(sql, flights)
    assert read_query("SELECT max(wait) AS wait FROM flights", flights).table["wait"].to_list() == [2.5]


def test_a_misspelt_file_is_not_found_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no database file"):
        read_query("SELECT 1", f"sqlite:///{tmp_path}/flight.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ("flights.db", "no database address"),
        ("oracel://u@h/d", "no database address"),
        ("mysql://u:secret@h/d", "pip install"),
    ],
)
def test_an_address_that_leads_nowhere_is_named_with_the_cure(connection: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        read_query("SELECT 1", connection)
    assert "secret" not in str(caught.value)


def test_no_record_holds_the_password(flights: str) -> None:
    assert source_of("SELECT 1", flights) == f"{flights}: SELECT 1"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


BIN = _programs()
HAS_DRIVER = importlib.util.find_spec("psycopg") is not None


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A server of its own over a socket in its own folder, whose path is short as sockets ask; it does not run as root."""
    assert BIN is not None
    home = Path(tempfile.mkdtemp(prefix="lockgate-pg-"))
    home.chmod(0o777)

    def ask(program: str, *words: str | Path) -> None:
        owner = "nobody" if os.getuid() == 0 else None
        argv = [BIN / program, "-D", home / "data", *words]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd=home, user=owner)

    ask("initdb", "-U", "lockgate", "-A", "trust", "-N")
    ask("pg_ctl", "-o", f"-k {home} -c listen_addresses=''", "-l", home / "log", "-w", "start")
    try:
        yield f"postgresql+psycopg://lockgate@/postgres?host={home}"
    finally:
        ask("pg_ctl", "-m", "immediate", "-w", "stop")
        shutil.rmtree(home)


@pytest.mark.skipif(BIN is None, reason="no PostgreSQL server: apt-get install postgresql")
@pytest.mark.skipif(not HAS_DRIVER, reason="no driver: pip install psycopg[binary]")
def test_postgresql_keeps_its_types(postgres: str) -> None:
    found = read_query(
        "SELECT 7::bigint AS n, 3::int AS small, 1.5::float8 AS x, 2.50::numeric(10, 2) AS price, 'a'::text AS t, true AS b, "
        "'2026-01-01T10:00:00Z'::timestamptz AS at, '2026-01-01'::date AS day UNION ALL "
        "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        postgres,
    )
    schema = found.table.schema
    assert [schema[name] for name in ("n", "x", "t", "b", "day")] == [
        pl.Int64,
        pl.Float64,
        pl.String,
        pl.Boolean,
        pl.Date,
    ]
    assert isinstance(schema["at"], pl.Datetime)
    assert schema["at"].time_zone is not None
    assert found.table["at"][0] == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert found.table["price"][0] == Decimal("2.50")
    with pytest.raises(StoreError, match=r"refused: .*nosuch"):
        read_query("SELECT * FROM nosuch", postgres)
