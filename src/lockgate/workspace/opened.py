"""What every part of an open workspace stands on: its wiring, and models, versions and times looked up by name."""

from __future__ import annotations

import getpass

from lockgate.errors import NotFound, SpecError, unknown
from lockgate.records import Contract, Dataset, Health, ModelSpec, Version, WorkspaceSpec
from lockgate.records.service import Service
from lockgate.release.controller import Controller
from lockgate.store import service_file
from lockgate.workspace import dataset_refs
from lockgate.workspace import datasets as sets
from lockgate.workspace.wire import Wiring


class Opened:
    """One directory, wired."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def wiring(self) -> Wiring:
        return self._wiring

    @property
    def spec(self) -> WorkspaceSpec:
        return self._wiring.spec

    def model(self, name: str) -> ModelSpec:
        found = self.spec.model.get(name)
        if found is None:
            raise NotFound(unknown("model", name, self.spec.model), cure=f"Add [model.{name}] to lockgate.toml.")
        return found

    def known(self, model: str) -> str:
        """The name of a model of lockgate.toml, or of one that has data. Raises NotFound."""
        if model not in self.spec.model and not dataset_refs.datasets(self._wiring, model):
            self.model(model)
        return model

    def version(self, name: str) -> Version:
        """A version by its id, the start of it, or its short name. Raises NotFound, or SpecError where several fit."""
        versions = self._wiring.records.all(Version)
        found = [v for v in versions if name in (v.id, v.short) or (len(name) >= 6 and v.id.startswith(name))]
        if not found:
            raise NotFound(unknown("version", name, [v.short for v in versions]))
        if len(found) > 1:
            raise SpecError(f"{name!r} fits {len(found)} versions.", cure="Write more of the id.")
        return found[0]

    def contract(self, model: str) -> Contract:
        return sets.contract(self._wiring, model)

    def event_s(self, model: str) -> float:
        """Event time: the newest question the loop has seen, here or in another process; before the first the end of
        the newest dataset, where it has a time.
        """
        seen = self._wiring.records.get(Health, model)
        if seen is not None:
            return seen.clock_s
        datasets = self._wiring.records.all(Dataset, model)
        until_s = datasets[-1].until_s if datasets else None
        return self._wiring.clock() if until_s is None else until_s

    def service(self) -> Service | None:
        """How this host's workers did in the last minute: latency, throughput, errors, what waits; None where none serves."""
        return service_file.read(self._wiring.home, now_s=self._wiring.clock())

    def _now(self, model: str) -> dict[str, float]:
        return {"event_s": self.event_s(model), "now_s": self._wiring.clock()}

    def _controller(self, model: str) -> Controller:
        self.model(model)
        return self._wiring.controller(model)


def person() -> str:
    """Who a move made from here is by."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
