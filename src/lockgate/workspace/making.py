"""How versions come about in a workspace: trained, trained again the same, adopted; each with its report beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from lockgate.assess.check import Answers, CheckQuestion, report
from lockgate.errors import NotFound, SpecError
from lockgate.features.outcome import outcome
from lockgate.features.pipeline import Pipeline
from lockgate.records import Contract, CurvePoint, Dataset, ModelSpec, Report, Version, decode, encode
from lockgate.records.archive import Sample
from lockgate.records.duration import UNITS_S
from lockgate.runtime import folder
from lockgate.runtime.compile.engine import ONNX, Compiled
from lockgate.runtime.formats import native
from lockgate.runtime.guest import Guest
from lockgate.runtime.predictor import Engine
from lockgate.runtime.sample import Agreement, ask_again
from lockgate.train import adopt
from lockgate.train.make import Draft, Saved
from lockgate.train.question import Outside, Question
from lockgate.train.run import Training, best
from lockgate.train.split import Split, split
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
ADOPTED = "imported from "
"""Begins the `train` of a version that was not trained here; its source follows."""


class Same(NamedTuple):
    """A version made once more. differs: what is not as it was, in words: code, environment, commit."""

    version: Version
    other: Version
    agreement: Agreement
    differs: tuple[str, ...]


def newest(wiring: Wiring, model: str) -> Dataset:
    """The model's newest dataset version. Raises NotFound where there is none."""
    datasets = wiring.records.all(Dataset, model)
    if not datasets:
        raise NotFound(f"{model} has no data yet.", cure=f"Bring a table: lockgate data {model} TABLE")
    return datasets[-1]


def question(
    wiring: Wiring,
    spec: ModelSpec,
    contract: Contract,
    dataset: Dataset,
    *,
    train: str | None,
    features: str | None,
    name: str | None,
    since_s: float | None = None,
) -> Question:
    """since_s: rows asked before are left out. Raises SpecError where nothing says how the model is trained."""
    if train is None:
        raise SpecError(
            f"Nothing says how {contract.model} is trained: `train` is not set.",
            cure=f'Write train = "module:function" under [model.{contract.model}] in lockgate.toml.',
        )
    return Question(
        model=contract.model,
        spec=spec,
        contract=contract,
        dataset=dataset,
        table=_since(wiring.tables.read(dataset.ref), contract, since_s),
        train=train,
        features=features,
        name=name,
        project=wiring.project,
        now_s=wiring.clock(),
    )


def _since(table: pl.DataFrame, contract: Contract, since_s: float | None) -> pl.DataFrame:
    import polars as pl

    if since_s is None or contract.time is None:
        return table
    return table.filter(pl.col(contract.time) >= pl.lit(round(since_s * 1e6)).cast(pl.Datetime("us", "UTC")))


def trained(wiring: Wiring, asked: Question, progress: Progress) -> Version:
    """The candidate, its baselines made before it, its report written beside it."""
    training = Training(asked, _outside(wiring), progress)
    said = redefined(wiring, asked, training.pipeline)
    if said:
        progress(said)
    made = training.run()
    _report(wiring, asked, training.rows, made, progress)
    return made[-1]


def redefined(wiring: Wiring, asked: Question, pipeline: Pipeline) -> str:
    """That the features have another definition than the newest version made by the same function had; "" where not.

    Of a version made before definitions were pinned, code that stands outside the definition may have changed unseen.
    """
    versions = [v for v in wiring.records.all(Version, asked.model) if v.role == "candidate"]
    before = next((v for v in reversed(versions) if v.lineage.features == asked.features), None)
    if before is None:
        return ""
    was = folder.read_pipeline(wiring.folders.path(before.id))
    if was.definition == pipeline.definition:
        return ""
    gone = [name for name in was.names if name not in pipeline.names]
    new = [name for name in pipeline.names if name not in was.names]
    parts = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(new)}"] * bool(new)
    what = f", {' and '.join(parts)}" if parts else ""
    return (
        f"{asked.features} has changed since {before.short}{what}: definition {pipeline.definition[:8]}, then "
        f"{was.definition[:8]}; {before.short} keeps its own"
    )


def same_as(wiring: Wiring, version: Version, spec: ModelSpec, progress: Progress) -> Same:
    """The version's recipe on its own dataset and seed, and whether it answers its own rows as that version did.

    Raises NotFound or StoreError where the dataset is gone or another, SpecError for a version that was not trained here.
    """
    made = version.lineage
    if made.train.startswith(ADOPTED):
        raise SpecError(f"{version.short} was not trained here: {made.train}.", cure="Import its file again.")
    dataset = next((d for d in wiring.records.all(Dataset, version.model) if d.ref == made.dataset), None)
    if dataset is None:
        raise NotFound(f"The dataset {made.dataset} of {version.short} is not in this workspace.")
    contract = wiring.contract(version.id)
    asked = question(
        wiring,
        _with_seed(spec, version),
        contract,
        dataset,
        train=made.train,
        features=made.features or None,
        name=version.name,
        # A version that was trained on a window has no older row; of any other this leaves out what was not trained on.
        since_s=made.trained_from_s if made.trained_until_s is not None else None,
    )
    other = trained(wiring, asked, progress)
    agreement = agrees(wiring, other.id, kept_by=version.id)
    return Same(version, other, agreement, tuple(_differs(version, other)))


def adopted(
    wiring: Wiring,
    asked: Question,
    file: Path,
    terms: adopt.Terms,
    progress: Progress,
) -> Version:
    """A model fitted elsewhere as a version, after the baselines on the same rows; its own file runs in a child alone."""
    rows = split(asked.table, asked.contract, asked.spec)
    room = Path(tempfile.mkdtemp(prefix="lockgate-adopt-"))
    try:
        found = adopt.look(file, room, asked.contract, rows, asked.spec.task, terms, progress)
        training = Training(asked, _outside(wiring), progress, classes=found.classes)
        made = training.baselines()

        def save(place: Path) -> Saved:
            shutil.copytree(room, place, dirs_exist_ok=True)
            return Saved(
                format=found.format,
                engine=_foreign(place, found, trust=terms.trust),
                parity=found.parity,
                benchmark=found.benchmark,
                library=found.library,
                is_foreign=True,
                is_trusted=terms.trust,
                parameters=found.parameters,
            )

        progress(f"version {asked.name}")
        baseline = best(made, asked.spec.judged_by).id
        draft = Draft(
            name=asked.name or file.stem, role="candidate", pipeline=found.pipeline, save=save, baseline=baseline
        )
        made.append(training.adopted(draft))
    finally:
        shutil.rmtree(room, ignore_errors=True)
    _report(wiring, asked, training.rows, made, progress)
    return made[-1]


def agrees(wiring: Wiring, version: str, *, kept_by: str) -> Agreement:
    """What a version says now of the rows that `kept_by` answered when it was made."""
    kept = decode(Sample, (wiring.folders.path(kept_by) / folder.SAMPLE).read_bytes())
    return ask_again(wiring.predictor(version), wiring.contract(kept_by), kept)


def report_of(wiring: Wiring, version: str) -> Report | None:
    """The report written when the version was made; None where there is none."""
    place = wiring.folders.path(version) / folder.REPORT
    return decode(Report, place.read_bytes()) if place.is_file() else None


def _foreign(place: Path, found: adopt.Described, *, trust: bool) -> Engine:
    """The engine of a model from elsewhere: compiled where it agrees, else a child process."""
    if found.parity.is_passed:
        return Compiled((place / ONNX).read_bytes())
    return Guest(native(place, found.format), found.format, found.inputs, trust=trust)


def _outside(wiring: Wiring) -> Outside:
    return Outside(records=wiring.records, folders=wiring.folders, tracker=wiring.tracker)


def _with_seed(spec: ModelSpec, version: Version) -> ModelSpec:
    return msgspec.structs.replace(spec, seed=version.lineage.seed)


def _differs(version: Version, other: Version) -> list[str]:
    was, now = version.lineage, other.lineage
    found = [f"{place} has changed" for place in was.code if now.code.get(place) != was.code[place]]
    if was.commit != now.commit:
        found.append(f"commit {(was.commit or 'none')[:12]} then, {(now.commit or 'none')[:12]} now")
    if was.environment != now.environment:
        found.append("other library versions are installed")
    return found


def _report(wiring: Wiring, asked: Question, rows: Split, made: list[Version], progress: Progress) -> None:
    """report.json in the candidate's folder: what `lockgate check` would say of it, on its held-out rows."""
    version, contract = made[-1], asked.contract
    predictor = wiring.predictor(version.id)
    progress(f"looking at {version.short}")
    day = None if contract.time is None else np.floor(rows.held_out[contract.time] / UNITS_S["d"]).astype(np.int64)
    rivals = tuple(
        Answers(
            name=other.name,
            what=f"version {other.short}",
            values=wiring.predictor(other.id).predict(rows.held_out).values,
        )
        for other in made[:-1]
    )
    found = report(
        CheckQuestion(
            name=version.short,
            task=asked.spec.task,
            target=contract.target,
            classes=rows.classes,
            format=predictor.manifest.format,
            library=predictor.manifest.library,
            contract=contract,
            columns=rows.held_out,
            inputs=predictor.pipeline.needs,
            outcome=outcome(contract, rows.held_out, asked.spec.task, rows.classes),
            values=predictor.predict(rows.held_out).values,
            rivals=rivals,
            block=day if day is not None else _groups(rows),
            by="day" if day is not None else rows.record.by or "row",
            split=rows.words,
            rows=asked.table.height,
            metric=asked.spec.metric,
            slices=asked.spec.gate.slices or None,
            trained_on=rows.train,
            trained_outcome=rows.y,
            benchmark=version.benchmark,
            parity=version.parity,
            curve=tuple(CurvePoint(rows=n, loss=value) for n, value in version.curve),
            seed=asked.spec.seed,
            now_s=asked.now_s,
        ),
        progress,
    )
    (wiring.folders.path(version.id) / folder.REPORT).write_bytes(encode(found))


def _groups(rows: Split) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    if rows.record.by is None:
        return None
    _, place = np.unique(np.array([str(v) for v in rows.held_out[rows.record.by].tolist()]), return_inverse=True)
    return place.astype(np.int64)
