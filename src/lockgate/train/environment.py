"""Where a version was made: the commit, whether the tree was clean, and what was installed."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path


def commit(directory: Path) -> tuple[str | None, bool | None]:
    """The git commit of a project folder, and whether the tree differs from it; (None, None) outside git."""
    head = _git(directory, "rev-parse", "HEAD")
    changed = _git(directory, "status", "--porcelain", "--", ".")
    return (head, None if changed is None else bool(changed)) if head else (None, None)


def code(project: Path) -> dict[str, str]:
    """SHA-256 of each Python file of the project that is loaded, by its place in the project."""
    root = str(project.resolve()) + os.sep
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    found: dict[str, str] = {}
    for file in sorted(file for file in files if file.startswith(root) and file.endswith(".py")):
        place = Path(file).relative_to(root)
        if not any(part.startswith(".") or part == "site-packages" for part in place.parts):
            found[place.as_posix()] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return found


@cache
def installed() -> str:
    """SHA-256 over the Python version and every installed distribution with its version."""
    names = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    return hashlib.sha256("\n".join((platform.python_version(), *names)).encode()).hexdigest()


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", "-C", str(directory), *arguments), capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
