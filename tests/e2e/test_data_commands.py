"""`lockgate data` as a person types it: the short way and the long, listed, shown, compared, cleaned; words and JSON."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.cli.main import run

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(workshop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """In this process, in the workshop's project: what it says, and its exit code."""

    def call(*argv: object) -> subprocess.CompletedProcess[str]:
        words = ["lockgate", *map(str, argv), "-C", str(workshop.root)]
        monkeypatch.setattr(sys, "argv", words)
        capsys.readouterr()
        code = 0
        try:
            run()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return call


@pytest.fixture
def files(workshop: Any, tmp_path: Path) -> dict[str, Path]:
    """The workshop's own table, shuffled; one that lost days and in which a column moved."""
    whole: pl.DataFrame = workshop.table()
    moved = whole[300:].with_columns(x1=pl.col("x1") + (pl.col("colour") == "red") * 3.0)
    tables = {"same": whole.sample(fraction=1, shuffle=True, seed=2), "moved": pl.concat([moved, moved[:7]])}
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    return {name: tmp_path / f"{name}.parquet" for name in tables}


def test_the_same_table_again_makes_no_version_and_another_does(cli: Cli, files: dict[str, Path]) -> None:
    again = cli("data", "tide", files["same"])
    assert re.fullmatch(
        r"The same as tide@0#\w{8} \(3,000 rows\); no new version\.\nnext: lockgate train tide\n", again.stdout
    )
    added = cli("data", "add", "tide", files["moved"])
    assert "tide@1#" in added.stdout
    assert "left out 7 rows: every value came before" in added.stdout
    assert added.stdout.endswith("next: lockgate train tide\n")
    listed = json.loads(cli("data", "ls", "tide", "--json").stdout)
    assert [(s["dataset"]["rows"], s["is_kept"]) for s in listed] == [(3000, True), (2700, True)]
    assert {name.partition("-")[0] for name in listed[0]["pinned_by"]} >= {"trees", "rival", "noise"}
    assert listed[1]["pinned_by"] == []


def test_a_list_a_page_and_a_difference_are_drawn_and_name_what_comes_next(cli: Cli, files: dict[str, Path]) -> None:
    cli("data", "tide", files["moved"])
    listed = cli("data", "ls")
    assert listed.stdout.splitlines()[0].split()[:2] == ["dataset", "rows"]
    ref = re.search(r"next: lockgate data show (tide@1#\w{8})\n$", listed.stdout)
    assert ref is not None
    shown = cli("data", "show", ref[1])
    assert "from " in shown.stdout
    assert "moved.parquet" in shown.stdout
    assert "nothing was trained on it" in shown.stdout
    assert shown.stdout.endswith("next: lockgate data diff tide@0 tide@1\n")
    assert "trees-" in cli("data", "show", "tide@0").stdout
    found = cli("data", "diff", "tide@0", "tide@1")
    assert re.search(r"rows +\+0, -300, [\d,]+ changed, [\d,]+ the same \(by boat\)", found.stdout)
    assert re.search(r"^x1 +[\d,]+ +0\.\d{3} ", found.stdout, re.MULTILINE)
    assert found.stdout.endswith(f"next: lockgate data show {ref[1]}\n")
    told = json.loads(cli("data", "diff", "tide@0", "tide", "--json").stdout)
    assert (told["removed"], told["rows"]) == (300, [3000, 2700])


def test_a_query_is_a_table_and_its_address_may_come_from_the_environment(
    cli: Cli, workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = sqlite3.connect(tmp_path / "tide.db")
    table: pl.DataFrame = workshop.table().with_columns(
        pl.col("asked_at", "known_at").dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
    )
    db.execute(f"CREATE TABLE tide ({', '.join(table.columns)})")
    db.executemany(f"INSERT INTO tide VALUES ({', '.join('?' * table.width)})", table.rows())
    db.commit()
    db.close()
    monkeypatch.setenv("LOCKGATE_SQL_CONNECTION", f"sqlite:///{tmp_path}/tide.db")
    same = cli("data", "add", "tide", "--sql", "SELECT * FROM tide")
    assert "The same as tide@0#" in same.stdout, same.stderr
    assert "note: Column 'asked_at' is text in the database, every value a time: taken as times." in same.stderr
    made = json.loads(cli("data", "add", "tide", "--sql", "SELECT * FROM tide WHERE y = 1", "--json").stdout)
    assert made["source"] == f"sqlite:///{tmp_path}/tide.db: SELECT * FROM tide WHERE y = 1"


def test_cleaning_says_what_would_go_and_the_command_that_does_it(cli: Cli, files: dict[str, Path]) -> None:
    assert cli("data", "clean").stdout.startswith("Nothing is older than 30d that could go.\nnext: ")
    assert cli("data", "clean", "--older-than", "1h").returncode == 3
    assert json.loads(cli("data", "clean", "tide", "--json").stdout)[0]["versions"] == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("data", "show", "tied"), "Did you mean 'tide'"),
        (("data", "show", "tide@7"), "lockgate data ls tide"),
        (("data", "ls", "tied"), "Did you mean 'tide'"),
        (("data", "diff", "tide", "tide@1999-01-01T00:00:00Z"), "had no data yet"),
        (("data", "tied", "t.csv"), "Did you mean 'tide'"),
        (("data", "add", "tide", "t.csv", "--sql", "SELECT 1"), "from a table, or from a query"),
        (("data",), "Missing argument"),
        (("data", "lss"), "Name a TABLE"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(cli: Cli, argv: tuple[str, ...], said: str) -> None:
    ran = cli(*argv)
    assert ran.returncode == 3
    assert said in ran.stderr
    assert ran.stdout == ""


def test_options_may_come_first(workshop: Any, files: dict[str, Path]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lockgate", "data", "-C", str(workshop.root), "tide", str(files["same"])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, "The same as tide@0#" in ran.stdout) == (0, True), ran.stderr
