"""Dataset versions in a workspace: the same again, pinned, travelled to, cleaned, and every kind of table taken."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lockgate.errors import ContractError, NotFound, SpecError, StoreError
from lockgate.records import Dataset, DatasetRef, decode, digest, encode
from lockgate.records.dataset import DatasetState
from lockgate.workspace import datasets
from lockgate.workspace.workspace import Workspace

CONFIG = """
[model.tide]
target = "late"
time = "asked_at"

[model.tide.contract]
keys = ["boat"]
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0


class Clock:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.now_s = START.timestamp()

    def __call__(self) -> float:
        return self.now_s


def table(first: int = 0, count: int = 20, **more: Any) -> pl.DataFrame:
    boats = range(first, first + count)
    return pl.DataFrame(
        {
            "boat": [f"b{n:03}" for n in boats],
            "asked_at": [START + timedelta(hours=n) for n in boats],
            "seats": [n % 7 for n in boats],
            "late": [n % 2 for n in boats],
            **more,
        }
    ).with_columns(pl.col("asked_at").cast(pl.Datetime("us", "UTC")))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspace(tmp_path: Path, clock: Clock) -> Workspace:
    (tmp_path / "lockgate.toml").write_text(CONFIG)
    return Workspace.open(tmp_path, clock=clock)


def state(workspace: Workspace, ref: str) -> DatasetState:
    return datasets.state(workspace.wiring, ref)


def test_the_same_rows_in_any_order_are_the_same_version(workspace: Workspace) -> None:
    first = workspace.data("tide", table())
    shuffled = table().sample(fraction=1, shuffle=True, seed=4).select("late", "boat", "seats", "asked_at")
    again = datasets.add(workspace.wiring, "tide", workspace.model("tide"), datasets.bring(shuffled))
    assert (again.is_new, again.dataset) == (False, first)
    assert workspace.datasets("tide") == [first]
    assert workspace.table("tide").equals(table())


def test_rows_that_came_back_are_a_new_version_that_names_the_old_one(workspace: Workspace) -> None:
    """The newest is what training takes, so a return must be written down."""
    first, second = workspace.data("tide", table()), workspace.data("tide", table(count=15))
    back = datasets.add(workspace.wiring, "tide", workspace.model("tide"), datasets.bring(table()))
    assert (back.is_new, back.like) == (True, first)
    assert back.dataset.content == first.content != second.content
    assert workspace.dataset("tide") == back.dataset


def test_the_same_kept_rows_with_others_set_aside_are_told_apart(workspace: Workspace) -> None:
    workspace.data("tide", table())
    broken = table(90, 1).with_columns(asked_at=pl.lit(None, pl.Datetime("us", "UTC")))
    made = workspace.data("tide", pl.concat([table(), broken]))
    assert (made.ref.version, made.quarantined, made.rows) == (1, {"asked_at: missing": 1}, 20)
    assert made.aside is not None
    assert workspace.wiring.tables.read(made.aside)["boat"].to_list() == ["b090"]


def test_repeated_late_and_conflicting_rows_are_each_counted(workspace: Workspace) -> None:
    workspace.data("tide", table(5, 10))
    unlike = table(7, 1).with_columns(late=1 - pl.col("late"))
    made = workspace.data("tide", pl.concat([table(0, 30), table(8, 2), unlike]))
    assert (made.rows, made.repeated) == (29, 2)
    assert made.quarantined == {"boat: conflicting rows": 2}
    assert made.late == 5, "b000 to b004 are older than b014 and new; b005 to b013 were there"


def test_late_rows_are_found_without_keys_too(tmp_path: Path) -> None:
    (tmp_path / "lockgate.toml").write_text(CONFIG.partition("[model.tide.contract]")[0])
    workspace = Workspace.open(tmp_path)
    workspace.data("tide", table(5, 10))
    assert workspace.data("tide", table(0, 30)).late == 5


def test_a_reference_is_a_name_a_number_a_digest_or_a_moment(workspace: Workspace, clock: Clock) -> None:
    first = workspace.data("tide", table())
    clock.now_s += 10 * DAY_S
    second = workspace.data("tide", table(count=25))
    assert workspace.dataset("tide") == workspace.dataset("tide@1") == workspace.dataset(second.ref) == second
    assert workspace.dataset("tide@0") == workspace.dataset(str(first.ref)) == first
    assert workspace.dataset("tide@2026-01-10T23:59:59Z") == first
    assert workspace.dataset("tide@2026-01-11T00:00:00+00:00") == second
    assert workspace.table("tide@0").height == 20


@pytest.mark.parametrize(
    ("ref", "kind", "said"),
    [
        ("tied", NotFound, "Did you mean 'tide'"),
        ("tide@2", NotFound, r"Did you mean 'tide@0'.*lockgate data ls tide"),
        ("tide@0#00000000", NotFound, "known: tide@0#"),
        ("tide@2025-12-31T00:00:00Z", NotFound, "had no data yet"),
        ("tide@2026-01-01T00:00:00", SpecError, "says no zone"),
        ("tide@first", SpecError, "no dataset version and no moment"),
        ("tide@-1", SpecError, "no dataset version and no moment"),
    ],
)
def test_an_unknown_reference_is_refused_with_the_nearest(
    workspace: Workspace, ref: str, kind: type[Exception], said: str
) -> None:
    workspace.data("tide", table())
    with pytest.raises(kind, match=said):
        workspace.dataset(ref)


def test_a_folder_made_anew_is_noticed(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.data("tide", table())
    place = tmp_path / ".lockgate" / "tables" / "tide"
    shutil.rmtree(place)
    write_deltalake(place, table())
    with pytest.raises(StoreError, match=r"not the one that tide@0#.* refers to: its folder was made anew"):
        workspace.table("tide@0")
    assert DeltaTable(place).metadata().id != first.ref.table_id


def test_records_of_before_are_read_and_keep_their_bytes(workspace: Workspace) -> None:
    old = (
        b'{"contract":"c","model":"tide","quarantined":{},"ref":{"digest":"d","table":"tide","version":3},"rows":2,'
        b'"schema":1,"since_s":null,"until_s":null,"written_s":1.0}'
    )
    found = decode(Dataset, old)
    assert (found.schema, found.content, found.ref.table_id) == (1, "", "")
    ref = b'{"table":"tide","version":3,"digest":"d"}'
    assert encode(decode(DatasetRef, ref)) == ref, "what was digested with such a ref would have another digest"
    assert digest(found.ref) == digest(DatasetRef(table="tide", version=3, digest="d"))


def test_a_table_made_before_keeps_its_history_from_the_next_version_on(workspace: Workspace, tmp_path: Path) -> None:
    place = tmp_path / ".lockgate" / "tables" / "tide"
    write_deltalake(place, table())
    made = workspace.data("tide", table(count=5))
    settings = DeltaTable(place).metadata().configuration
    assert settings["delta.enableExpiredLogCleanup"] == "false"
    assert workspace.table("tide").height == 5
    assert DeltaTable(place).vacuum(retention_hours=None, dry_run=True) == [], "another tool's defaults delete nothing"
    assert made.ref.version == 2, "one commit for the settings, one for the rows"


def test_cleaning_spares_the_newest_the_young_and_the_pinned(workshop: Any) -> None:
    """The workshop's versions were trained on its first dataset version."""
    clock = Clock()
    workspace = Workspace.open(workshop.root, clock=clock)
    (pinned,) = workspace.datasets("tide")
    whole = workspace.table("tide")
    clock.now_s = pinned.written_s
    for rows in (2000, 2100, 2200):
        clock.now_s += 20 * DAY_S
        workspace.data("tide", whole[:rows])
    foretold = workspace.clean("tide", older_than="30d", dry_run=True)
    assert [ref.version for ref in foretold.versions] == [1]
    assert [ref.version for ref in foretold.pinned] == [0]
    assert all(state(workspace, f"tide@{n}").is_kept for n in range(4))
    clock.now_s += 400 * DAY_S
    gone = workspace.clean("tide", older_than="30d")
    assert [ref.version for ref in gone.versions] == [1, 2]
    assert gone.size_bytes > 0
    assert workspace.table("tide@0").equals(whole)
    assert workspace.table("tide").height == 2200
    with pytest.raises(NotFound, match=r"tide@1#.* were cleaned away"):
        workspace.table("tide@1")
    assert not state(workspace, "tide@1").is_kept
    assert {name.split("-")[0] for name in state(workspace, "tide@0").pinned_by} >= {"trees", "rival", "noise"}
    assert workspace.clean("tide", older_than="30d").versions == ()
    assert workspace.data("tide", whole[:100]).rows == 100
    workspace.close()


def test_rows_set_aside_go_with_their_version(workspace: Workspace, clock: Clock) -> None:
    made: list[Dataset] = []
    for count in (8, 9, 10):
        broken = table(90 + count, 1).with_columns(asked_at=pl.lit(None, pl.Datetime("us", "UTC")))
        made.append(workspace.data("tide", pl.concat([table(count=count), broken]) if made else table(count=count)))
        clock.now_s += 40 * DAY_S
    workspace.clean("tide", older_than="30d")
    asides = [d.aside for d in made]
    assert asides[0] is None
    assert [workspace.wiring.tables.is_kept(aside) for aside in asides if aside is not None] == [False, True]
    assert workspace.wiring.tables.read(asides[2])["boat"].to_list() == ["b100"]  # type: ignore[arg-type]


def test_less_than_a_day_is_no_age(workspace: Workspace) -> None:
    workspace.data("tide", table())
    with pytest.raises(SpecError, match="too short"):
        workspace.clean("tide", older_than="2h")


def test_files_of_every_kind_give_the_same_version(workspace: Workspace, tmp_path: Path) -> None:
    rows, files = table(), tmp_path / "files"
    files.mkdir()
    rows.write_parquet(files / "t.parquet")
    rows.write_ipc(files / "t.arrow")
    rows.with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(files / "t.csv")
    write_deltalake(files / "delta", rows)
    first = workspace.data("tide", files / "t.parquet")
    assert first.source.endswith("t.parquet")
    for name in ("t.arrow", "t.csv", "delta"):
        assert workspace.data("tide", str(files / name)) == first, name


def test_frames_of_every_library_give_the_same_version(workspace: Workspace) -> None:
    rows = table()
    first = workspace.data("tide", rows)
    in_pandas = pd.DataFrame(rows.to_dict(as_series=False)).sample(frac=1, random_state=1)
    arrow = pa.table({name: rows[name].to_arrow() for name in rows.columns})
    for other in (rows.lazy(), in_pandas, arrow, rows.to_dict(as_series=False)):
        assert workspace.data("tide", other) == first, type(other)
    assert first.source == ""


def test_a_query_gives_the_same_version_and_is_named_as_its_source(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.data("tide", table())
    file = tmp_path / "tide.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE tide (boat TEXT, asked_at TIMESTAMP, seats INTEGER, late INTEGER)")
    stamped = table(count=21).with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%d %H:%M:%SZ"))
    db.executemany("INSERT INTO tide VALUES (?, ?, ?, ?)", stamped.rows())
    db.commit()
    db.close()
    asked = "SELECT * FROM tide WHERE boat < 'b020' ORDER BY seats"
    assert workspace.data("tide", sql=asked, connection=f"sqlite:///{file}") == first
    made = workspace.data("tide", sql="SELECT * FROM tide", connection=f"sqlite:///{file}")
    assert made.source == f"sqlite:///{file}: SELECT * FROM tide"
    assert any("'asked_at' is text in the database" in note for note in made.notes)


@pytest.mark.parametrize(
    "given", [{}, {"sql": "SELECT 1"}, {"connection": "sqlite://"}, {"table": "t.csv", "sql": "SELECT 1"}]
)
def test_a_dataset_comes_from_one_place(workspace: Workspace, given: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="from a table, or from a query"):
        workspace.data("tide", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "kind", "note"),
    [
        ([Decimal("1.25")] * 20, pl.Float64(), "holds decimals: taken as float64"),
        ([date(2025, 12, 1)] * 20, pl.Datetime("us", "UTC"), "holds dates: taken as their midnight in UTC"),
        (
            pl.Series([datetime(2025, 12, 1, 8, tzinfo=UTC)] * 20).dt.replace_time_zone(None),
            pl.Datetime("us", "UTC"),
            "says no time zone: taken as UTC",
        ),
        ([timedelta(minutes=2)] * 20, pl.Float64(), "holds durations: taken as seconds"),
        (pl.Series(["a", "b"] * 10, dtype=pl.Categorical), pl.String(), ""),
        (pl.Series(["a", "b"] * 10, dtype=pl.Enum(["a", "b"])), pl.String(), ""),
        (pl.Series([200] * 20, dtype=pl.UInt8), pl.Int16(), ""),
    ],
)
def test_a_type_that_is_kept_as_another_is_so_by_a_stated_rule(
    workspace: Workspace, values: Any, kind: pl.DataType, note: str
) -> None:
    made = workspace.data("tide", table(more=values))
    assert workspace.wiring.tables.schema(made.ref)["more"] == kind
    assert ["'more'" in said and note in said for said in made.notes] == ([True] if note else [])
    assert workspace.data("tide", table(more=values)) == made


@pytest.mark.parametrize(
    "values", [[[1, 2]] * 20, [{"a": 1}] * 20, [b"x"] * 20, pl.Series([[1.0, 2.0]] * 20, dtype=pl.Array(pl.Float64, 2))]
)
def test_a_nested_column_is_refused_by_name(workspace: Workspace, values: Any) -> None:
    with pytest.raises(ContractError, match="'more' has type") as caught:
        workspace.data("tide", table(more=values))
    assert caught.value.column == "more"
    assert workspace.datasets() == []


def test_a_pandas_index_that_says_something_is_not_lost(workspace: Workspace) -> None:
    frame = pd.DataFrame(table().to_dict(as_series=False))
    with pytest.raises(SpecError, match=r"index 'boat' is no column.*reset_index"):
        workspace.data("tide", frame.set_index("boat"))
    with pytest.raises(SpecError, match="index"):
        workspace.data("tide", frame.set_index(pd.DatetimeIndex(frame["asked_at"]).rename(None)))
    assert workspace.data("tide", frame).rows == 20


def test_the_difference_of_two_versions_is_a_record(workspace: Workspace) -> None:
    workspace.data("tide", table())
    moved = table(5, 25).with_columns(seats=pl.when(pl.col("boat") == "b010").then(99).otherwise("seats"))
    workspace.data("tide", moved)
    found = workspace.diff("tide@0", "tide")
    assert (found.by, found.rows) == (("boat",), (20, 25))
    assert (found.added, found.removed, found.changed, found.same) == (10, 5, 1, 14)
    assert {c.name: c.changed for c in found.columns} == {"boat": 0, "asked_at": 0, "seats": 1, "late": 0}
    assert json.loads(encode(found))["columns"][2]["types"] == ["Int64", "Int64"]


def test_two_models_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "lockgate.toml").write_text(CONFIG + CONFIG.replace("tide", "ebb"))
    workspace = Workspace.open(tmp_path)
    workspace.data("tide", table())
    workspace.data("ebb", table())
    with pytest.raises(SpecError, match="two models"):
        workspace.diff("tide", "ebb")
    assert [d.model for d in workspace.datasets()] == ["tide", "ebb"]
