"""`lockgate monitor sample`: while a drift stands, calls to label are drawn where it is, and their labels come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import Conflict, SpecError
from lockgate.records import Alarm, Outcome
from lockgate.records.drift import DriftFound
from lockgate.workspace import sampling

FIRST, QUIET, MOVED, PER_DAY = 41, 2, 3, 150
MONITOR = '\n[model.tide.monitor]\nwindow = "1d"\ndrift_at = 0.05\n'


def live(workspace: Any, workshop: Any, day: int, *, higher: float = 0.0, labelled: float = 0.0) -> None:
    """A day's calls, outcomes of a share of them, and a turn of the loop."""
    table = workshop.table(first_day=day, days=1, per_day=PER_DAY).with_columns(pl.col("x1") + higher)
    found = workspace.score("tide", table, prefix=f"d{day}")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    told = list(zip([p.id for p in found], map(float, table["y"]), known, strict=True))
    if labelled:
        workspace.outcomes("tide", told[: round(labelled * len(told))])
    workspace.tick()


@pytest.fixture
def daily(workshop: Any) -> Any:
    toml = workshop.root / "lockgate.toml"
    toml.write_text(toml.read_text() + MONITOR)
    return workshop


@pytest.fixture
def drifted(daily: Any) -> Any:
    """Quiet days with their outcomes; then x1 is higher, and only a fifth of the outcomes come."""
    workspace = daily.open()
    for day in range(FIRST, FIRST + QUIET):
        live(workspace, daily, day, labelled=1.0)
    for day in range(FIRST + QUIET, FIRST + QUIET + MOVED):
        live(workspace, daily, day, higher=1.5, labelled=0.2)
    workspace.close()
    return daily


def test_a_sample_is_drawn_where_the_drift_is_labelled_in_part_and_sent_back(drifted: Any, tmp_path: Path) -> None:
    workspace = drifted.open()
    (alarm,) = [one for one in workspace.wiring.records.all(Alarm) if one.severity == "ticket"]
    assert (alarm.cause, alarm.about) == ("drift", "x1")
    why = drifted.run(*alarm.next.split()[1:])
    assert "  lockgate monitor sample tide" in why.stdout.splitlines(), why.stdout

    out = tmp_path / "to_label.csv"
    done = drifted.run("monitor", "sample", "tide", "--rows", "60", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = workspace.wiring.records.get(DriftFound, alarm.verdict or "")
    since = [p for p in drifted.log() if type(p).__name__ == "Prediction" and p.asked_s >= (found.since_s or 0.0)]
    labelled = {one.id for one in drifted.log() if isinstance(one, Outcome)}
    waiting = {p.id for p in since if p.served_by == found.version} - labelled
    assert len(waiting) == round(MOVED * PER_DAY * 0.8)
    assert f"60 of {len(waiting):,} calls without an outcome since" in done.stdout
    assert done.stdout.rstrip().endswith(f"next: lockgate outcomes tide {out}")

    sample = pl.read_csv(out)
    assert sample.columns[:3] == ["id", "value", "at"]
    assert {"boat", "asked_at", "x1", "x2", "colour"} < set(sample.columns)
    assert "y" not in sample.columns
    assert sample["id"].n_unique() == 60
    assert set(sample["id"]) <= waiting
    assert sample["lockgate_cell"].str.starts_with("x1 ").all()
    by_id = {p.id: p for p in since}
    everything = sum(p.inputs[_place(workspace, "x1")] for p in since if p.id in waiting) / len(waiting)
    assert sample["x1"].mean() > everything, "more of them from where it has moved to"
    assert sample["x1"].to_list() == [by_id[name].inputs[_place(workspace, "x1")] for name in sample["id"]]
    assert 0.8 * len(waiting) < sample["lockgate_weight"].sum() <= len(waiting) + 1e-6

    asked = {"event_s": workspace.event_s("tide"), "rows": 60}
    again = sampling.write(sampling.sample(workspace.wiring, "tide", **asked).table, tmp_path / "again.parquet")
    assert pl.read_parquet(again)["id"].to_list() == sample["id"].to_list()
    assert pl.read_parquet(again).schema["at"] == pl.Datetime("us", "UTC")

    empty = drifted.run("outcomes", "tide", str(out))
    assert empty.returncode == 3
    assert "No row of" in empty.stderr
    lines = out.read_text().splitlines()
    filled = [line.replace(",,,", ",1,2023-12-30T12:00:00Z,", 1) for line in lines[1:41]]
    out.write_text("\n".join([lines[0], *filled, *lines[41:]]) + "\n")
    sent = drifted.run("outcomes", "tide", str(out))
    assert sent.returncode == 0, sent.stderr
    assert "40 outcomes kept. 20 rows without a value left out." in sent.stdout
    after = {one.id for one in drifted.log() if isinstance(one, Outcome)}
    assert after - labelled == set(sample["id"].to_list()[:40])

    with pytest.raises(Conflict, match="may have been filled in"):
        sampling.refuse_out(out, is_again=False)
    rest = json.loads(drifted.run("monitor", "sample", "tide", "--out", str(out), "--again", "--json").stdout)
    assert (rest["calls"], rest["rows"], rest["column"]) == (len(waiting) - 40, 200, "x1")
    assert not set(pl.read_csv(out)["id"]) & after, "what has its outcome by now is not asked for again"
    workspace.close()


def _place(workspace: Any, column: str) -> int:
    return [one.name for one in workspace.contract("tide").asked].index(column)


def test_without_a_drift_nothing_is_drawn_unless_at_random(daily: Any, tmp_path: Path) -> None:
    workspace = daily.open()
    live(workspace, daily, FIRST)
    out = tmp_path / "to_label.csv"
    done = daily.run("monitor", "sample", "tide", "--out", str(out))
    assert done.returncode == 1
    assert "No drift of tide's champion stands" in done.stdout
    assert "--anyway" in done.stdout
    assert not out.exists()
    random = daily.run("monitor", "sample", "tide", "--out", str(out), "--anyway", "--rows", "30")
    assert random.returncode == 0, random.stderr
    sample = pl.read_csv(out)
    assert sample.height == 30
    assert sample["lockgate_weight"].sum() == pytest.approx(PER_DAY, rel=0.01)

    live(workspace, daily, FIRST, labelled=1.0)
    none = sampling.sample(workspace.wiring, "tide", event_s=workspace.event_s("tide"), is_anyway=True)
    assert none.table is None
    assert "nothing to label" in none.told.sentence
    with pytest.raises(SpecError, match="xlsx"):
        sampling.refuse_out(tmp_path / "rows.xlsx", is_again=False)
    workspace.close()
