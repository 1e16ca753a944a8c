"""What serving processes need of a project, without opening its workspace: they start before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lockgate.features.aggregate import defined
from lockgate.records import Aggregate, WorkspaceSpec
from lockgate.store.serving_file import Serving, ServingFile, Sourced, SourcesFile
from lockgate.workspace import config
from lockgate.workspace.definitions import refuse_changed_under_served


class Prepared(NamedTuple):
    project: Path
    home: Path
    spec: WorkspaceSpec


def prepare(directory: Path) -> Prepared:
    """The project's configuration, told to whoever serves. Raises as `Workspace.open` does."""
    project = directory.resolve()
    spec = config.read(config.find(project))
    home = project / spec.directory
    refuse_changed_under_served(home, spec)
    publish(home, spec)
    return Prepared(project, home, spec)


def publish(home: Path, spec: WorkspaceSpec) -> None:
    """How each model is served and logged, and what each source is, as serving processes read it. Raises StoreError when the
    disk refuses.
    """
    served = {
        name: Serving(log=model.log, serve=model.serve, metrics=model.metrics_by_unit)
        for name, model in spec.model.items()
    }
    ServingFile(home).publish(served)
    over: dict[str, dict[str, Aggregate]] = {name: {} for name in spec.source}
    for model, own in spec.model.items():
        for name, aggregate in defined(own, spec.source).items():
            over[aggregate.source][f"{model}.{name}"] = aggregate
    SourcesFile(home).publish({name: Sourced(spec=own, aggregates=over[name]) for name, own in spec.source.items()})
