"""Calibration, slices and how outcomes come in, of a workspace's model: out of its log, against figures made by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

TIDE = "tide"
DAYS = 10


@pytest.fixture(scope="module")
def gone(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, pl.DataFrame]]:
    """Ten days of calls, of which all but the last day's outcomes are told: the workspace, and a row for each call."""
    root = tmp_path_factory.mktemp("last_calls") / "project"
    shutil.copytree(built.root, root)
    workspace = type(built)(root, dict(built.versions)).open()
    days = built.table(40, DAYS).sort("asked_at")
    predictions = workspace.score(TIDE, days, prefix="d")
    last_day = days["asked_at"].max().replace(hour=0, minute=0, second=0, microsecond=0)
    calls = days.with_columns(
        id=pl.Series([one.id for one in predictions]),
        value=pl.Series([one.value for one in predictions]),
        is_told=pl.col("asked_at") < last_day,
    )
    told = calls.filter("is_told")
    stamps = [at.timestamp() for at in told["known_at"]]
    workspace.outcomes(TIDE, list(zip(told["id"], told["y"].cast(float), stamps, strict=True)))
    while workspace.tick().read:
        pass
    yield workspace, calls
    workspace.close()


def last_calls(workspace: Any) -> Any:
    from lockgate.workspace.realised_calls import last_calls

    spec = workspace.model(TIDE)
    return last_calls(workspace.wiring, TIDE, spec, event_s=workspace.event_s(TIDE))


def in_closed_days(found: Any, calls: pl.DataFrame) -> pl.DataFrame:
    asked_s = pl.col("asked_at").dt.epoch("us") / 1e6
    return calls.filter("is_told", asked_s >= found.since_s, asked_s < found.until_s)


def test_the_losses_and_slices_are_those_of_the_calls_that_have_an_outcome(gone):
    workspace, calls = gone
    found = last_calls(workspace)
    rows = in_closed_days(found, calls)
    assert found.realised.rows == rows.height > 400
    loss = -pl.when(pl.col("y") == 1).then(pl.col("value").log()).otherwise((1 - pl.col("value")).log())
    assert found.realised.measure("log_loss").value == pytest.approx(rows.select(loss.mean()).item())
    by_colour = dict(rows.group_by("colour").agg(loss.mean()).rows())
    told = {one.level: one.loss for one in found.realised.slices if one.column == "colour"}
    assert told == pytest.approx({"missing" if level is None else level: value for level, value in by_colour.items()})
    quarters = [one for one in found.realised.slices if one.column == "x1"]
    assert len(quarters) == 4
    assert sum(one.rows for one in quarters) == rows.height
    assert {one.column for one in found.realised.slices} == {"colour", "x1", "x2"}, "neither the unit nor the time"


def test_the_curve_holds_every_such_call_once(gone):
    workspace, calls = gone
    found = last_calls(workspace)
    rows = in_closed_days(found, calls)
    bins = found.realised.bins
    assert sum(one.rows for one in bins) == rows.height
    assert np.average([one.predicted for one in bins], weights=[one.rows for one in bins]) == pytest.approx(
        rows["value"].mean()
    )
    assert np.average([one.observed for one in bins], weights=[one.rows for one in bins]) == pytest.approx(
        rows["y"].mean()
    )


def test_the_youngest_calls_have_no_outcome_yet_and_older_ones_all(gone):
    workspace, calls = gone
    ages = last_calls(workspace).ages
    assert sum(age.rows for age in ages) == calls.height
    assert sum(age.labelled for age in ages) == calls["is_told"].sum()
    age_s = workspace.event_s(TIDE) - calls["asked_at"].dt.epoch("us") / 1e6
    young = calls.filter(age_s < 86400)
    assert (ages[0].rows, ages[0].labelled) == (young.height, young["is_told"].sum())
    assert ages[0].labelled < 5 < ages[0].rows
    assert all(age.labelled == age.rows for age in ages[2:])


def test_the_report_shows_them(gone):
    from lockgate.report.monitored import page
    from lockgate.workspace.monitor_reports import told

    workspace, calls = gone
    found = told(workspace.wiring, TIDE, event_s=workspace.event_s(TIDE))
    shown = page(found)
    assert f"Of {in_closed_days(last_calls(workspace), calls).height:,} calls that " in found.calibration_says
    for said in ("<h3>Calibration</h3>", "<h3>Slices, the worst first</h3>", "colour = ", "How outcomes come in"):
        assert said in shown, said


def test_slices_that_somebody_named_are_cut_and_no_others(gone):
    import msgspec

    from lockgate.workspace.realised_calls import last_calls

    workspace, _ = gone
    spec = workspace.model(TIDE)
    asked = msgspec.structs.replace(spec, gate=msgspec.structs.replace(spec.gate, slices=("x2",)))
    found = last_calls(workspace.wiring, TIDE, asked, event_s=workspace.event_s(TIDE))
    assert {one.column for one in found.realised.slices} == {"x2"}
    assert "missing" in {one.level for one in found.realised.slices}
