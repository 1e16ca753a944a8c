"""A registry in memory: for tests, and for a workspace that shows its versions to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.errors import Conflict
from lockgate.records import Version
from lockgate.store.ports import Registered


@dataclass
class _Model:
    versions: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    folders: dict[str, Path] = field(default_factory=dict[str, Path])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])


class MemoryRegistry:
    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def read(self, model: str) -> Registered:
        held = self._models.get(model, _Model())
        versions = {number: dict(tags) for number, tags in held.versions.items()}
        return Registered(versions, dict(held.aliases), dict(held.tags))

    def add(self, version: Version, folder: Path, *, description: str, tags: Mapping[str, str]) -> str:  # noqa: ARG002
        held = self._models.setdefault(version.model, _Model())
        number = str(len(held.versions) + 1)
        held.versions[number], held.folders[number] = dict(tags), folder
        return number

    def tag(self, model: str, number: str, tags: Mapping[str, str]) -> None:
        self._version(model, number).update(tags)

    def tag_model(self, model: str, tags: Mapping[str, str]) -> None:
        self._model(model).tags.update(tags)

    def point(self, model: str, alias: str, number: str | None) -> None:
        aliases = self._model(model).aliases
        if number is None:
            aliases.pop(alias, None)
            return
        self._version(model, number)
        aliases[alias] = number

    def _model(self, model: str) -> _Model:
        if model not in self._models:
            raise Conflict(f"The registry has no model {model!r}.")
        return self._models[model]

    def _version(self, model: str, number: str) -> dict[str, str]:
        held = self._model(model).versions
        if number not in held:
            raise Conflict(f"The registry has no version {number} of {model}.")
        return held[number]
