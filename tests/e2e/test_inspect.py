"""`lockgate inspect` as a person types it: the contract of a table, and what a table breaks of one."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lockgate.cli.main import run

CSV = """id,asked_at,seats,carrier,wait,late
a,2026-01-01 10:00,100,AA,1.5,0
b,2026-01-01 11:00,140,UA,NA,1
c,2026-01-01 12:00,90,AA,2,0
"""
DECLARED = """
from datetime import datetime
from lockgate.features.declare import Table, column, rule, target, time, unit

class Flights(Table):
    id: str = unit(key=True)
    asked_at: datetime = time()
    seats: int = column(low={low})
    carrier: str = column(levels=("AA",), on_break="fall_back")
    wait: float | None
    late: int = target()
    quick = rule("wait < seats")
"""


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "flights.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> subprocess.CompletedProcess[str]:
        words = ["lockgate", "inspect", *argv]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(sys, "path", [*sys.path])
        code = 0
        try:
            run()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return call


def declare(folder: Path, name: str, low: int) -> str:
    (folder / f"{name}.py").write_text(DECLARED.replace("{low}", str(low)))
    return f"{name}:Flights"


def test_the_contract_is_shown_with_its_notes_and_the_next_command(inspect) -> None:
    ran = inspect("flights.csv", "--target", "late", "--unit", "id", "--time", "asked_at")
    assert ran.returncode == 0
    assert "90 .. 140" in ran.stdout
    assert "Only 3 rows" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "next: lockgate check MODEL flights.csv --target late"
    assert "'NA' in 1 row read as missing" in ran.stderr
    assert "'asked_at' says no time zone: taken as UTC" in ran.stderr


def test_its_toml_and_its_json_schema_are_whole_documents(inspect) -> None:
    toml = tomllib.loads(inspect("flights.csv", "--target", "late", "--toml", "--model", "tide").stdout)
    assert toml["model"]["tide"]["contract"]["columns"]["seats"]["low"] == 90
    schema = json.loads(inspect("flights.csv", "--target", "late", "--json-schema").stdout)
    assert "late" not in schema["properties"]["rows"]["items"]["properties"]
    record = json.loads(inspect("flights.csv", "--target", "late", "--json").stdout)
    assert record["target"] == "late"


def test_a_table_is_held_to_a_class_and_a_row_set_aside_is_a_fail(inspect, tmp_path: Path) -> None:
    ran = inspect("flights.csv", "--against", declare(tmp_path, "strict_flights", 95))
    assert ran.returncode == 1
    assert "seats: below range" in ran.stdout
    assert "carrier: unseen level" in ran.stdout
    assert "2 of 3 rows keep the contract of Flights." in ran.stdout
    mild = inspect("flights.csv", "--against", declare(tmp_path, "mild_flights", 1), "--json")
    assert mild.returncode == 0
    assert json.loads(mild.stdout) == {"rows": 3, "kept": 3, "refused": {}, "flagged": {"carrier: unseen level": 1}}


def test_a_table_is_held_to_a_contract_kept_as_json(inspect, tmp_path: Path) -> None:
    (tmp_path / "contract.json").write_text(inspect("flights.csv", "--target", "late", "--json").stdout)
    assert inspect("flights.csv", "--against", "contract.json").returncode == 0
    (tmp_path / "flights.csv").write_text(CSV.replace("c,2026", ",2026"))
    ran = inspect("flights.csv", "--against", "contract.json")
    assert ran.returncode == 1
    assert "id: missing" in ran.stdout


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("flight.csv",), "Did you mean 'flights.csv'"),
        (("flights.csv", "--target", "lat"), "Did you mean 'late'"),
        (("flights.csv", "--toml"), "--target COLUMN"),
        (("flights.csv", "--separator", ";"), "has a comma between its values"),
        (("flights.csv", "--against", "nothing.json"), "There is no file nothing.json"),
        (("flights.csv", "--against", "json:loads"), "neither a contract's class nor a Pandera schema"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_exit_3(inspect, argv: tuple[str, ...], said: str) -> None:
    ran = inspect(*argv)
    assert ran.returncode == 3
    assert said in ran.stderr
    assert "bug" not in ran.stderr
    assert ran.stdout == ""
