"""Versions in one file: a zip with an index that names every file and its digest, and is believed only after a check."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lockgate.errors import StoreError
from lockgate.records import decode, encode
from lockgate.records.archive import Archive

INDEX = "archive.json"
WHEN = (1980, 1, 1, 0, 0, 0)
"""The oldest date a zip knows, on every file: the same versions give the same archive."""
MOST_BYTES = 20 * 2**30


def is_archive(file: Path) -> bool:
    """Whether the file is one that `pack` wrote."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as held:
        return INDEX in held.namelist()


def files_of(folders: Mapping[str, Path]) -> dict[str, Path]:
    """Place in the archive -> file, for every file of the named folders."""
    return {
        f"{name}/{file.relative_to(folder).as_posix()}": file
        for name, folder in sorted(folders.items())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    return {place: hashlib.sha256(file.read_bytes()).hexdigest() for place, file in files.items()}


def pack(archive: Archive, files: Mapping[str, Path], target: Path) -> None:
    """Write the archive, whole or not at all. Raises StoreError where the disk refuses."""
    fresh = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr(zipfile.ZipInfo(INDEX, WHEN), encode(archive))
            for place, file in files.items():
                made.writestr(zipfile.ZipInfo(place, WHEN), file.read_bytes(), zipfile.ZIP_DEFLATED)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error.strerror}.", cure="Choose another place.") from error


def unpack(file: Path, into: Path) -> Archive:
    """The index, with every file it names laid out under `into`, each digest checked while it is written.

    Raises StoreError naming the first file that is missing, changed, or not in the index; `into` is then not to be used.
    """
    try:
        with zipfile.ZipFile(file) as held:
            archive = decode(Archive, held.read(INDEX))
            names = set(held.namelist()) - {INDEX}
            for place in sorted(names | set(archive.files)):
                _lay_out(held, place, archive, names, into)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise _broken(file, f"cannot be read: {error}") from error
    return archive


def _lay_out(held: zipfile.ZipFile, place: str, archive: Archive, names: set[str], into: Path) -> None:
    file = Path(held.filename or "")
    if place not in names:
        raise _broken(file, f"lacks {place}")
    if place not in archive.files:
        raise _broken(file, f"holds {place}, which its index does not name")
    parts = PurePosixPath(place)
    if parts.is_absolute() or ".." in parts.parts or "\\" in place:
        raise _broken(file, f"names a place outside itself: {place}")
    if held.getinfo(place).file_size > MOST_BYTES:
        raise _broken(file, f"holds {place}, which is larger than any version")
    target = into / parts
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with held.open(place) as source, target.open("wb") as copy:
        while part := source.read(2**20):
            digest.update(part)
            copy.write(part)
    if digest.hexdigest() != archive.files[place]:
        raise _broken(file, f"holds another {place} than was exported")


def _broken(file: Path, what: str) -> StoreError:
    return StoreError(f"The archive {file} {what}.", cure="Export it again; nothing of it was kept.", place=str(file))
