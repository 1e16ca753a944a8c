"""A champion whose calls fail wakes somebody: once, in words, on the page and in the status, until it is over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.records import Alarm, Prediction
from lockgate.report import now
from lockgate.store.segments import SegmentLog
from lockgate.workspace.loop import Loop


@pytest.fixture
def shop(built: Any, tmp_path: Path) -> Any:
    root = tmp_path / "project"
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


def logged(workspace: Any, shop: Any, name: str, rows: int, failure: str | None) -> None:
    """Real calls of a day, logged again under ids of their own as if they had come out so."""
    found = workspace.score("tide", shop.table(first_day=41, days=1, per_day=rows), prefix=name)
    writer = SegmentLog(workspace.wiring.home / "log").writer()
    by = "constant" if failure else found[0].version
    writer.append([msgspec.structs.replace(p, id=f"{p.id}-again", failure=failure, served_by=by) for p in found])
    writer.close()


def test_a_storm_is_told_once_shown_until_it_is_over_and_known_to_the_next_leader(shop: Any) -> None:
    workspace = shop.open()
    records = workspace.wiring.records
    logged(workspace, shop, "calm", 120, None)
    assert [a for a in workspace.tick().alarms if a.cause == "fallback"] == []

    logged(workspace, shop, "storm", 80, "gone")
    (alarm,) = [a for a in workspace.tick().alarms if a.cause == "fallback"]
    assert (alarm.severity, alarm.next) == ("page", "lockgate rollback tide")
    assert "gone" in alarm.sentence
    assert workspace.tick().alarms == []
    (row,) = now.rows(records)
    assert alarm.sentence in row.alarms

    assert Loop(workspace.wiring).tick().alarms == [], "a leader that reads the log anew tells nothing twice"
    assert sum(a.cause == "fallback" for a in records.all(Alarm, "tide")) == 1

    logged(workspace, shop, "well", 400, None)
    (over,) = [a for a in workspace.tick().alarms if a.cause == "fallback"]
    assert over.severity == "note"
    (row,) = now.rows(records)
    assert not row.alarms
    assert any(isinstance(entry, Prediction) for entry in shop.log())
    workspace.close()
