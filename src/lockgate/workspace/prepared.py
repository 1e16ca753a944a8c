"""What serving processes need of a project, without opening its workspace: they start before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lockgate.records import WorkspaceSpec
from lockgate.store.serving_file import Serving, ServingFile
from lockgate.workspace import config


class Prepared(NamedTuple):
    project: Path
    home: Path
    spec: WorkspaceSpec


def prepare(directory: Path) -> Prepared:
    """The project's configuration, told to whoever serves. Raises as `Workspace.open` does."""
    project = directory.resolve()
    spec = config.read(config.find(project))
    home = project / spec.directory
    publish(home, spec)
    return Prepared(project, home, spec)


def publish(home: Path, spec: WorkspaceSpec) -> None:
    """How each model is served and logged, as serving processes read it. Raises StoreError when the disk refuses."""
    ServingFile(home).publish({name: Serving(log=model.log, serve=model.serve) for name, model in spec.model.items()})
