"""Hard faults in a workspace: what a champion's calls suddenly hold is an alarm at the next look, and is over by itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from lockgate.records import Alarm
from lockgate.records.usual import FaultStanding, Usual, read_usual

FIRST = 41
PLANTED = {
    "gone": ({"x2": pl.lit(None, pl.Float64)}, "missing x2", "x2 is gone: missing in all"),
    "new": ({"colour": pl.lit("violet")}, "unseen colour", "colour has levels that the reference never had"),
    "celsius": ({"x1": pl.col("x1") * 1000}, "unit x1", "x1 looks converted from"),
}


def live(workspace: Any, workshop: Any, day: int, change: dict[str, pl.Expr] | None = None) -> list[Alarm]:
    """A day's calls, and a turn of the loop. Returns what it told of faults."""
    table = workshop.table(first_day=day, days=1, per_day=1500).with_columns(**(change or {}))
    workspace.score("tide", table, prefix=f"d{day}")
    return [alarm for alarm in workspace.tick().alarms if alarm.cause == "fault"]


def test_a_version_knows_the_hours_of_its_table(workshop: Any) -> None:
    workspace = workshop.open()
    usual = workspace.wiring.usual(workshop.versions["trees"])
    assert isinstance(usual, Usual)
    assert usual.column("x1").hours > 100
    assert usual.column("the prediction").hours > 20, "of its held-out rows"
    assert max(pair[1] for pair in usual.column("x2").shares["missing"].values()) > 0, "what is missing now and then"
    assert usual.rows == {}, "a table's rows are no traffic"
    workspace.close()


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_told_once_by_name_and_is_over_with_the_day_that_lacks_it(workshop: Any, name: str) -> None:
    change, about, says = PLANTED[name]
    workspace = workshop.open()
    assert live(workspace, workshop, FIRST) == []
    told = live(workspace, workshop, FIRST + 1, change)
    assert {one.about for one in told} == {about}
    assert says in told[0].sentence
    assert live(workspace, workshop, FIRST + 2, change) == [], "told once"
    why = workspace.why(told[0].verdict or "")
    assert says in "\n".join(why.lines)
    again = live(workspace, workshop, FIRST + 3) + live(workspace, workshop, FIRST + 4)
    assert [(one.about, one.is_over) for one in again] == [(about, True)]
    workspace.close()


def test_the_gravest_that_is_open_is_said_and_that_there_are_more(workshop: Any) -> None:
    workspace = workshop.open()
    live(workspace, workshop, FIRST)
    live(workspace, workshop, FIRST + 1, {"x2": pl.lit(None, pl.Float64)})  # a page
    live(
        workspace, workshop, FIRST + 2, {"x2": pl.lit(None, pl.Float64), "colour": pl.lit("violet")}
    )  # a ticket, newer
    (row,) = workspace.status()
    assert "x2 is gone" in row.alarms[0]
    assert row.alarms[1:] == ("1 more alarm is open: lockgate alarms tide",)
    assert row.next == "lockgate data skew tide"
    workspace.close()


def test_a_restart_goes_on_with_what_was_learnt_and_tells_nothing_twice(workshop: Any) -> None:
    change, about, _ = PLANTED["gone"]
    workspace = workshop.open()
    live(workspace, workshop, FIRST)
    assert {one.about for one in live(workspace, workshop, FIRST + 1, change)} == {about}
    (before,) = workspace.wiring.records.all(FaultStanding, "tide")
    workspace.close()
    workspace = workshop.open()
    assert live(workspace, workshop, FIRST + 2, change) == []
    (after,) = workspace.wiring.records.all(FaultStanding, "tide")
    known, gone_on = (read_usual(one.usual, "it").until_s for one in (before, after))
    assert known is not None
    assert gone_on is not None
    assert gone_on - known == pytest.approx(86_400, abs=7_200)
    workspace.close()


def test_a_turn_that_ends_in_one_conflict_again_and_again_stands_in_the_status(workshop: Any, tmp_path: Path) -> None:
    """An alarm is there already under the id that a fault's will have: every turn ends there, and goes on once it is gone."""
    from lockgate.workspace.workspace import Workspace

    change, _, _ = PLANTED["gone"]
    other = tmp_path / "other"
    shutil.copytree(workshop.root, other)
    first = Workspace.open(other)
    live(first, workshop, FIRST)
    (told,) = live(first, workshop, FIRST + 1, change)
    first.close()

    now_s = [time.time()]
    workspace = Workspace.open(workshop.root, clock=lambda: now_s[0])
    live(workspace, workshop, FIRST)
    workspace.wiring.records.write(msgspec.structs.replace(told, sentence="Somebody else's."))
    assert live(workspace, workshop, FIRST + 1, change) == []
    assert workspace.status()[0].alarms == (), "once is somebody who wrote first"
    for _ in range(3):
        now_s[0] += 30.0
        workspace.tick()
    (said,) = workspace.status()[0].alarms
    assert said.startswith("The loop gets no turn of it done since ")
    assert "4 tries" in said
    assert told.id in said, "names what is in the way"
    workspace.close()
