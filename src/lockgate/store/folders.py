"""Version folders on the local disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from lockgate.errors import NotFound, StoreError


class Folders:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, version: str, folder: Path) -> Path:
        """Rename the finished folder into place: a half-written version is never seen."""
        target = self._directory / version
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(folder)
            else:
                folder.replace(target)
        except OSError as error:
            raise StoreError(
                f"The version cannot be kept in {self._directory}: {error.strerror}.", cure="Free some room there."
            ) from error
        return target

    def path(self, version: str) -> Path:
        target = self._directory / version
        if not target.is_dir():
            raise NotFound(f"There is no version {version[:12]} in {self._directory}.")
        return target
