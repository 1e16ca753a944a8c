"""The routing board on files: one small JSON file per model, renamed into place."""

from __future__ import annotations

import secrets
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records import Routing, decode, encode, ready

ready(Routing)  # models are taken up side by side


class RoutingFiles:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def publish(self, routing: Routing) -> None:
        """Swap the whole record. A reader sees the old one or the new one."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = self._directory / f".{routing.model}.{secrets.token_hex(4)}"
            fresh.write_bytes(encode(routing))
            fresh.replace(self._directory / f"{routing.model}.json")
        except OSError as error:
            raise StoreError(
                f"The routing in {self._directory} cannot be written: {error.strerror}.", cure="Free some room there."
            ) from error

    def read(self, model: str) -> Routing | None:
        path = self._directory / f"{model}.json"
        try:
            return decode(Routing, path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"The routing in {path} cannot be read: {error.strerror}.") from error

    def withdraw(self, model: str) -> None:
        path = self._directory / f"{model}.json"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"The routing in {path} cannot be taken away: {error.strerror}.") from error

    def models(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self._directory.glob("[!.]*.json")))
