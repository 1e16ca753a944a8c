"""How people refer to a dataset version: MODEL, MODEL@3, MODEL@3#1f0c9a2b, MODEL@2026-11-01T00:00:00Z."""

from __future__ import annotations

from datetime import UTC, datetime

from lockgate.errors import NotFound, SpecError, unknown
from lockgate.records import Dataset, DatasetRef, Version
from lockgate.report.words import when
from lockgate.workspace.wire import Wiring


def datasets(wiring: Wiring, model: str | None = None) -> list[Dataset]:
    """In the order they were made."""
    return wiring.records.all(Dataset, model)


def dataset(wiring: Wiring, ref: str | DatasetRef) -> Dataset:
    """Raises NotFound for what refers to nothing, with the nearest that does; SpecError for what is no reference."""
    if isinstance(ref, DatasetRef):
        found = next((d for d in datasets(wiring) if d.ref == ref), None)
        if found is None:
            raise NotFound(
                f"There is no dataset {ref} in this workspace.", cure=f"See them: lockgate data ls {ref.table}"
            )
        return found
    model, _, rest = ref.partition("@")
    own = _own(wiring, model)
    if not rest:
        return own[-1]
    number, _, digest = rest.partition("#")
    return _as_of(own, model, rest) if not number.isdecimal() else _numbered(own, ref, int(number), digest)


def pinned_by(wiring: Wiring, model: str | None = None) -> dict[DatasetRef, tuple[str, ...]]:
    """The versions that were trained on each dataset version, by what people call them."""
    found: dict[DatasetRef, tuple[str, ...]] = {}
    for version in wiring.records.all(Version, model):
        pin = version.lineage.dataset
        found[pin] = (*found.get(pin, ()), version.short)
    return found


def _own(wiring: Wiring, model: str) -> list[Dataset]:
    own = datasets(wiring, model)
    if own:
        return own
    if model in wiring.spec.model:
        raise NotFound(f"{model} has no data yet.", cure=f"Bring a table: lockgate data {model} TABLE")
    raise NotFound(unknown("model", model, {*wiring.spec.model, *(d.model for d in datasets(wiring))}))


def _numbered(own: list[Dataset], ref: str, number: int, digest: str) -> Dataset:
    found = [d for d in own if d.ref.version == number and d.ref.digest.startswith(digest)]
    if not found:
        known = [str(d.ref) if digest else f"{d.model}@{d.ref.version}" for d in own]
        raise NotFound(unknown("dataset", ref, known), cure=f"See them: lockgate data ls {own[0].model}")
    return found[-1]


def _as_of(own: list[Dataset], model: str, text: str) -> Dataset:
    """The newest version as it was at that moment, by when versions were written."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(
            f"{model}@{text} is no dataset version and no moment.",
            cure=f"Write {model}@3, {model}@3#1f0c9a2b or {model}@2026-11-01T00:00:00Z.",
        ) from error
    if moment.tzinfo is None:
        raise SpecError(
            f"{text} says no zone.", cure=f"Write it in UTC: {text}Z" if "T" in text else f"{text}T00:00:00Z"
        )
    before = [d for d in own if d.written_s <= moment.timestamp()]
    if not before:
        said = when(own[0].written_s)
        raise NotFound(
            f"{model} had no data yet at {moment.astimezone(UTC).isoformat()}.", cure=f"Its first came {said}."
        )
    return max(before, key=lambda d: d.written_s)
