"""`lockgate score`: rows of a table are calls like any others, one bad row fails no neighbour, and the exit code says so."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import Conflict, ContractError, NotFound, SpecError, StoreError
from lockgate.records import Prediction, Profile, Shadow
from lockgate.records.prediction import Window
from lockgate.records.profile import merged, read_profile
from lockgate.workspace import scoring
from lockgate.workspace.scoring import Options, Progress

DAY = {"first_day": 41, "days": 1}


@pytest.fixture(scope="module")
def shop(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy for this file: its tests add calls to the log, under ids of their own, and nothing else."""
    root = tmp_path_factory.mktemp("scoring") / "project"
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


def rows(shop: Any, count: int = 20) -> pl.DataFrame:
    return shop.table(**DAY, per_day=count).drop("y", "known_at")


def logged(shop: Any, prefix: str) -> dict[str, Prediction]:
    return {e.id: e for e in shop.log() if isinstance(e, Prediction) and e.id.startswith(prefix)}


def windows(shop: Any) -> dict[tuple[str, int], Window]:
    return {(row.who, row.number): row for row in shop.log() if isinstance(row, Window)}


def by_hour(found: list[Window]) -> dict[float, Profile]:
    hours: dict[float, list[Profile]] = {}
    for row in found:
        hours.setdefault(row.since_s, []).append(read_profile(row.profile, "A window"))
    return {hour: whole for hour, own in sorted(hours.items()) if (whole := merged(own)) is not None}


def score(shop: Any, table: pl.DataFrame, folder: Path, **more: Any) -> Any:
    table.write_parquet(folder / "in.parquet")
    workspace = shop.open()
    try:
        return workspace.score_table(folder / "in.parquet", folder / "out.parquet", options=Options(**more))
    finally:
        workspace.close()


def test_each_row_has_its_keys_its_call_and_its_answer_and_the_log_says_the_same(shop: Any, tmp_path: Path) -> None:
    table = rows(shop)
    found = score(shop, table, tmp_path, rows_at_once=7, prefix="plain")
    assert (found.rows, found.refused, found.fallbacks, found.is_whole) == (20, {}, 0, True)
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.columns == ["boat", "id", "value", "version", "arm", "served_by", "flags", "refused"]
    assert out["boat"].equals(table["boat"])
    assert out["id"].to_list() == [f"plain-{n}" for n in range(20)]
    calls = logged(shop, "plain-")
    assert list(calls) == out["id"].to_list()
    assert [p.value for p in calls.values()] == out["value"].to_list()
    assert {(p.unit, p.asked_s) for p in calls.values()} == set(
        table.select("boat", pl.col("asked_at").dt.epoch("us") / 1e6).rows()
    )
    assert set(out["served_by"]) == {shop.versions["trees"]}


def test_its_calls_are_counted_by_version_and_hour_as_those_of_a_worker_are(shop: Any, tmp_path: Path) -> None:
    table = rows(shop, 50)
    before = set(windows(shop))
    score(shop, table, tmp_path, rows_at_once=9, prefix="counted")
    by_shard = [row for key, row in windows(shop).items() if key not in before]
    assert {row.version for row in by_shard} == {shop.versions["trees"]}
    workspace = shop.open()
    workspace.score("tide", table, prefix="worker")
    workspace.close()
    by_worker = [row for key, row in windows(shop).items() if key not in before and row not in by_shard]
    assert by_hour(by_shard) == by_hour(by_worker)
    assert sum(profile.rows for profile in by_hour(by_shard).values()) == 50


def test_a_shard_of_too_many_hours_is_answered_and_not_counted_and_says_so(shop: Any, tmp_path: Path) -> None:
    table = shop.table(first_day=41, days=4, per_day=30).drop("y", "known_at")
    before = windows(shop)
    found = score(shop, table, tmp_path, prefix="hours")
    assert found.rows == 120
    assert windows(shop) == before
    (note,) = found.notes
    assert note.startswith("The rows of a shard lie in 64 hours, more than 48: they are not counted for drift. Sort ")


def test_the_answers_are_those_of_the_table_scored_in_memory(shop: Any, tmp_path: Path) -> None:
    table = rows(shop, 50)
    score(shop, table, tmp_path, rows_at_once=9, prefix="whole")
    workspace = shop.open()
    told = workspace.score("tide", table, prefix="frame")
    workspace.close()
    assert pl.read_parquet(tmp_path / "out.parquet")["value"].to_list() == [p.value for p in told]


def test_a_row_that_breaks_the_contract_says_why_and_its_neighbours_are_answered(shop: Any, tmp_path: Path) -> None:
    table = rows(shop).with_columns(
        x1=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("x1"),
        x2=pl.when(pl.int_range(pl.len()) == 3)
        .then(float("inf"))
        .when(pl.int_range(pl.len()) == 8)
        .then(float("-inf"))
        .otherwise("x2"),
        colour=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("mauve")).otherwise("colour"),
    )
    found = score(shop, table, tmp_path, rows_at_once=6, prefix="broken")
    assert found.refused == {"x1: missing; x2: not finite": 1, "x2: not finite": 1}
    assert not found.is_whole
    out = pl.read_parquet(tmp_path / "out.parquet")
    is_refused = out["refused"].is_not_null()
    assert is_refused.arg_true().to_list() == [3, 8]
    assert out["refused"][3] == "x1: missing; x2: not finite"
    assert (
        out.filter(is_refused).select("id", "value", "version", "arm", "served_by", "flags").null_count().row(0)
        == (2,) * 6
    )
    assert out.filter(~is_refused).select("id", "value").null_count().row(0) == (0, 0)
    assert out["flags"][4].to_list() == ["colour: unseen level"]
    assert set(logged(shop, "broken-")) == set(out["id"].drop_nulls())
    assert out["boat"].equals(table["boat"]), "a row without an answer keeps its place and its key"


def test_a_stretch_of_which_every_row_is_refused_is_written_all_the_same(shop: Any, tmp_path: Path) -> None:
    table = rows(shop).with_columns(x1=pl.lit(None, pl.Float64))
    found = score(shop, table, tmp_path, rows_at_once=6, prefix="nothing")
    assert found.refused == {"x1: missing": 20}
    assert pl.read_parquet(tmp_path / "out.parquet")["value"].null_count() == 20


def test_strict_stops_at_the_first_broken_row_and_goes_on_once_it_may(shop: Any, tmp_path: Path) -> None:
    table = rows(shop).with_columns(x1=pl.when(pl.int_range(pl.len()) == 13).then(None).otherwise("x1"))
    with pytest.raises(ContractError, match=r"Row 14 of .*in\.parquet breaks the contract: x1: missing") as caught:
        score(shop, table, tmp_path, rows_at_once=5, prefix="strict", is_strict=True)
    assert caught.value.row == 13
    found = score(shop, table, tmp_path, rows_at_once=5, prefix="strict")
    assert (found.rows, found.resumed_at) == (20, 10)


@pytest.mark.parametrize("name", ["out.csv", "out"])
def test_out_is_what_its_name_says(shop: Any, tmp_path: Path, name: str) -> None:
    rows(shop).write_csv(tmp_path / "in.csv")
    workspace = shop.open()
    workspace.score_table(tmp_path / "in.csv", tmp_path / name, options=Options(prefix=name, rows_at_once=8))
    workspace.close()
    found = pl.read_csv(tmp_path / name) if name.endswith("csv") else pl.read_delta(str(tmp_path / name))
    assert found["value"].to_list() == [p.value for p in logged(shop, f"{name}-").values()]
    assert found.height == 20


def test_nothing_is_left_behind_where_nothing_was_begun(shop: Any, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no column 'x1'"):
        score(shop, rows(shop).drop("x1"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
    with pytest.raises(ContractError, match="'x1' is text"):
        score(shop, rows(shop).with_columns(pl.col("x1").cast(pl.String)), tmp_path)
    workspace = shop.open()
    with pytest.raises(NotFound, match=r"no file .*in\.parket.*Did you mean 'in\.parquet'"):
        workspace.score_table(tmp_path / "in.parket", tmp_path / "out.csv")
    with pytest.raises(NotFound, match="no model 'tyde'"):
        workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.csv", model="tyde")
    with pytest.raises(SpecError, match="is no name for a scored table"):
        workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.doc")
    with pytest.raises(SpecError, match="0 rows at once is none"):
        workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.csv", options=Options(rows_at_once=0))
    workspace.close()
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_table_that_changed_since_it_was_begun_is_refused_by_name(shop: Any, tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        score(shop, _broken_late(shop), tmp_path, rows_at_once=5, prefix="moved", is_strict=True)
    with pytest.raises(Conflict, match=r"was begun otherwise: .*in\.parquet has changed since\..*--again"):
        score(shop, rows(shop), tmp_path, rows_at_once=5, prefix="moved")
    found = score(shop, rows(shop), tmp_path, rows_at_once=5, prefix="moved", is_again=True)
    assert (found.rows, found.resumed_at) == (20, 0)


def _broken_late(shop: Any) -> pl.DataFrame:
    return rows(shop).with_columns(x1=pl.when(pl.int_range(pl.len()) == 13).then(None).otherwise("x1"))


def test_the_same_table_has_the_same_ids_wherever_it_lies_and_its_calls_count_once(shop: Any, tmp_path: Path) -> None:
    table = rows(shop, 15)
    ids = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        score(shop, table, tmp_path / place)
        ids.append(pl.read_parquet(tmp_path / place / "out.parquet")["id"].to_list())
    assert ids[0] == ids[1]
    assert ids[0][0].startswith("in-")
    joined = shop.open().wiring.log.joined("tide")
    assert joined.filter(pl.col("id").is_in(ids[0])).height == 15


def test_a_log_that_refuses_stops_it_and_drops_nothing(shop: Any, tmp_path: Path, monkeypatch: Any) -> None:
    writing = scoring.BatchPlane.append
    seen: list[int] = []

    def refuse(plane: Any, entries: Any) -> int:
        seen.append(len(entries))
        if len(seen) == 3:
            raise StoreError("The prediction log cannot be written.", cure="Free some room there.")
        return writing(plane, entries)

    monkeypatch.setattr(scoring.BatchPlane, "append", refuse)
    with pytest.raises(StoreError, match="prediction log cannot be written"):
        score(shop, rows(shop), tmp_path, rows_at_once=5, prefix="refused")
    monkeypatch.undo()
    found = score(shop, rows(shop), tmp_path, rows_at_once=5, prefix="refused")
    assert (found.rows, found.resumed_at) == (20, 10)
    calls = [e.id for e in shop.log() if isinstance(e, Prediction) and e.id.startswith("refused-")]
    assert calls == [f"refused-{n}" for n in range(20)]


def test_how_far_it_is_comes_after_every_stretch(shop: Any, tmp_path: Path) -> None:
    rows(shop).write_parquet(tmp_path / "in.parquet")
    told: list[Progress] = []
    workspace = shop.open()
    options = Options(rows_at_once=8, prefix="told")
    workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.csv", options=options, tell=told.append)
    workspace.close()
    assert told == [Progress(8, 0.4), Progress(16, 0.8), Progress(20, 1.0)]


def test_the_command_says_what_came_of_it_and_exits_by_whether_every_row_has_an_answer(
    shop: Any, tmp_path: Path
) -> None:
    _broken_late(shop).write_csv(tmp_path / "in.csv")
    ran = shop.run("score", str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"))
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.splitlines() == [
        f"20 rows in {tmp_path / 'out.parquet'}: 19 answered, 0 of them by a fallback; 1 refused.",
        "  1 row: x1: missing",
        "next: lockgate status",
    ]
    again = shop.run("score", str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"))
    assert again.returncode == 3
    assert "is there already. Name another, or replace it with --again." in again.stderr
    rows(shop).write_csv(tmp_path / "whole.csv")
    whole = shop.run("score", str(tmp_path / "whole.csv"), str(tmp_path / "out.parquet"), "--again", "--json")
    assert whole.returncode == 0, whole.stderr
    told = json.loads(whole.stdout)
    assert (told["rows"], told["refused"], told["model"]) == (20, {}, "tide")


def test_a_rollout_splits_shadows_and_counts_scored_rows_as_it_does_calls(workshop: Any, tmp_path: Path) -> None:
    from lockgate.decide.assign import assign
    from lockgate.records import Health, Rollout, RolloutSpec

    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    spec = RolloutSpec(ladder=("shadow", 0.5, 1.0), prove="better", deadline="30d")
    workspace.rollout(workshop.versions["rival"], by="the tests", spec=spec, anyway=True)
    (rollout,) = workspace.wiring.records.all(Rollout, "tide")
    routing = workspace.wiring.board.read("tide")
    # As the controller would at the next step: half of the units, each call shadowed by the other arm.
    import msgspec

    half = msgspec.structs.replace(routing, share=0.5, revision=routing.revision + 1)
    workspace.wiring.board.publish(half)
    table = workshop.table(**DAY, per_day=400)
    table.write_parquet(tmp_path / "in.parquet")
    workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.parquet", options=Options(rows_at_once=150))
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out["arm"].to_list() == [assign(half.salt, boat, 0.5) for boat in table["boat"]]
    assert 140 < (out["arm"] == "challenger").sum() < 260
    entries = workshop.log()
    shadows = {e.id: e for e in entries if isinstance(e, Shadow)}
    assert set(shadows) == set(out["id"])
    versions = (workshop.versions["trees"], workshop.versions["rival"])
    for name, arm, version in out.select("id", "arm", "version").rows():
        assert version == versions[arm == "challenger"]
        assert shadows[name].version == versions[arm == "champion"]
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    workspace.outcomes("tide", list(zip(out["id"], map(float, table["y"]), known, strict=True)))
    later = workshop.table(first_day=43, days=1, per_day=10)
    workspace.score("tide", later, prefix="later")  # event time goes on, so that the day can close
    workspace.tick()
    health = workspace.wiring.records.get(Health, "tide")
    assert health is not None
    from lockgate.records import PairBlock

    (block,) = [b for b in workspace.wiring.records.all(PairBlock, "tide") if b.rollout == rollout.id]
    assert block.scored == 400, "each scored row is a pair of the rollout's evidence"
    (cell,) = block.cells
    assert (cell.share, sum(cell.calls), cell.pairs) == (0.5, 400, 400)
    workspace.close()


def test_a_champion_with_another_contract_takes_over_between_two_stretches(
    workshop: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """What was read under the old contract, and not answered, is read again under the new one."""
    workspace = workshop.open()
    table = workshop.table(**DAY, per_day=40).with_columns(x3=pl.int_range(pl.len(), dtype=pl.Int64))
    table.write_parquet(tmp_path / "in.parquet")
    extended = workshop.table().with_columns(x3=pl.lit(1, dtype=pl.Int64))
    for file in (workshop.home / "contracts").glob("*.json"):
        file.unlink()
    from lockgate.features.contract import infer

    contract = infer("tide", workspace.model("tide"), extended)
    import msgspec

    (workshop.home / "contracts" / "tide.json").write_bytes(msgspec.json.encode(contract))
    monkeypatch.setattr(type(workspace.wiring.tables), "schema", lambda *_: dict(extended.schema))
    workspace.data("tide", extended)
    new = workspace.train("tide", train_with="lockgate_tidework:fit", name="wider")
    routing = workspace.wiring.board.read("tide")
    moved = msgspec.structs.replace(routing, champion=new.id, revision=routing.revision + 1)

    def tell(progress: Progress) -> None:
        if progress.row == 10:
            workspace.wiring.board.publish(moved)

    options = Options(rows_at_once=10, prefix="moved")
    found = workspace.score_table(tmp_path / "in.parquet", tmp_path / "out.parquet", options=options, tell=tell)
    workspace.close()
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert (found.rows, out.height) == (40, 40)
    assert out["version"][0] == workshop.versions["trees"]
    assert out["version"][-1] == new.id
    calls = {e.id: e for e in workshop.log() if isinstance(e, Prediction)}
    assert [len(calls[name].inputs) for name in out["id"]] == [
        5 if version == workshop.versions["trees"] else 6 for version in out["version"]
    ]
    assert timedelta(0) < timedelta(seconds=found.seconds)
