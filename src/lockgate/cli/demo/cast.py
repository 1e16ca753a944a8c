"""Who is on the stage: the workspace, the server, the world outside, and how the beats read them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lockgate.cli.demo.servers import Server
from lockgate.cli.demo.stage import Stage
from lockgate.cli.demo.world import MODEL, Caller, World, batch
from lockgate.records import Move, Rollout, Verdict, Version
from lockgate.workspace.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

SETTLED_S = 30.0


class Cast:
    def __init__(self, stage: Stage, workspace: Workspace) -> None:
        self.stage = stage
        self.workspace = workspace
        self._server: Server | None = None
        self._caller: Caller | None = None
        self._world: World | None = None
        self.versions: dict[str, Version] = {}

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    def enter(self, calls: pl.DataFrame, events: dict[str, pl.DataFrame]) -> None:
        self._world = World(calls, events)

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Server(self.workspace.wiring.project)
        return self._server

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            self._caller = Caller(self.server.url)
        return self._caller

    def close(self) -> None:
        if self._caller is not None:
            self._caller.close()
        if self._server is not None:
            self._server.stop()
        self.workspace.close()

    def flights(self, name: str) -> Any:
        """One of the project's own modules."""
        return import_module(f"flights.{name}")

    def train(self, name: str, features: str | None = None) -> Version:
        with self.stage.doing(f"training {name}, baselines first"):
            made = self.workspace.train(MODEL, features=features or f"flights.features:{name}", name=name)
        self.versions[name] = made
        return made

    def records(self, kind: Any) -> list[Any]:
        return self.workspace.wiring.records.all(kind, MODEL)

    def rollout(self) -> Rollout:
        """The newest rollout."""
        newest: Rollout = self.records(Rollout)[-1]
        return newest

    def last(self, gate: str) -> Verdict | None:
        """The newest rollout's last verdict of that gate."""
        own = self.rollout().id
        return next((v for v in reversed(self.records(Verdict)) if v.rollout == own and v.gate.name == gate), None)

    def moves(self) -> list[Move]:
        own = self.rollout().id
        return [move for move in self.records(Move) if move.rollout == own]

    def over_http(self, until: datetime) -> list[dict[str, Any]]:
        """The calls until then, one request each, and the outcomes that came in."""
        rows = self.world.asked(until)
        for source, events in self.world.happened().items():
            self.caller.send(source, events)
        answers = self.caller.ask(rows)
        self.world.note(rows["flight_id"].to_list(), [answer["id"] for answer in answers])
        self.caller.tell(self.world.landed())
        return answers

    def in_batches(self, until: datetime, stop: Callable[[], bool] = lambda: False) -> None:
        """Day by day in batches, the loop turning after each, until then or until `stop`."""
        for rows in self.world.days(until):
            batch(self.workspace, self.world, rows)
            self.turn()
            if stop():
                return

    def turn(self) -> None:
        """Turn the loop until nothing moves any more. A turn that leads reads all there is, and judges it; only after a move,
        which changes what is judged, is there more to do.
        """
        give_up = time.monotonic() + SETTLED_S
        while time.monotonic() < give_up:
            done = self.workspace.tick()
            if done.is_leader and not done.moves:
                return
            if not done.is_leader:
                time.sleep(0.01)

    def wait(self, what: Callable[[], bool], timeout_s: float = SETTLED_S) -> bool:
        """Until the server's own loop has brought it about."""
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            if what():
                return True
            time.sleep(0.05)
        return False
