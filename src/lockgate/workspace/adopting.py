"""Versions that come and go: archives between workspaces, models' files, and MLflow's models."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.errors import SpecError, StoreError
from lockgate.records import Verdict, Version, decode
from lockgate.records.archive import Archive, Sample
from lockgate.runtime import folder
from lockgate.runtime.formats import native
from lockgate.runtime.sample import ask_again
from lockgate.runtime.scan import refuse, scan
from lockgate.store import archive as archives
from lockgate.store.mlflow_models import own_version
from lockgate.store.mlflow_place import MlflowPlace
from lockgate.train.adopt import Terms
from lockgate.workspace import making, mirror
from lockgate.workspace.checking import local, own_file

if TYPE_CHECKING:
    from lockgate.workspace.workspace import Workspace

Progress = Callable[[str], None]


def export(workspace: Workspace, version: Version, target: Path) -> Path:
    """Every file is checked against its manifest before it is packed."""
    wiring = workspace.wiring
    versions = [version]
    while versions[-1].baseline is not None:
        versions.append(workspace.version(versions[-1].baseline))
    folders = {f"versions/{v.id}": wiring.folders.path(v.id) for v in versions}
    for v in versions:
        folder.verify(wiring.folders.path(v.id), v.id)
    ids = {v.id for v in versions}
    files = archives.files_of(folders)
    made = Archive(
        model=version.model,
        spec=workspace.model(version.model),
        versions=tuple(versions),
        verdicts=tuple(
            v for v in wiring.records.all(Verdict, version.model) if v.rollout is None and set(v.subject) <= ids
        ),
        files=archives.digests(files),
    )
    archives.pack(made, files, target)
    return target


def bring(
    workspace: Workspace,
    source: str,
    *,
    model: str | None,
    name: str | None,
    terms: Terms,
    progress: Progress,
) -> Version:
    """An archive, a model's file or a URI as a registered version."""
    if archives.is_archive(Path(source)):
        progress("checking every digest")
        return _unpacked(workspace, Path(source), trust=terms.trust)
    return _adopted(workspace, source, model, name=name, terms=terms, progress=progress)


def _unpacked(workspace: Workspace, file: Path, *, trust: bool) -> Version:
    """All of the archive's versions: checked against their manifests, and asked their own rows, before any is kept."""
    with tempfile.TemporaryDirectory(prefix="lockgate-import-") as name:
        room = Path(name) / "versions"
        found = archives.unpack(file, Path(name))
        return _kept(workspace, [(v, room / v.id) for v in found.versions], found.verdicts, trust=trust)


def _sealed(workspace: Workspace, place: Path, room: Path, *, trust: bool) -> Version:
    """A version that Lockgate registered in MLflow, and the baselines behind it that the same registry holds."""
    registry = workspace.wiring.registry
    found: list[tuple[Version, Path]] = []
    while True:
        version = decode(Version, (place / folder.VERSION).read_bytes())
        found.append((version, place))
        held = registry.read(version.model).versions
        number = next((n for n, tags in held.items() if tags.get(mirror.ID) == version.baseline), None)
        if version.baseline is None or number is None:
            return _kept(workspace, found, (), trust=trust)
        beside = own_version(_fetched(workspace, f"models:/{version.model}/{number}", room / number))
        if beside is None:
            return _kept(workspace, found, (), trust=trust)
        place = beside


def _kept(
    workspace: Workspace, found: list[tuple[Version, Path]], verdicts: tuple[Verdict, ...], *, trust: bool
) -> Version:
    """The first of the versions, once all of them are what they say, and it answers its own rows as it did."""
    wiring = workspace.wiring
    for version, place in found:
        manifest = folder.verify(place, version.id)
        if not trust:
            refuse(scan(native(place, manifest.format)))
    asked, place = found[0]
    kept = decode(Sample, (place / folder.SAMPLE).read_bytes())
    agreement = ask_again(folder.load(place, asked.id), folder.read_contract(place), kept)
    if not agreement.holds:
        raise StoreError(
            f"{asked.short} answers its own {agreement.rows} rows differently here, by up to {agreement.worst:.2g}.",
            cure="Install the library versions it was made with (its manifest.json names them), and import it again.",
        )
    for version, own in found:
        wiring.folders.add(version.id, own)
    wiring.records.write(*(version for version, _ in found), *verdicts)
    return asked


def _fetched(workspace: Workspace, source: str, into: Path) -> Path:
    wiring = workspace.wiring
    place = MlflowPlace.of(workspace.spec.mlflow, wiring.project, wiring.home)
    return local(source, into, tracking_uri=place.uri, registry_uri=place.registry_uri)


def _adopted(
    workspace: Workspace,
    source: str,
    model: str | None,
    *,
    name: str | None,
    terms: Terms,
    progress: Progress,
) -> Version:
    wiring = workspace.wiring
    with tempfile.TemporaryDirectory(prefix="lockgate-import-") as room:
        found = _fetched(workspace, source, Path(room) / "model")
        sealed = own_version(found) if (found / "MLmodel").is_file() else None
        if sealed is not None:
            progress("checking every digest")
            return _sealed(workspace, sealed, Path(room), trust=terms.trust)
        if model is None:
            model = _only_model(workspace, source)
        spec = workspace.model(model)
        asked = making.question(
            wiring,
            spec,
            workspace.contract(model),
            making.newest(wiring, model),
            train=f"{making.ADOPTED}{source}",
            features=None,
            name=name or _name(source),
        )
        return making.adopted(wiring, asked, own_file(found), terms, progress)


def _only_model(workspace: Workspace, source: str) -> str:
    known = sorted(workspace.spec.model)
    if len(known) != 1:
        raise SpecError(
            f"Nothing says whose task {source} answers.", cure=f"Name it: --model {' or '.join(known) or 'MODEL'}."
        )
    return known[0]


def _name(source: str) -> str:
    """What people will call the version: the file's name, or the model's in its registry."""
    last = source.rstrip("/").split("://")[-1].split(":")[-1].split("@")[0].split("/")
    part = next((p for p in reversed(last) if p and not p.isdigit()), "model")
    stem = part.split(".")[0]
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "model"
