"""What a serving process holds, wired lightly: log, routing and version folders, and nothing that computes on tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from lockgate.errors import LockgateError, NotFound, unknown
from lockgate.features.request import RequestType
from lockgate.records import Contract, Routing
from lockgate.runtime import folder
from lockgate.runtime.predictor import Predictor
from lockgate.serve.call import Caller
from lockgate.serve.logbook import Logbook
from lockgate.store.folders import Folders
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog


class Served:
    """One model as a process serves it."""

    def __init__(self, caller: Caller, contract: Contract) -> None:
        self.caller = caller
        self.use(contract)

    def use(self, contract: Contract) -> None:
        self.contract = contract
        self.request = RequestType(contract)

    @property
    def routing(self) -> Routing:
        return self.caller.served.routing


class DataPlane:
    """The models of one workspace, kept at their newest routing. home: the workspace's `.lockgate` folder."""

    def __init__(self, home: Path) -> None:
        self._board = RoutingFiles(home / "routing")
        self._folders = Folders(home / "versions")
        self._predictors: dict[str, Predictor] = {}
        self.log = Logbook(SegmentLog(home / "log").writer())
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

    def refresh(self) -> None:
        """Take up what the board says. A routing whose champion cannot be loaded is not taken up; the old one stays in
        force and `problems` says why. The store being away changes nothing."""
        try:
            names = self._board.models()
        except OSError as error:
            self.problems["routing"] = str(error)
            return
        for name in names:
            try:
                self._refresh(name)
                self.problems.pop(name, None)
            except (LockgateError, OSError) as error:
                self.problems[name] = str(error)

    def _refresh(self, name: str) -> None:
        routing = self._board.read(name)
        held = self.models.get(name)
        if routing is None or (held is not None and held.routing == routing):
            return
        contract = folder.read_contract(self._folders.path(routing.champion))
        predictors = self._load(routing)
        if held is None:
            self.models[name] = Served(Caller(contract, routing, predictors, self.log.append), contract)
        else:
            if held.contract != contract:
                held.use(contract)
            held.caller.swap(contract, routing, predictors)

    def _load(self, routing: Routing) -> Mapping[str, Predictor]:
        """The versions of a routing. The champion must load; any other that does not is left out, so its calls fall back
        and the evidence counts them as failures."""
        found: dict[str, Predictor] = {}
        for version in routing.versions:
            try:
                found[version] = self._predictor(version)
            except LockgateError as error:
                if version == routing.champion:
                    raise
                self.problems[version] = str(error)
        return found

    def _predictor(self, version: str) -> Predictor:
        if version not in self._predictors:
            self._predictors[version] = folder.load(self._folders.path(version), version)
        return self._predictors[version]
