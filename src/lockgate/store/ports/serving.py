"""What answering needs of the outside: where workers find the routing, and versions' folders."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from lockgate.records import (
    Routing,
)


class RoutingBoard(Protocol):
    """Where workers look for the routing, at least four times a second; swapped whole."""

    def publish(self, routing: Routing) -> None: ...

    def read(self, model: str) -> Routing | None: ...

    def withdraw(self, model: str) -> None:
        """Take a model's routing off the board; one that is not there is no error."""
        ...

    def models(self) -> tuple[str, ...]: ...


class VersionFolders(Protocol):
    """Versions' artefacts, by id."""

    def add(self, version: str, folder: Path) -> Path:
        """Move a finished folder into place; an id that is there already is left as it is."""
        ...

    def path(self, version: str) -> Path:
        """Raises NotFound for an unknown version."""
        ...
