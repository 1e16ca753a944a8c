"""A definition that a served version rests on stays what it was: changed under the same name it is refused."""

from __future__ import annotations

from pathlib import Path

from lockgate.errors import NotFound
from lockgate.features.aggregate import defined, refuse_changed
from lockgate.records import Contract, WorkspaceSpec
from lockgate.store.folders import Folders
from lockgate.store.routing_file import RoutingFiles


def refuse_changed_under_served(home: Path, spec: WorkspaceSpec, *, model: str | None = None) -> None:
    """Raises SpecError where a version that serves has an aggregate that lockgate.toml now defines otherwise.

    home: the workspace's `.lockgate` folder; model: of this one alone.
    """
    board = RoutingFiles(home / "routing")
    for name, own in spec.model.items():
        routing = board.read(name) if own.aggregates and model in (None, name) else None
        for version in () if routing is None else routing.versions:
            contract = _contract(home, version)
            if contract is not None and contract.aggregates:
                by = f"version {version[:6]}, which serves"
                refuse_changed(name, contract.aggregates, defined(own, spec.source), by=by)


def _contract(home: Path, version: str) -> Contract | None:
    from lockgate.runtime import folder

    try:
        return folder.read_contract(Folders(home / "versions").path(version))
    except NotFound:
        return None
