"""How each model is served and logged, as a small file: serving processes do not read `lockgate.toml`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lockgate.errors import StoreError
from lockgate.records import LogSpec, ServeSpec

FILE = "serving.json"


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log: LogSpec = LogSpec()
    serve: ServeSpec = ServeSpec()


_decoder = msgspec.json.Decoder(dict[str, Serving])


class ServingFile:
    """By model; a model that is not in it is served and logged by the defaults."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def publish(self, serving: Mapping[str, Serving]) -> None:
        """Left alone where it says the same already. Raises StoreError when the disk refuses."""
        body = msgspec.json.encode(dict(serving), order="sorted")
        try:
            if not self._file.exists() or self._file.read_bytes() != body:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                fresh = self._file.with_name(f".{FILE}.{secrets.token_hex(4)}")
                fresh.write_bytes(body)
                fresh.replace(self._file)
        except OSError as error:
            raise StoreError(f"{self._file} cannot be written: {error}.", cure="Free some room there.") from error

    def read(self) -> dict[str, Serving]:
        """Nothing in it where it was never written. Raises StoreError where it cannot be read."""
        try:
            return _decoder.decode(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(
                f"{self._file} cannot be read: {error}.", cure="Any lockgate command writes it anew."
            ) from error
