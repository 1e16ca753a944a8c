"""Everything built once: the one place, with `dataplane`, that names adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.errors import NotFound, StoreError
from lockgate.records import Contract, Profile, Version, WorkspaceSpec
from lockgate.records.profile import read_profile
from lockgate.records.usual import Usual, read_usual
from lockgate.release.controller import Controller
from lockgate.runtime import folder
from lockgate.runtime.predictor import Predictor
from lockgate.store.delta import DeltaTables
from lockgate.store.event_store import FILE as EVENTS
from lockgate.store.event_store import EventStore
from lockgate.store.folders import Folders
from lockgate.store.log_notices import NOTICES, NoticeFiles
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.mlflow_place import MlflowPlace
from lockgate.store.mlflow_registry import MlflowRegistry
from lockgate.store.mlflow_runs import MlflowRuns
from lockgate.store.ports import (
    Events,
    Lease,
    LogNotices,
    PredictionLog,
    Records,
    Registry,
    RoutingBoard,
    Tables,
    Tracker,
    VersionFolders,
)
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_lease import SqlLease
from lockgate.store.sql_tables import connect_file
from lockgate.workspace.prepared import publish

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The ports of one workspace. home: its `.lockgate` folder; clock: wall time in seconds since 1970."""

    project: Path
    home: Path
    spec: WorkspaceSpec
    clock: Clock
    records: Records
    lease: Lease
    log: PredictionLog
    notices: LogNotices
    board: RoutingBoard
    folders: VersionFolders
    tables: Tables
    tracker: Tracker
    registry: Registry
    events: Events
    loaded: dict[str, Predictor] = field(default_factory=dict[str, Predictor])

    def predictor(self, version: str) -> Predictor:
        """The version, loaded once per process; its digests are checked then."""
        if version not in self.loaded:
            made = self.records.get(Version, version)
            from_rows = made.benchmark.native_from_rows if made is not None and made.benchmark is not None else None
            self.loaded[version] = folder.load(self.folders.path(version), version, native_from_rows=from_rows)
        return self.loaded[version]

    def contract(self, version: str) -> Contract:
        return folder.read_contract(self.folders.path(version))

    def controller(self, model: str) -> Controller:
        return Controller(model, self.records, self.board, damage=self.damage)

    def damage(self, version: str) -> str | None:
        """What is wrong with a version's folder, None where it is as it was sealed. Raises StoreError where it cannot be read
        just now.
        """
        try:
            folder.verify(self.folders.path(version), version)
        except (NotFound, StoreError) as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
                raise
            return str(error)
        return None

    def profile(self, version: str) -> Profile:
        """Raises StoreError where an older engine counted it."""
        place = self.folders.path(version) / folder.PROFILE
        return read_profile(place.read_bytes(), f"{folder.PROFILE} of version {version[:12]}")

    def usual(self, version: str) -> Usual | None:
        """What the hours of its table were like; None of a version that was made before they were counted."""
        place = self.folders.path(version) / folder.USUAL
        if not place.exists():
            return None
        return read_usual(place.read_bytes(), f"{folder.USUAL} of version {version[:12]}")


def wire(project: Path, spec: WorkspaceSpec, clock: Clock) -> Wiring:
    """Embedded adapters under `<project>/.lockgate`. Raises StoreError where the folder cannot be used."""
    home = project / spec.directory
    engine = connect_file(home / "lockgate.db")
    publish(home, spec)
    place = MlflowPlace.of(spec.mlflow, project, home)
    return Wiring(
        project=project,
        home=home,
        spec=spec,
        clock=clock,
        records=SqlRecords(engine),
        lease=SqlLease(engine),
        log=UnionLog(SegmentLog(home / "log"), LogTables(home / "tables")),
        notices=NoticeFiles(home / NOTICES),
        board=RoutingFiles(home / "routing"),
        folders=Folders(home / "versions"),
        tables=DeltaTables(home / "tables"),
        tracker=MlflowRuns(place),
        registry=MlflowRegistry(place),
        events=EventStore(home / EVENTS),
    )
