"""What a serving process holds, wired lightly: log, routing and version folders; nothing computes on tables here."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lockgate.errors import LockgateError, NotFound, StoreError, unknown
from lockgate.features.columns import array
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract, Routing
from lockgate.records.prediction import LogEntry
from lockgate.runtime import folder
from lockgate.runtime.bounded import Pool
from lockgate.runtime.predictor import Predictor
from lockgate.serve.call import Caller
from lockgate.serve.logbook import Logbook
from lockgate.store.folders import Folders
from lockgate.store.log_modes import LogModes
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog
from lockgate.telemetry.series import Series

WARM_S = 5.0
RETRY_S = 5.0


class Served(NamedTuple):
    """One model as a process serves it; replaced whole where the contract changes."""

    caller: Caller
    contract: Contract
    request: RequestType

    @property
    def routing(self) -> Routing:
        return self.caller.served.routing


class DataPlane:
    """The models of one workspace, kept at their newest routing. home: the workspace's `.lockgate` folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._board = RoutingFiles(home / "routing")
        self._folders = Folders(home / "versions")
        self._predictors: dict[str, Predictor] = {}
        self._refused: dict[str, Routing] = {}  # by model: the routing that could not be taken up
        self._retry_at: dict[str, float] = {}
        self._modes = LogModes(home)
        self.log = Logbook(SegmentLog(home / "log").writer())
        self.series = Series()
        self.models: dict[str, Served] = {}
        self.problems: dict[str, str] = {}
        project = str(home.resolve().parent)
        if project not in sys.path:
            # A custom feature step is the project's own module.
            sys.path.insert(0, project)

    def model(self, name: str) -> Served:
        found = self.models.get(name)
        if found is None:
            raise NotFound(unknown("model", name, self.models), cure="Train, gate and roll out a version first.")
        return found

    @property
    def versions(self) -> frozenset[str]:
        """Every version that may get calls."""
        return frozenset(version for served in self.models.values() for version in served.routing.versions)

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Into the log, and into the series."""
        self.log.append(entries)
        self.series.count(entries)

    def refresh(self) -> None:
        """Take up what the board says.

        A routing whose champion cannot be loaded is not taken up: the old one stays in force. Any other version that
        cannot be loaded must not hold up a move, a rollback least of all: its calls fall back. Either way `problems`
        says why, and it is tried again every few seconds. The store being away changes nothing.
        """
        try:
            self.log.modes = self._modes.read()
            names = self._board.models()
        except (OSError, StoreError) as error:
            self.problems["routing"] = str(error)
            return
        self.problems.pop("routing", None)
        for name in names:
            try:
                self._refresh(name)
            except (LockgateError, OSError) as error:
                self.problems[name] = str(error)
                self._retry_at[name] = time.monotonic() + RETRY_S
        self._forget_unused(names)
        if self.log.problem is not None:
            self.problems["log"] = self.log.problem

    def _refresh(self, name: str) -> None:
        routing = self._board.read(name)
        held = self.models.get(name)
        known = (held.routing if held else None, self._refused.get(name))
        is_due = time.monotonic() >= self._retry_at.get(name, math.inf)
        if routing is None or (routing in known and not is_due):
            return
        self._refused[name] = routing
        self._take_up(routing)
        del self._refused[name]
        self.problems.pop(name, None)

    def _take_up(self, routing: Routing) -> None:
        contract = folder.read_contract(self._folders.path(routing.champion))
        predictors = self._load(routing, contract)
        held = self.models.get(routing.model)
        if held is not None:
            held.caller.swap(contract, routing, predictors)
        if held is None or held.contract != contract:
            caller = held.caller if held else Caller(contract, routing, predictors, self.append)
            # A new dict, for calls look into the old one meanwhile.
            self.models = {**self.models, routing.model: Served(caller, contract, RequestType(contract))}
        if len(predictors) < len(routing.versions):
            self._retry_at[routing.model] = time.monotonic() + RETRY_S
        else:
            self._retry_at.pop(routing.model, None)

    def _load(self, routing: Routing, contract: Contract) -> Mapping[str, Predictor]:
        """The versions of a routing.

        The champion must load; any other that does not is left out: its calls fall back, and the evidence counts them
        as failures.
        """
        found: dict[str, Predictor] = {}
        for version in routing.versions:
            try:
                found[version] = self._predictor(version, contract)
                self.problems.pop(version, None)
            except LockgateError as error:
                if version == routing.champion:
                    raise
                self.problems[version] = str(error)
        return found

    def _predictor(self, version: str, contract: Contract) -> Predictor:
        if version not in self._predictors:
            made = folder.load(self._folders.path(version), version)
            _warm(made, contract)
            self._predictors[version] = made
        return self._predictors[version]

    def _forget_unused(self, names: tuple[str, ...]) -> None:
        """A process that serves for months sees many versions, and keeps those that may still be called."""
        routings = [*(served.routing for served in self.models.values()), *self._refused.values()]
        used = {version for routing in routings for version in routing.versions}
        for version in self._predictors.keys() - used:
            del self._predictors[version]
        for gone in self.problems.keys() - used - set(names):
            del self.problems[gone]


def _warm(predictor: Predictor, contract: Contract) -> None:
    """One made-up row, answered before traffic comes.

    Imports of feature steps and an engine's first run take longer than a call's deadline. What it answers, or that it
    fails, says nothing.
    """
    row = {column.name: array(column, [_usual(column)]) for column in contract.asked}
    with contextlib.suppress(Exception, SystemExit):
        Pool(1).run(lambda: predictor.predict(row), WARM_S)


def _usual(column: Column) -> float | str:
    if column.type == "text":
        return column.levels[0] if column.levels else ""
    return column.low or 0.0
