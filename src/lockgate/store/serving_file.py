"""How each model is served and logged, and what each source is, as small files: serving processes do not read
`lockgate.toml`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from lockgate.errors import StoreError
from lockgate.records import Aggregate, LogSpec, ServeSpec, SourceSpec

FILE = "serving.json"
SOURCES = "sources.json"
T = TypeVar("T")


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log: LogSpec = LogSpec()
    serve: ServeSpec = ServeSpec()
    metrics: tuple[str, ...] = ()


class Sourced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source, and every aggregate over it that is declared, by `model.column`."""

    spec: SourceSpec
    aggregates: dict[str, Aggregate] = {}


_decoder = msgspec.json.Decoder(dict[str, Serving])
_sources = msgspec.json.Decoder(dict[str, Sourced])


class ServingFile:
    """By model; a model that is not in it is served and logged by the defaults."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def publish(self, serving: Mapping[str, Serving]) -> None:
        """Left alone where it says the same already. Raises StoreError when the disk refuses."""
        _publish(self._file, msgspec.json.encode(dict(serving), order="sorted"))

    def read(self) -> dict[str, Serving]:
        """Nothing in it where it was never written. Raises StoreError where it cannot be read."""
        return _read(self._file, _decoder)


class SourcesFile:
    """By source."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / SOURCES

    def publish(self, sources: Mapping[str, Sourced]) -> None:
        """As `ServingFile.publish`. Not written at all where there never was a source."""
        if sources or self._file.exists():
            _publish(self._file, msgspec.json.encode(dict(sources)))

    def read(self) -> dict[str, Sourced]:
        """As `ServingFile.read`."""
        return _read(self._file, _sources)


def _publish(file: Path, body: bytes) -> None:
    try:
        if not file.exists() or file.read_bytes() != body:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
            fresh.write_bytes(body)
            fresh.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error}.", cure="Free some room there.") from error


def _read(file: Path, decoder: msgspec.json.Decoder[dict[str, T]]) -> dict[str, T]:
    try:
        return decoder.decode(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{file} cannot be read: {error}.", cure="Any lockgate command writes it anew.") from error
