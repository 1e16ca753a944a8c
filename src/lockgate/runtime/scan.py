"""What a file names, seen without running it, and held against the known model libraries.

A scan is no proof: what a file from elsewhere does is bounded by the child process it is loaded in, and a bound is not a
sandbox.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import zipfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from lockgate.errors import LockgateError, SpecError
from lockgate.runtime.known import is_known, is_plain_formula
from lockgate.runtime.unpickle import Names, opened, refusal

PICKLES = (".pkl", ".pickle", ".joblib", ".dat", ".data", ".cloudpickle")
SCANNED_BYTES = 1 << 28
_PACKED = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"]\x00\x00", b"\x04\x22\x4d\x18")


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """names: all that the file names, as `module.name`. unknown: those outside known model libraries. versions: of the
    libraries that wrote it, where its state says.
    """

    path: Path
    names: tuple[str, ...]
    unknown: tuple[str, ...]
    is_pickle: bool
    versions: dict[str, str]


def scan(path: Path) -> Scanned:
    """What a file, an archive or a folder of them names. Raises SpecError for a pickle that cannot be read to its end."""
    if path.is_dir():
        return _together(path, [scan(file) for file in _pickles_in(path)])
    if is_skops(path):
        return _skops(path)
    if zipfile.is_zipfile(path):
        return _archive(path)
    if not is_pickle(path):
        return Scanned(path=path, names=(), unknown=(), is_pickle=False, versions={})
    with _readable(path), opened(path) as file:
        found = _read(path, file)
    with _readable(path), opened(path) as file:
        flagged = _flagged(file, path.name)
    return _scanned(path, found, flagged)


def refuse(scanned: Scanned) -> None:
    """Raises SpecError where the file names something unknown: it says what, and how to go on."""
    if scanned.unknown:
        raise refusal(scanned.path, list(scanned.unknown))


def is_pickle(path: Path) -> bool:
    """By content: a pickle's first opcode, also within what joblib packs; text pickles of protocol 0 too."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(_PACKED):
        return True
    return (start[:1] == b"\x80" and start[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}) or _is_text_pickle(path, start)


def is_skops(path: Path) -> bool:
    if path.is_dir() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "schema.json" in archive.namelist()


def _is_text_pickle(path: Path, start: bytes) -> bool:
    return start[:1] in {b"c", b"(", b"]", b"}"} and path.suffix.lower().startswith(PICKLES)


def _read(path: Path, file: BinaryIO) -> Names:
    found = Names(file)
    try:
        found.load()
    except LockgateError:
        raise
    except Exception as error:
        if any(not is_known(*name) for name in found.names):
            return found  # it breaks off after it named something: that is said, rather than that it is broken
        raise SpecError(
            f"{path.name} cannot be read as a pickle: {type(error).__name__}: {error}.".replace(": .", "."),
            cure="It may be cut short or damaged: copy or save it again.",
            place=str(path),
        ) from error
    return found


def _scanned(path: Path, found: Names, flagged: Iterable[str] = ()) -> Scanned:
    names = [".".join(name) for name in found.names]
    unknown = [".".join(name) for name in found.names if not is_known(*name)]
    unknown += [f"the formula {formula!r}" for formula in found.formulas if not is_plain_formula(formula)]
    return Scanned(
        path=path,
        names=tuple(names),
        unknown=tuple(dict.fromkeys([*unknown, *flagged])),
        is_pickle=True,
        versions=dict(found.versions),
    )


def _flagged(file: BinaryIO, name: str) -> list[str]:
    """What the maintained scanner calls dangerous and the list does not know, whether or not our own reader met it.

    It also flags functools.partial, which calls nothing but what else the pickle names.
    """
    try:
        scanner = import_module("picklescan.scanner")
    except ImportError as error:
        raise SpecError(
            "A pickle is scanned before it is loaded, and picklescan is not installed.",
            cure="Run: pip install picklescan",
        ) from error
    with _hushed():
        found: Any = scanner.scan_pickle_bytes(io.BytesIO(file.read(SCANNED_BYTES)), name)
    flagged = [one for one in found.globals if one.safety.name == "Dangerous" and not is_known(one.module, one.name)]
    return [f"{one.module}.{one.name}" for one in flagged]


@contextmanager
def _hushed() -> Generator[None]:
    """The scanner logs what it cannot parse: the bytes of arrays, mostly."""
    log = logging.getLogger("picklescan")
    level, log.level = log.level, logging.CRITICAL + 1
    try:
        yield
    finally:
        log.level = level


def _archive(path: Path) -> Scanned:
    """Pickles within a zip archive, nested ones too: none of them is a format that is loaded without --trust."""
    found: list[Scanned] = []
    with _readable(path), zipfile.ZipFile(path) as archive:
        is_script = any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
        for name in archive.namelist():
            with archive.open(name) as file:
                body = file.read(SCANNED_BYTES)
            if body.startswith(b"PK\x03\x04"):
                found.append(_nested(path, body))
            elif body[:1] == b"\x80" and body[1:2] <= b"\x05" and not is_script:
                reader = _read(path, io.BytesIO(body))
                found.append(_scanned(path, reader, _flagged(io.BytesIO(body), path.name)))
    return _together(path, found)


def _nested(path: Path, body: bytes) -> Scanned:
    found: list[Scanned] = []
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for name in archive.namelist():
            inner = archive.read(name)
            if inner.startswith(b"PK\x03\x04"):
                found.append(_nested(path, inner))
            elif inner[:1] == b"\x80":
                found.append(_scanned(path, _read(path, io.BytesIO(inner))))
    return _together(path, found)


def _skops(path: Path) -> Scanned:
    """The types that skops itself does not trust; the list of this house is held against them."""
    try:
        names: list[str] = import_module("skops.io").get_untrusted_types(file=str(path))
    except ImportError as error:
        raise SpecError(
            "This file was written by skops, which is not installed.", cure="Run: pip install skops"
        ) from error
    except Exception as error:
        raise SpecError(
            f"{path.name} cannot be read as a skops file: {error}.", cure="Copy or save it again.", place=str(path)
        ) from error
    unknown = [name for name in names if not is_known(*_split(name))]
    return Scanned(
        path=path, names=tuple(names), unknown=tuple(unknown), is_pickle=False, versions=_skops_versions(path)
    )


def _skops_versions(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
    return {"skops": str(schema["_skops_version"])} if "_skops_version" in schema else {}


def _split(name: str) -> tuple[str, str]:
    module, _, last = name.rpartition(".")
    return module, last


def _together(path: Path, parts: list[Scanned]) -> Scanned:
    versions: dict[str, str] = {}
    for part in parts:
        versions |= part.versions
    return Scanned(
        path=path,
        names=tuple(dict.fromkeys(name for part in parts for name in part.names)),
        unknown=tuple(dict.fromkeys(name for part in parts for name in part.unknown)),
        is_pickle=any(part.is_pickle for part in parts),
        versions=versions,
    )


def _pickles_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [file for file in files if is_pickle(file) or zipfile.is_zipfile(file)]


@contextmanager
def _readable(path: Path) -> Generator[None]:
    try:
        yield
    except LockgateError:
        raise
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {path}.", cure="Give the path of a saved model.") from error
    except (OSError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise SpecError(
            f"{path.name} cannot be read: {error}.",
            cure="It may be cut short or damaged: copy it again.",
            place=str(path),
        ) from error
