"""A year of real flights: the champion decays, windows are compared, and the retrained version climbs the ladder."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest

pytest.importorskip("lightgbm")


def tell(*lines: str) -> None:
    sys.stderr.write("\n".join(lines) + "\n")


@pytest.mark.slow
def test_a_retrained_version_is_picked_by_evidence_gated_and_rolled_out(tmp_path: Any, monkeypatch: Any):
    from lockgate.cli.demo.story import PROJECT
    from lockgate.cli.demo.world import MODEL, World, at, batch
    from lockgate.records import Retraining, RetrainingState, Rollout, RolloutState, Verdict
    from lockgate.report.ledger import verify
    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    root = tmp_path / "flights-project"
    create(root, (PROJECT / "lockgate.toml").read_text())
    shutil.copytree(PROJECT / "flights", root / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    workspace = Workspace.open(root)
    sources = import_module("flights.sources").read_sources()
    flown = import_module("flights.journeys").journeys(sources)
    world = World(import_module("flights.table").calls(flown, sources), import_module("flights.events").events(flown))
    for source, events in world.happened().items():
        workspace.events(source, events)
    workspace.data(MODEL, world.known())
    champion = workspace.train(MODEL, features="flights.features:live", name="live")
    workspace.gate(champion)
    workspace.rollout(champion, dirty=True)

    def on(until: Any, stop: Any = lambda: False) -> None:
        for rows in world.days(until):
            batch(workspace, world, rows)
            while workspace.tick().read:
                pass
            if stop():
                return

    def decayed() -> bool:
        return any(v.gate.name == "degradation" for v in workspace.wiring.records.all(Verdict, MODEL))

    on(at(10, 15), decayed)
    done = workspace.retrain(MODEL, now=not decayed(), by="the tests")
    tell(*workspace.why(done.id).lines)
    assert done.state in (RetrainingState.MADE, RetrainingState.REFUSED), done.sentence
    tried = {one.name: one for one in done.windows}
    assert tried["all"].loss is not None
    compared = [one for one in done.windows if one.p is not None]
    assert compared, "real days compare at least one other window with the default"
    better = [one for one in compared if one.p <= 0.05 and one.estimate < 0]
    assert done.window == min(better, key=lambda one: one.estimate).name if better else done.window == "all"

    version = workspace.version(done.version)
    said = "\n".join(workspace.why(version.short).lines)
    assert done.id in said
    assert f"{done.window!r}" in said
    recipe = [v for v in workspace.wiring.records.all(Verdict, MODEL) if v.gate.name == "recipe"]
    assert recipe
    tell(recipe[-1].sentence)
    if done.state is RetrainingState.REFUSED:
        assert "failed its gate" in done.sentence
        return
    spec = msgspec.structs.replace(workspace.model(MODEL).rollout, prove="not worse", deadline="120d")
    workspace.rollout(version, spec=spec, dirty=True, by="the tests")
    on(at(12, 31) + timedelta(0), lambda: not workspace.wiring.records.all(Rollout, MODEL)[-1].is_running)
    rollout = workspace.wiring.records.all(Rollout, MODEL)[-1]
    tell(rollout.state, *workspace.why(rollout.id).lines)
    assert rollout.challenger == version.id
    assert rollout.state in (RolloutState.PROMOTED, RolloutState.RUNNING)
    assert len(workspace.wiring.records.all(Retraining, MODEL)) == 1
    assert verify(workspace.wiring.records.entries()).broken is None
