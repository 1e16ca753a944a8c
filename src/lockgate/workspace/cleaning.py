"""Old dataset versions cleaned away: never the newest, never one that a version was trained on."""

from __future__ import annotations

from lockgate.errors import SpecError
from lockgate.records import Dataset, DatasetRef, Record
from lockgate.records.duration import UNITS_S, seconds
from lockgate.store.ports import Cleaned
from lockgate.workspace.dataset_refs import datasets, pinned_by
from lockgate.workspace.wire import Wiring

LEAST_S = UNITS_S["d"]


class CleanedModel(Record, frozen=True, kw_only=True):
    """What went, or would go. versions: dataset versions without rows from then on; pinned: versions as old that stay
    because something was trained on them.
    """

    model: str
    versions: tuple[DatasetRef, ...]
    pinned: tuple[DatasetRef, ...]
    files: int
    size_bytes: int


def clean(wiring: Wiring, model: str, *, older_than: str, dry_run: bool) -> CleanedModel:
    """Delete the rows of versions that are older, unpinned and not the newest; their records stay.

    Raises SpecError for less than a day: a training that is still at work has pinned nothing yet.
    """
    if seconds(older_than) < LEAST_S:
        raise SpecError(
            f"{older_than} is too short: a training that is still at work has pinned nothing yet.",
            cure="Give 1d or more.",
        )
    with wiring.tables.turn(model):
        held = [d for d in datasets(wiring, model) if wiring.tables.is_kept(d.ref)]
        pins, until_s = pinned_by(wiring, model), wiring.clock() - seconds(older_than)
        old = [d for d in held[:-1] if d.written_s < until_s]
        gone = [d for d in old if d.ref not in pins]
        stay = [d for d in held if d not in gone]
        done = wiring.tables.clean(model, [d.ref for d in stay], dry_run=dry_run) if gone else None
        aside = _aside(wiring, model, stay, dry_run=dry_run) if gone else None
    return CleanedModel(
        model=model,
        versions=tuple(d.ref for d in gone),
        pinned=tuple(d.ref for d in old if d.ref in pins),
        files=sum(part.files for part in (done, aside) if part),
        size_bytes=sum(part.size_bytes for part in (done, aside) if part),
    )


def _aside(wiring: Wiring, model: str, stay: list[Dataset], *, dry_run: bool) -> Cleaned:
    kept = [d.aside for d in stay if d.aside is not None and wiring.tables.is_kept(d.aside)]
    return wiring.tables.clean(f"{model}.quarantine", kept, dry_run=dry_run)
