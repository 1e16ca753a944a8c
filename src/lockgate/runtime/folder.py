"""A version's folder: sealed once by training, loaded only after every digest in its manifest is checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lockgate.errors import SpecError, StoreError
from lockgate.features.opaque import source_digest
from lockgate.features.pipeline import CustomStep, Pipeline
from lockgate.records import Column, Contract, Library, Lineage, Manifest, Parity, Record, decode, digest, encode, ready
from lockgate.records.spec import Task
from lockgate.records.version import Format, Role
from lockgate.runtime import formats
from lockgate.runtime.benchmark import by_size
from lockgate.runtime.compile.engine import ONNX, compiled
from lockgate.runtime.formats import native
from lockgate.runtime.guest import Guest
from lockgate.runtime.predictor import Engine, EngineName, Predictor

MANIFEST = "manifest.json"
CONTRACT = "contract.json"
PIPELINE = "pipeline.json"
PROFILE = "profile.json"
USUAL = "usual.json"
PARITY = "parity.json"
SAMPLE = "sample.json"
REPORT = "report.json"
VERSION = "version.json"
# What comes after the seal: evidence and the register's own record, never read to answer a call.
LATER = frozenset({MANIFEST, REPORT, VERSION, "gate.json", "card.md"})
ready(Manifest, Contract, Pipeline, Parity)  # versions are loaded side by side


def put(folder: Path, name: str, record: Record) -> None:
    """Write one of the folder's records, before it is sealed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encode(record))


def seal(
    folder: Path,
    *,
    model: str,
    name: str,
    role: Role,
    format: Format,  # noqa: A002 - the manifest's own word
    task: Task,
    lineage: Lineage,
    inputs: tuple[Column, ...],
    classes: tuple[str, ...] = (),
    library: Library | None = None,
    is_foreign: bool = False,
    is_trusted: bool = False,
) -> Manifest:
    """Write the manifest over every file that lies in the folder; the version's id is its digest."""
    manifest = Manifest(
        model=model,
        name=name,
        role=role,
        format=format,
        task=task,
        lineage=lineage,
        inputs=inputs,
        classes=classes,
        library=library,
        is_foreign=is_foreign,
        is_trusted=is_trusted,
        files={file: _sha256(folder / file) for file in _files(folder)},
    )
    put(folder, MANIFEST, manifest)
    return manifest


def load(
    path: Path,
    version_id: str,
    *,
    prefer_onnx: bool = True,
    native_from_rows: int | None = None,
    is_child: bool = False,
) -> Predictor:
    """The version in the folder as a predictor: compiled where parity passed, else native.

    native_from_rows: batches of so many rows or more go to the native model, which the first of them loads.

    A foreign version's own file answers from a child process (a guest), unless this is one: is_child. Raises StoreError
    naming the file that is missing, changed, or not in the manifest, before anything is loaded.
    """
    manifest = verify(path, version_id)
    pipeline = read_pipeline(path)
    for column in manifest.inputs:
        if column.name not in pipeline.names:
            raise StoreError(f"The manifest in {path} names an input {column.name!r} that its pipeline does not give.")
    try:
        _refuse_other_code(path, version_id, pipeline)
        if prefer_onnx and _may_compile(path, manifest):
            from_rows = None if manifest.is_foreign else native_from_rows  # a guest costs more than it saves
            fast = by_size(compiled(path / ONNX), lambda: _native(path, manifest, is_child=is_child)[0], from_rows)
            return Predictor(version_id, manifest, pipeline, fast, "onnx")
        engine, name = _native(path, manifest, is_child=is_child)
        return Predictor(version_id, manifest, pipeline, engine, name)
    except StoreError:
        raise
    except SpecError as error:
        raise StoreError(
            f"Version {version_id[:6]} in {path} cannot be loaded as {manifest.format}: {error.message}",
            cure=error.cure,
        ) from error
    except Exception as error:
        raise StoreError(
            f"Version {version_id[:6]} in {path} cannot be loaded as {manifest.format}: {error!r}.",
            cure="Install the libraries it was trained with, or train it again.",
        ) from error


def may_run_here(path: Path, manifest: Manifest) -> bool:
    """Whether a serving worker may answer with it inside its own process: code of ours alone, or a checked graph, and no step
    of the user's. What may hang, allocate or crash does so in a child.
    """
    if any(isinstance(step, CustomStep) for step in read_pipeline(path).steps):
        return False
    return manifest.format in ("constant", "rule") or _may_compile(path, manifest)


def _native(path: Path, manifest: Manifest, *, is_child: bool) -> tuple[Engine, EngineName]:
    """The framework's own file: what was trained here in this process, what came from elsewhere as a guest.

    The digests say that neither has changed since. A guest's loader holds every name to the known model libraries once more,
    unless whoever imported it trusted it.
    """
    file = native(path, manifest.format)
    if manifest.is_foreign and not is_child:
        return Guest(file, manifest.format, manifest.inputs, task=manifest.task, trust=manifest.is_trusted), "guest"
    loaded = formats.load(file, manifest.format, trust=manifest.is_trusted or not manifest.is_foreign)
    return formats.engine(loaded, manifest.inputs), manifest.format


def verify(path: Path, version_id: str) -> Manifest:
    """The manifest, once the folder holds exactly the files it lists, with their digests. Raises StoreError."""
    manifest = decode(Manifest, _read(path, MANIFEST))
    if digest(manifest) != version_id:
        raise _broken(path, MANIFEST, f"is not the manifest of version {version_id[:6]}")
    found = set(_files(path))
    for name in sorted(found | set(manifest.files)):
        if name not in found:
            raise _broken(path, name, "is missing")
        if name not in manifest.files:
            raise _broken(path, name, "is not in the manifest")
        if _sha256(path / name) != manifest.files[name]:
            raise _broken(path, name, "has changed since it was sealed")
    return manifest


def read_contract(path: Path) -> Contract:
    """The contract a version was trained under."""
    return decode(Contract, _read(path, CONTRACT))


def read_pipeline(path: Path) -> Pipeline:
    """The feature pipeline of a version, with what it learnt."""
    return decode(Pipeline, _read(path, PIPELINE))


def _refuse_other_code(path: Path, version_id: str, pipeline: Pipeline) -> None:
    """A step of the user's own is code outside the folder: changed under the version, it would be another definition."""
    for step in pipeline.steps:
        if isinstance(step, CustomStep) and step.code is not None and source_digest(step.function) != step.code:
            raise StoreError(
                f"Version {version_id[:6]} in {path} was trained with another {step.function}: the file that holds it has "
                "changed since, and a changed definition is another hash.",
                cure="Restore that file, or train again; give a changed step a name of its own while the version serves.",
                place=step.function,
            )


def _may_compile(path: Path, manifest: Manifest) -> bool:
    if ONNX not in manifest.files or PARITY not in manifest.files:
        return False
    return decode(Parity, _read(path, PARITY)).is_passed


def _files(folder: Path) -> list[str]:
    """Every file under the folder, as posix paths, but for what comes after the seal."""
    names = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())
    return sorted(name for name in names if name not in LATER)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _broken(folder, name, f"cannot be read ({error.strerror})") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _broken(path.parent, path.name, f"cannot be read ({error.strerror})") from error


def _broken(folder: Path, name: str, what: str) -> StoreError:
    return StoreError(
        f"{name} in {folder} {what}.",
        cure="A version is never changed in place: restore the folder from a backup, or train again.",
        place=str(folder / name),
    )
