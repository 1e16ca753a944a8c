"""Experiments and registries that the user has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from lockgate.records import (
    Version,
)


class Tracker(Protocol):
    """Where runs are written for people to compare. Serving, gating and rollback go on when it is down."""

    def log_run(
        self,
        *,
        model: str,
        name: str,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        folder: Path | None,
        curves: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str | None:
        """The run's id; None when the tracker could not be reached, which `problem` then explains.

        curves: by metric, its values as (step, value). folder: files that belong to the run.
        """
        ...

    @property
    def problem(self) -> str | None: ...


class Registered(NamedTuple):
    """What a registry holds of one model: by number, the tags of each version; by alias, a number."""

    versions: Mapping[str, Mapping[str, str]] = {}
    aliases: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


class Registry(Protocol):
    """Where versions stand beside everybody else's models. A neighbour: it is told, and never asked what to do.

    Each method raises StoreError where it cannot be reached, and Conflict where it refuses.
    """

    def read(self, model: str) -> Registered:
        """Nothing in it where the registry does not know the model."""
        ...

    def add(self, version: Version, folder: Path, *, description: str, tags: Mapping[str, str]) -> str:
        """The number of a new version of its model, with the sealed folder as its files. The model is made where needed."""
        ...

    def tag(self, model: str, number: str, tags: Mapping[str, str]) -> None:
        """Set these tags of a version, and leave its others."""
        ...

    def tag_model(self, model: str, tags: Mapping[str, str]) -> None: ...

    def point(self, model: str, alias: str, number: str | None) -> None:
        """Move an alias to a version; None takes it away."""
        ...
