"""Where the workspace is, for those who only write into its log: one word of its configuration is read for that."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lockgate.errors import NotFound
from lockgate.records import WorkspaceSpec

HOME = WorkspaceSpec().directory


def home(workspace: str | Path | None) -> Path | None:
    """The `.lockgate` folder of a project: of the one that is named, else of the nearest at or above where we are."""
    if workspace is not None:
        found = _home_in(Path(workspace))
        if found is None:
            raise NotFound(f"There is no workspace in {workspace}.", cure="Make one with: lockgate init")
        return found
    here = Path.cwd()
    return next((found for folder in (here, *here.parents) if (found := _home_in(folder)) is not None), None)


def _home_in(folder: Path) -> Path | None:
    """lockgate.toml may name another folder; without one, a `.lockgate` will do."""
    for file, path in (("lockgate.toml", ()), ("pyproject.toml", ("tool", "lockgate"))):
        said = _said(folder / file, path)
        if said is not None:
            return folder / str(said.get("directory", HOME))
    if folder.name == HOME and folder.is_dir():
        return folder
    return folder / HOME if (folder / HOME).is_dir() else None


def _said(file: Path, path: Sequence[str]) -> dict[str, Any] | None:
    """A table of a TOML file, None without one; whether it is right is the workspace's to say."""
    try:
        found: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    for key in path:
        found = found.get(key, {}) if hasattr(found, "get") else {}
    return found if path == () or found else None
