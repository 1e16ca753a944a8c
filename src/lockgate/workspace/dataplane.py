"""What a serving process holds, wired lightly: log, routing and version folders; nothing computes on tables here."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lockgate.errors import LockgateError, NotFound, SpecError, StoreError, unknown
from lockgate.features.any_request import AnyRequest
from lockgate.features.columns import array
from lockgate.features.differing import apart, is_one
from lockgate.features.request import RequestType
from lockgate.records import Column, Contract, Routing
from lockgate.records.drill import is_drill
from lockgate.records.prediction import LogEntry
from lockgate.records.profile import Profile, read_profile
from lockgate.runtime import folder
from lockgate.runtime.bounded import Pool
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.fallback import CanPredict, Prompt
from lockgate.runtime.hosted import MOST_ROWS, Hosted
from lockgate.runtime.user_rule import UserRule
from lockgate.serve.call import Caller
from lockgate.serve.completing import Completing
from lockgate.serve.counted import Asked, Counted
from lockgate.serve.logbook import Logbook
from lockgate.store.folders import Folders
from lockgate.store.log_notices import NOTICES, NoticeFile
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog
from lockgate.store.serving_file import Serving, ServingFile
from lockgate.telemetry.series import Series
from lockgate.workspace.intake import Intake

WARM_S = 5.0
HANGS_S = 2.0
LOADS = 4
RETRY_S = 5.0


class Served(NamedTuple):
    """One model as a process serves it; replaced whole where a contract changes, so that what read a call's rows is of
    the contracts of what answers them. contract: the champion's; differing: every version's, where they are not one.
    """

    caller: Caller
    contract: Contract
    request: RequestType
    completing: Completing | None = None
    differing: Mapping[str, Contract] = MappingProxyType({})

    @property
    def routing(self) -> Routing:
        return self.caller.served.routing

    @property
    def read(self) -> tuple[Contract, ...]:
        """The contracts whose rows are read, the champion's first; one alone where all are one."""
        others = (self.differing[version] for version in self.routing.readers if version in self.differing)
        return tuple(others) or (self.contract,)

    @property
    def is_quick(self) -> bool:
        """Whether the champion has a quick way: without one, nothing of a call is tried there."""
        now = self.caller.served
        is_alone = not self.differing or (now.routing.challenger is None and self.completing is None)
        return is_alone and now.routing.champion in now.quick


class DataPlane:
    """The models of one workspace, kept at their newest routing. home: the workspace's `.lockgate` folder. hangs_s: after how
    long a batch in a child is ended, whatever a call's deadline is; rows_at_once: of such a batch. forgets: whether events
    older than their source's retention are left out of memory; rows that were asked long ago need them.
    """

    def __init__(
        self, home: Path, *, hangs_s: float = HANGS_S, rows_at_once: int = MOST_ROWS, forgets: bool = True
    ) -> None:
        self.home = home
        self.intake = Intake(home, forgets=forgets)
        self._hangs_s, self._rows_at_once = hangs_s, rows_at_once
        self._board = RoutingFiles(home / "routing")
        self._folders = Folders(home / "versions")
        self._project = home.resolve().parent
        self._links: dict[str, CanPredict] = {}
        self._refused: dict[str, Routing] = {}  # by model: the routing that could not be taken up
        self._retry_at: dict[str, float] = {}
        self._file = ServingFile(home)
        self._serving: Mapping[str, Serving] = {}
        self._loads = ThreadPoolExecutor(LOADS, thread_name_prefix="load")
        self._loading: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self.log = Logbook(SegmentLog(home / "log").writer(), teller=NoticeFile(home / NOTICES))
        self.series = Series()
        self.counted = Counted(self.profile, self.log.keep)
        self.models: dict[str, Served] = {}
        self.drills: dict[str, Served] = {}  # answered like models, and nothing of it is kept
        self.problems: dict[str, str] = {}
        if str(self._project) not in sys.path:
            # A custom feature step is the project's own module.
            sys.path.insert(0, str(self._project))

    def model(self, name: str) -> Served:
        found = self.found(name)
        if found is None:
            raise NotFound(unknown("model", name, self.models), cure="Train, gate and roll out a version first.")
        return found

    def found(self, name: str) -> Served | None:
        """A model, or the drill of one."""
        return self.models.get(name) or self.drills.get(name)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Every version that could answer at once."""
        return tuple(self._links)

    @property
    def versions(self) -> frozenset[str]:
        """Every version that may get calls."""
        return frozenset(version for served in self.models.values() for version in served.routing.versions)

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Into the log, into the series, and to be counted. How many the log had to drop."""
        dropped = self.log.append(entries)
        self.series.count(entries)
        self.counted.note(entries)
        return dropped

    def is_durable(self, name: str) -> bool:
        """Whether an answer of this model waits for the disk."""
        spec = self.log.modes.get(name)
        return spec is not None and spec.mode == "durable"

    def metrics(self, name: str) -> tuple[str, ...]:
        """The metrics that are told of this model's units."""
        return self._serving.get(name, Serving()).metrics

    def refresh(self, wait_s: float | None = None) -> None:
        """Take up what the board says.

        A routing whose champion cannot be loaded is not taken up: the old one stays in force. Any other version that
        cannot be loaded must not hold up a move, a rollback least of all: its calls fall back. Either way `problems`
        says why, and it is tried again every few seconds. The store being away changes nothing. wait_s: how long at most for
        versions that load; they go on, and another model's move does not wait for them.
        """
        try:
            self._serving = self._file.read()
            self.intake.refresh()
            self.log.modes = {name: serving.log for name, serving in self._serving.items()}
            names = self._board.models()
        except (OSError, StoreError) as error:
            self.problems["routing"] = str(error)
            self._look()  # what waits for the disk is tried again all the same
            return
        self.problems.pop("routing", None)
        for name in names:
            if name not in self._loading or self._loading[name].done():
                self._loading[name] = self._loads.submit(self._try, name)
        wait(self._loading.values(), wait_s)
        with self._lock:
            self.drills = {name: drill for name, drill in self.drills.items() if name in names}
        if all(load.done() for load in self._loading.values()):
            self._forget_unused(names)
        self._look()
        self.intake.tell(self.problems)
        if self.log.problem is None:
            self.problems.pop("log", None)
        else:
            self.problems["log"] = self.log.problem

    def close(self) -> None:
        """Ends the children, and the log with what it still holds."""
        self._loads.shutdown(wait=False, cancel_futures=True)
        for link in self._links.values():
            _close(link)
        self.intake.close()
        self.say_windows()
        self.log.close()

    def say_windows(self) -> None:
        """Write what was counted of the calls so far; otherwise it is written about once a minute."""
        self.counted.look(self._asked(), is_last=True)

    def _look(self) -> None:
        self.log.look()
        self.counted.look(self._asked())

    def _asked(self) -> dict[str, Asked]:
        """By model, how its calls are logged now."""
        held = {name: served.caller.served for name, served in self.models.items()}
        return {
            name: Asked(tuple(column.name for column in served.contract.asked), served.routing.champion)
            for name, served in held.items()
        }

    def profile(self, version: str) -> Profile:
        place = self._folders.path(version) / folder.PROFILE
        return read_profile(place.read_bytes(), f"{folder.PROFILE} of version {version[:12]}")

    def _try(self, name: str) -> None:
        try:
            self._refresh(name)
        except (LockgateError, OSError) as error:
            self.problems[name] = str(error)
            self._retry_at[name] = time.monotonic() + RETRY_S

    def _refresh(self, name: str) -> None:
        routing = self._board.read(name)
        held = self.found(name)
        known = (held.routing if held else None, self._refused.get(name))
        is_due = time.monotonic() >= self._retry_at.get(name, math.inf)
        if routing is None or (routing in known and not is_due):
            return
        self._refused[name] = routing
        contract = folder.read_contract(self._folders.path(routing.champion))
        differing = self._differing(routing, contract)
        predictors = self._load(routing)
        # Versions take seconds to load, and a way back may come meanwhile.
        is_newest = self._board.read(name) == routing
        if is_newest:
            self._take_up(routing, contract, differing, predictors)
        del self._refused[name]
        self.problems.pop(name, None)
        if not is_newest:
            self._refresh(name)

    def _take_up(
        self,
        routing: Routing,
        contract: Contract,
        differing: Mapping[str, Contract],
        predictors: Mapping[str, CanPredict],
    ) -> None:
        held, is_rehearsed = self.found(routing.model), is_drill(routing.model)
        if held is not None and (held.contract, held.differing) == (contract, differing):
            held.caller.swap(routing, predictors)
        else:
            caller = (
                held.caller.under(contract, routing, predictors)
                if held is not None
                else Caller(contract, routing, predictors, _forget if is_rehearsed else self.append)
            )
            readers = [version for version in routing.readers if version in differing]
            request = AnyRequest(differing, routing.champion, readers) if differing else RequestType(contract)
            served = Served(caller, contract, request, self.intake.completing(request.contract), differing)
            with self._lock:  # a new dict, for calls look into the old one meanwhile
                if is_rehearsed:
                    self.drills = {**self.drills, routing.model: served}
                else:
                    self.models = {**self.models, routing.model: served}
        if len(predictors) < len(routing.versions) + len(routing.rules):
            self._retry_at[routing.model] = time.monotonic() + RETRY_S
        else:
            self._retry_at.pop(routing.model, None)

    def _differing(self, routing: Routing, contract: Contract) -> Mapping[str, Contract]:
        """The contracts of the versions whose rows are read, and of the baseline, where they are not one; nothing where they
        are. One that cannot be read, or whose rows nobody could send beside the champion's, is left out: the calls of its
        version fall back.
        """
        found = {routing.champion: contract}
        for version in routing.readers:
            with contextlib.suppress(LockgateError):
                own = folder.read_contract(self._folders.path(version))
                if all(apart(held, own) is None for held in found.values()):
                    found[version] = own
        if is_one(found.values()):
            return {}
        if routing.baseline is not None:
            with contextlib.suppress(LockgateError):
                found.setdefault(routing.baseline, folder.read_contract(self._folders.path(routing.baseline)))
        return found

    def _load(self, routing: Routing) -> Mapping[str, CanPredict]:
        """The versions of a routing, loaded side by side.

        The champion must load; any other that does not is left out: its calls fall back, and the evidence counts them
        as failures.
        """
        found: dict[str, CanPredict] = {}
        with ThreadPoolExecutor(len(routing.versions), thread_name_prefix="version") as pool:
            loads = {version: pool.submit(self._link, version, routing) for version in routing.versions}
        for version, load in loads.items():
            try:
                found[version] = load.result()
                self.problems.pop(version, None)
            except LockgateError as error:
                if version == routing.champion:
                    raise
                self.problems[version] = str(error)
        return found | self._rules(routing)

    def _rules(self, routing: Routing) -> dict[str, CanPredict]:
        """The user's own; one that is not there is left out."""
        found: dict[str, CanPredict] = {}
        for rule in routing.rules:
            try:
                found[rule] = UserRule(rule, routing.task)
                self.problems.pop(rule, None)
            except SpecError as error:
                self.problems[rule] = str(error)
        return found

    def _link(self, version: str, routing: Routing) -> CanPredict:
        """The version, ready to answer: warmed up before it is called."""
        if version not in self._links:
            made = self._made(version, routing)
            _warm(made, folder.read_contract(self._folders.path(version)))
            self._links[version] = made
        return self._links[version]

    def _made(self, version: str, routing: Routing) -> CanPredict:
        """Here what may run here, else in a child, unless its owner says that it may run here all the same."""
        path = self._folders.path(version)
        spec = self._serving.get(routing.model, Serving()).serve
        if folder.may_run_here(path, folder.verify(path, version)):
            return Prompt(folder.load(path, version))
        if spec.native == "worker":
            return folder.load(path, version)
        limits = Limits(seconds=max(self._hangs_s, 10 * routing.deadline_ms / 1000), memory_mb=spec.memory_mb)
        try:
            return Hosted(path, version, self._project, limits, rows_at_once=self._rows_at_once)
        except SpecError as error:
            raise StoreError(f"Version {version[:6]} cannot be loaded: {error.message}", cure=error.cure) from error

    def _forget_unused(self, names: tuple[str, ...]) -> None:
        """A process that serves for months sees many versions, and keeps those that may still be called."""
        held = (*self.models.values(), *self.drills.values())
        routings = [*(served.routing for served in held), *self._refused.values()]
        used = {link for routing in routings for link in (*routing.versions, *routing.rules)}
        for version in self._links.keys() - used:
            _close(self._links.pop(version))
        for gone in self.problems.keys() - used - set(names):
            del self.problems[gone]


def _forget(entries: Sequence[LogEntry]) -> None:
    """What becomes of a drill's calls: they are neither evidence nor anything to train on."""


def _close(link: CanPredict) -> None:
    if isinstance(link, Hosted):
        link.close()


def _warm(link: CanPredict, contract: Contract) -> None:
    """One made-up row, answered before traffic comes.

    Imports of feature steps and an engine's first run take longer than a call's deadline. What it answers, or that it
    fails, says nothing.
    """
    row = {column.name: array(column, [_usual(column)]) for column in contract.asked}
    with contextlib.suppress(Exception, SystemExit):
        Pool(1).run(lambda: link.predict(row), WARM_S)


def _usual(column: Column) -> float | str:
    if column.type == "text":
        return column.levels[0] if column.levels else ""
    return column.low or 0.0
