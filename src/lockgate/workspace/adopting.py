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
from lockgate.runtime.sample import Agreement, ask_again
from lockgate.runtime.scan import refuse, scan
from lockgate.store import archive as archives
from lockgate.workspace import making
from lockgate.workspace.checking import local

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
    trust: bool,
    seconds: float,
    memory_mb: int,
    progress: Progress,
) -> Version:
    """An archive, a model's file or a URI as a registered version."""
    if archives.is_archive(Path(source)):
        progress("checking every digest")
        return _unpacked(workspace, Path(source), trust=trust)
    if model is None:
        known = sorted(workspace.spec.model)
        if len(known) != 1:
            raise SpecError(
                f"Nothing says whose task {source} answers.", cure=f"Name it: --model {' or '.join(known) or 'MODEL'}."
            )
        model = known[0]
    return _adopted(
        workspace, source, model, name=name, trust=trust, seconds=seconds, memory_mb=memory_mb, progress=progress
    )


def _unpacked(workspace: Workspace, file: Path, *, trust: bool) -> Version:
    """All of the archive's versions: checked against their manifests, and asked their own rows, before any is kept."""
    wiring = workspace.wiring
    with tempfile.TemporaryDirectory(prefix="lockgate-import-") as name:
        room = Path(name) / "versions"
        found = archives.unpack(file, Path(name))
        for version in found.versions:
            manifest = folder.verify(room / version.id, version.id)
            if not trust:
                refuse(scan(native(room / version.id, manifest.format)))
        asked = found.versions[0]
        agreement = _answers_again(room / asked.id, asked.id)
        if not agreement.holds:
            raise StoreError(
                f"{asked.short} answers its own {agreement.rows} rows differently here, by up to {agreement.worst:.2g}.",
                cure="Install the library versions it was made with (its manifest.json names them), and import it again.",
            )
        for version in found.versions:
            wiring.folders.add(version.id, room / version.id)
        wiring.records.write(*found.versions, *found.verdicts)
    return asked


def _answers_again(place: Path, version: str) -> Agreement:
    kept = decode(Sample, (place / folder.SAMPLE).read_bytes())
    return ask_again(folder.load(place, version), folder.read_contract(place), kept)


def _adopted(
    workspace: Workspace,
    source: str,
    model: str,
    *,
    name: str | None,
    trust: bool,
    seconds: float,
    memory_mb: int,
    progress: Progress,
) -> Version:
    from lockgate.runtime.bounded_child import Limits

    wiring, spec = workspace.wiring, workspace.model(model)
    with tempfile.TemporaryDirectory(prefix="lockgate-import-") as room:
        file = local(source, Path(room) / "model")
        asked = making.question(
            wiring,
            spec,
            workspace.contract(model),
            making.newest(wiring, model),
            train=f"{making.ADOPTED}{source}",
            features=None,
            name=name or _name(source),
        )
        limits = Limits(seconds=seconds, memory_mb=memory_mb)
        return making.adopted(wiring, asked, file, trust=trust, limits=limits, progress=progress)


def _name(source: str) -> str:
    """What people will call the version: the file's name, or the model's in its registry."""
    last = source.rstrip("/").split("://")[-1].split(":")[-1].split("@")[0].split("/")
    part = next((p for p in reversed(last) if p and not p.isdigit()), "model")
    stem = part.split(".")[0]
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "model"
