"""Which commits of the log's tables would outlive a power cut: the segments they came from go only after that."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from lockgate.errors import StoreError
from lockgate.store.open_segment import sync_path


class TableSyncs:
    """One process's account. A table whose sync failed stays in doubt while it lives: a second sync of the same file may
    say that all is well, and nothing be on the disk.
    """

    def __init__(self) -> None:
        self._safe: dict[Path, int] = {}
        self._doubtful: set[Path] = set()

    def safe(self, path: Path) -> int:
        """The last version of a table that is known to be safe; -1 where none is."""
        return self._safe.get(path, -1)

    def known(self, path: Path, version: int) -> None:
        """A table is known to be safe up to a version."""
        self._safe[path] = max(version, self.safe(path))

    def outlive(self, path: Path, version: int) -> None:
        """Sync what is not safe yet up to a version. Raises StoreError."""
        if path in self._doubtful:
            raise StoreError(
                f"The table {path} could not be synced, and what the disk kept of it is unknown.",
                cure="Look after the disk, then start Lockgate again; the log's segments are kept until then.",
            )
        for number in range(self.safe(path) + 1, version + 1):
            try:
                self._outlive(path, number)
            except OSError as error:
                raise StoreError(
                    f"The table {path} cannot be synced: {error.strerror or error}.", cure="Look after the disk."
                ) from error
            self.known(path, number)

    def _outlive(self, path: Path, version: int) -> None:
        """A commit, the files it added, and the checkpoint made of it."""
        log = path / "_delta_log"
        commit, checkpoint = log / f"{version:020d}.json", log / f"{version:020d}.checkpoint.parquet"
        if not commit.exists():  # cleaned away long since
            return
        actions = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
        added = [path / unquote(action["add"]["path"]) for action in actions if "add" in action]
        # An old commit's file may have been made into a larger one, and removed.
        files = [file for file in (*added, commit) if file.exists()]
        if checkpoint.exists():
            files += [checkpoint, log / "_last_checkpoint"]
        folders = {parent for file in files for parent in (file.parent, file.parent.parent)}
        for place in (*files, *sorted(folders), path, *((path.parent,) if version == 0 else ())):
            try:
                sync_path(place)
            except OSError:
                self._doubtful.add(path)
                raise
