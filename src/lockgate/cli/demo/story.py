"""The beats, in order. Everything here is real: files, processes, sockets, a SIGKILL; nothing is made up or hard-wired."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from lockgate.cli.demo.beats_early import Early
from lockgate.cli.demo.beats_late import Late
from lockgate.cli.demo.cast import Cast
from lockgate.cli.demo.stage import Stage
from lockgate.errors import Conflict
from lockgate.workspace.creating import create
from lockgate.workspace.workspace import Workspace

PROJECT = Path(__file__).parent / "project"


def tell(directory: Path, *, stay: bool) -> int:
    """Run every beat; 0 when every claim held. stay: leave the pages up until Ctrl-C."""
    stage = Stage(directory)
    cast = Cast(stage, _set_up(stage, directory))
    try:
        _Story(cast).run()
        _curtain(stage, cast, stay=stay)
    finally:
        cast.close()
    return 1 if stage.broken else 0


class _Story(Early, Late):
    """Spring, then the rest of the year."""

    def run(self) -> None:
        self.data()
        self.baselines()
        self.gate_and_serve()
        self.broken_by_contract()
        self.killed()
        self.promoted()
        self.drill()
        self.weather_in_april()
        self.stale()
        self.summer()
        self.retrained()
        self.ledger()


def _set_up(stage: Stage, directory: Path) -> Workspace:
    stage.beat("A project of your own")
    if directory.exists():
        if not (directory / ".demo").is_file():
            raise Conflict(
                f"{directory} is there already, and the demo did not make it.",
                cure="Choose another folder: lockgate demo --directory DIR",
            )
        shutil.rmtree(directory)
    text = (PROJECT / "lockgate.toml").read_text()
    with stage.doing("making the workspace; the run tracker's first database takes half a minute, once per machine"):
        create(directory, text)
    (directory / ".demo").touch()
    shutil.copytree(PROJECT / "flights", directory / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    # The project's own modules must not come from a demo that this process ran before.
    for name in [name for name in sys.modules if name == "flights" or name.startswith("flights.")]:
        del sys.modules[name]
    workspace = Workspace.open(directory)
    stage.say(f"{directory}/: lockgate.toml, flights/*.py (features, training), and .lockgate/ for everything else")
    return workspace


def _curtain(stage: Stage, cast: Cast, *, stay: bool) -> None:
    stage.beat("The pages")
    stage.say(f"Now: {cast.server.pages}")
    stage.look("lockgate status")
    stage.look("lockgate rollout log late_arrival")
    for claim in stage.broken:
        stage.say(f"did not hold: {claim}")
    stage.say(f"{'All claims held' if not stage.broken else 'Some claims did not hold'}; {stage.elapsed_s:.0f} s.")
    if stay:
        stage.say("The pages stay up until Ctrl-C.")
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            stage.say("Stopped.")
