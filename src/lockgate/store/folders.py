"""Version folders on the local disk."""

from __future__ import annotations

import errno
import shutil
import tempfile
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
                self._move(folder, target)
        except OSError as error:
            raise StoreError(
                f"The version cannot be kept in {self._directory}: {error.strerror}.", cure="Free some room there."
            ) from error
        return target

    def _move(self, folder: Path, target: Path) -> None:
        try:
            folder.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The folder was made on another disk: copied beside its place first, and renamed there.
            beside = Path(tempfile.mkdtemp(prefix=".", dir=self._directory))
            try:
                shutil.copytree(folder, beside, dirs_exist_ok=True)
                beside.replace(target)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)

    def path(self, version: str) -> Path:
        target = self._directory / version
        if not target.is_dir():
            raise NotFound(f"There is no version {version[:12]} in {self._directory}.")
        return target
