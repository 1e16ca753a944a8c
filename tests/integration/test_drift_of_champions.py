"""Champions follow each other in the loop: each is judged on its own reference, from its first hour on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from lockgate.records import Move, RolloutSpec, Routing
from lockgate.records.drift import DriftStanding
from lockgate.records.prediction import Window

FIRST = 41
SPEC = RolloutSpec(ladder=("shadow", 0.5, 1.0), prove="not worse", deadline="60d")


def live(workspace: Any, workshop: Any, day: int) -> None:
    """A day's calls with their outcomes, and a turn of the loop."""
    table = workshop.table(first_day=day, days=1, per_day=150)
    found = workspace.score("tide", table, prefix=f"d{day}")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"]), known, strict=True)))
    workspace.tick()


def test_a_version_that_is_promoted_in_a_turn_is_judged_on_its_own_reference(
    workshop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    toml = workshop.root / "lockgate.toml"
    toml.write_text(toml.read_text().replace('holdout = "10d"', 'holdout = "10d"\nnot_worse_by = 0.1'))
    workspace = workshop.open()
    first, second = workshop.versions["trees"], workshop.versions["rival"]
    workspace.gate(second)
    workspace.rollout(second, by="the tests", spec=SPEC, anyway=True)
    day = FIRST
    live(workspace, workshop, day)
    with caplog.at_level(logging.WARNING, logger="lockgate.loop"):
        while _champion(workspace) == first and day < FIRST + 40:
            day += 1
            live(workspace, workshop, day)
        assert _champion(workspace) == second
        for later in range(day + 1, day + 10):
            live(workspace, workshop, later)
    assert not [told for told in caplog.messages if "left out of the judgement" in told]
    took_over_s = max(move.at_s for move in workspace.wiring.records.all(Move, "tide") if move.to == second)
    standing = next(one for one in workspace.wiring.records.all(DriftStanding, "tide") if one.version == second)
    assert standing.began_s == took_over_s
    assert standing.judge is not None
    assert '"windows":1,' in standing.judge
    assert standing.calls == standing.counted > 1000
    windows = [row for row in workspace.wiring.log.read()[0] if isinstance(row, Window) and row.version == second]
    assert min(window.since_s for window in windows) < took_over_s, "as a challenger it was counted too"
    workspace.close()


def _champion(workspace: Any) -> str:
    routing = workspace.wiring.records.get(Routing, "tide")
    assert routing is not None
    return str(routing.champion)
