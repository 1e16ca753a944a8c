"""`Workspace.data`: written rules set rows aside with their reasons, another schema is refused before a byte is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import ContractError, LeakError, SpecError
from lockgate.records import Dataset
from lockgate.workspace.workspace import Workspace

CONFIG = """
[model.tide]
target = "late"
unit = "boat"
time = "asked_at"

[model.tide.contract]
keys = ["boat"]
known = "landed_at"

[model.tide.contract.columns]
seats = { low = 1, on_break = { missing = "flag" } }

[[model.tide.contract.rules]]
name = "lands after asking"
check = "landed_at >= asked_at"

[[model.tide.contract.rules]]
name = "quick"
check = "landed_at - asked_at < 36000"
on_break = "flag"
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")


def table(hours: list[int], seats: list[Any], kind: Any = pl.Int64) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "boat": [f"b{n}" for n in range(len(hours))],
            "asked_at": [START] * len(hours),
            "landed_at": [START + timedelta(hours=h) for h in hours],
            "seats": seats,
            "late": [n % 2 for n in range(len(hours))],
        },
        schema_overrides={"asked_at": UTC_US, "landed_at": UTC_US, "seats": kind},
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "lockgate.toml").write_text(CONFIG)
    return Workspace.open(tmp_path)


def test_rows_are_set_aside_with_every_rule_they_break(workspace: Workspace, tmp_path: Path) -> None:
    made = workspace.data("tide", table([1, -1, -2, 20, 3], [9, 9, 0, 9, None]))
    assert made.rows == 3
    assert made.quarantined == {"lands after asking: broken": 2, "seats: below range": 1}
    aside = pl.read_delta(str(tmp_path / ".lockgate" / "tables" / "tide.quarantine"))
    assert aside["broken_rule"].to_list() == [
        "lands after asking: broken",
        "seats: below range; lands after asking: broken",
    ]


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (lambda: table([1], [1.7], pl.Float64), r"'seats' is float .* says int.*not cast silently"),
        (lambda: table([1], [1], pl.Int32), r"'seats' is Int32, and what is stored as tide is Int64.*cast\(pl.Int64\)"),
        (lambda: table([1], [1]).with_columns(more=1), r"'more' is not in the contract"),
    ],
)
def test_another_schema_is_refused_by_name_and_nothing_is_written(workspace: Workspace, later: Any, said: str) -> None:
    first = workspace.data("tide", table([1, 2], [9, 9]))
    with pytest.raises(ContractError, match=said):
        workspace.data("tide", later())
    assert workspace.wiring.records.all(Dataset, "tide") == [first]
    assert workspace.data("tide", table([1], [9])).ref.version == first.ref.version + 1


def test_types_that_the_store_would_change_come_back_as_they_were(workspace: Workspace) -> None:
    made = workspace.data("tide", table([1, 2], [4_000_000_000, 7], pl.UInt32))
    assert workspace.wiring.tables.read(made.ref)["seats"].to_list() == [4_000_000_000, 7]
    assert workspace.data("tide", table([1], [4_000_000_001], pl.UInt32)).rows == 1


def test_a_future_column_is_caught_by_name(tmp_path: Path) -> None:
    (tmp_path / "lockgate.toml").write_text(CONFIG.replace('known = "landed_at"\n', ""))
    with pytest.raises(LeakError, match=r"'landed_at' lies after the question's time 'asked_at' in 100%") as caught:
        Workspace.open(tmp_path).data("tide", table([1, 2], [9, 9]))
    assert caught.value.column == "landed_at"


def test_a_rule_that_cannot_be_read_makes_no_contract(tmp_path: Path) -> None:
    (tmp_path / "lockgate.toml").write_text(CONFIG.replace("landed_at >= asked_at", "landed >= asked_at"))
    workspace = Workspace.open(tmp_path)
    with pytest.raises(SpecError, match=r"The rule 'lands after asking'.*Did you mean 'landed_at'"):
        workspace.data("tide", table([1, 2], [9, 9]))
    assert workspace.wiring.records.all(Dataset, "tide") == []
