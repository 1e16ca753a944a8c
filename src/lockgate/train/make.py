"""One version made: saved, measured on the held-out rows, described, logged as a run, sealed and registered."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lockgate.features.columns import Columns
from lockgate.features.outcome import one_hot
from lockgate.features.pipeline import Floats, Pipeline, observed
from lockgate.metrics import SUMMARIES, Loss, loss, skill
from lockgate.records import (
    Benchmark,
    Column,
    Library,
    Lineage,
    Parity,
    Version,
    digest,
)
from lockgate.records.archive import Sample
from lockgate.records.duration import UNITS_S
from lockgate.records.usual import text_of
from lockgate.records.version import Format, Role
from lockgate.runtime import folder
from lockgate.runtime.predictor import Engine
from lockgate.runtime.sample import sample
from lockgate.train import environment, profile, usual
from lockgate.train.question import Outside, Question
from lockgate.train.split import Split

Curves = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A model's own file, in the version's folder by now, and its engine; served: the one that will answer calls, where it
    is another.
    """

    format: Format
    engine: Engine
    served: Engine | None = None
    parity: Parity | None = None
    benchmark: Benchmark | None = None
    library: Library | None = None
    is_foreign: bool = False
    is_trusted: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    curves: Curves = field(default_factory=dict[str, Sequence[tuple[int, float]]])


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A version to be. save: puts the model's file into the folder it is given. baseline: the best simpler version. cpu_s:
    what its fit took, None where it was not fitted here.
    """

    name: str
    role: Role
    pipeline: Pipeline
    save: Callable[[Path], Saved]
    baseline: str | None = None
    curve: tuple[tuple[int, float], ...] = ()
    cpu_s: float | None = None


class Maker:
    """Makes versions of one question; their rows are split the same way."""

    def __init__(self, question: Question, outside: Outside, rows: Split) -> None:
        self._q, self._outside, self._rows = question, outside, rows
        self.loss: Loss = loss(question.spec.judged_by, question.spec.task)
        self._environment = environment.installed()
        self._commit, self._is_dirty = environment.commit(question.project)
        self._code = environment.code(question.project)
        self._inputs: dict[str, tuple[Column, ...]] = {}
        self._reference = profile.reference(rows.train, question.contract)
        self._hours = usual.Habits(rows, question.contract, self._reference, question.spec.monitor)

    def make(self, draft: Draft) -> Version:
        """The registered version. Nothing is registered before its folder is in place, and nothing is left half-written."""
        place = Path(tempfile.mkdtemp(prefix="lockgate-version-"))
        try:
            saved = draft.save(place)
            values = np.asarray(saved.engine(draft.pipeline.transform(self._rows.held_out)), dtype=np.float64)
            metrics = self._metrics(values)
            self._describe(place, draft, saved, values)
            run = self._log_run(draft, saved, metrics, place)
            manifest = folder.seal(
                place,
                model=self._q.model,
                name=draft.name,
                role=draft.role,
                format=saved.format,
                task=self._q.spec.task,
                lineage=self._lineage(draft, run),
                inputs=self.inputs(draft.pipeline),
                classes=self._rows.classes,
                library=saved.library,
                is_foreign=saved.is_foreign,
                is_trusted=saved.is_trusted,
            )
            self._outside.folders.add(digest(manifest), place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        version = Version(
            id=digest(manifest),
            model=self._q.model,
            name=draft.name,
            role=draft.role,
            made_s=self._q.now_s,
            lineage=manifest.lineage,
            metrics=metrics,
            parity=saved.parity,
            baseline=draft.baseline,
            held_out=self._rows.record,
            benchmark=saved.benchmark,
            curve=draft.curve,
            cpu_s=draft.cpu_s,
        )
        # For whoever finds the folder without these records, in an MLflow registry say.
        folder.put(self._outside.folders.path(version.id), folder.VERSION, version)
        self._outside.records.write(version)
        return version

    def inputs(self, pipeline: Pipeline) -> tuple[Column, ...]:
        """The columns the model sees: of a raw pipeline the contract's own, else the matrix's with their training ranges."""
        if pipeline.hash not in self._inputs:
            self._inputs[pipeline.hash] = self._inputs_of(pipeline)
        return self._inputs[pipeline.hash]

    def _inputs_of(self, pipeline: Pipeline) -> tuple[Column, ...]:
        if not pipeline.is_raw:
            return observed(pipeline.names, pipeline.matrix(self._rows.train))
        found = (self._q.contract.column(name) for name in pipeline.names)
        return tuple(column for column in found if column is not None)

    def _describe(self, place: Path, draft: Draft, saved: Saved, values: Floats) -> None:
        leaning = profile.importance(
            saved.engine, draft.pipeline, self._rows.held_out, self._rows.y_held, self.loss, self._q.spec.seed
        )
        folder.put(place, folder.CONTRACT, self._q.contract)
        folder.put(place, folder.PIPELINE, draft.pipeline)
        folder.put(place, folder.SAMPLE, self._sample(draft.pipeline, saved.served or saved.engine))
        reference = profile.complete(self._reference, values, leaning)
        folder.put(place, folder.PROFILE, reference)
        (place / folder.USUAL).write_text(text_of(self._hours.of(reference, values)))

    def _sample(self, pipeline: Pipeline, engine: Engine) -> Sample:
        def answer(columns: Columns) -> Floats:
            return np.asarray(engine(pipeline.transform(columns)), dtype=np.float64)

        return sample(self._q.contract, self._rows.held_out, answer)

    def _metrics(self, values: Floats) -> dict[str, float]:
        """On the held-out rows; skill against the base rate of each row's own day, here and in production."""
        rows, own = self._rows, self.loss.of(values, self._rows.y_held)
        base = self.loss.of(self._base(), rows.y_held)
        found = {self.loss.name: float(own.mean()), "skill": skill(float(own.sum()), float(base.sum()))}
        found["target_mean"] = float(rows.y.mean())
        for metric in SUMMARIES.values():
            if self._q.spec.task in metric.tasks:
                found[metric.name] = metric.of(values, rows.y_held)
        return found

    def _base(self) -> Floats:
        rows, time = self._rows, self._q.contract.time
        day = np.zeros(rows.y_held.size) if time is None else np.floor(rows.held_out[time] / UNITS_S["d"])
        _, index = np.unique(day, return_inverse=True)
        is_classes = self._q.spec.task == "multiclass"
        outcomes = one_hot(rows.y_held, len(rows.classes)) if is_classes else rows.y_held[:, None]
        sums = np.column_stack([np.bincount(index, weights=outcome) for outcome in outcomes.T])
        means: Floats = (sums / np.bincount(index)[:, None])[index]
        return means if is_classes else means[:, 0]

    def _lineage(self, draft: Draft, run: str | None) -> Lineage:
        contract = self._q.contract
        asked = self._rows.train[contract.time] if contract.time else None
        return Lineage(
            dataset=self._q.dataset.ref,
            train=self._q.train,
            features=self._q.features or "",
            features_hash=draft.pipeline.hash,
            commit=self._commit,
            is_dirty=self._is_dirty,
            environment=self._environment,
            code=self._code,
            seed=self._q.spec.seed,
            run=run,
            trained_from_s=None if asked is None else float(asked.min()),
            trained_until_s=self._rows.cut_s,
            rows=len(self._rows.y),
        )

    def _log_run(self, draft: Draft, saved: Saved, metrics: Mapping[str, float], place: Path) -> str | None:
        parameters = {
            "role": draft.role,
            "dataset": str(self._q.dataset.ref),
            "features": self._q.features or "the columns themselves",
            "features_hash": draft.pipeline.hash,
            "train": self._q.train,
            "seed": str(self._q.spec.seed),
            "rows": str(len(self._rows.y)),
            "held_out": self._rows.record.kind,
        }
        curves = dict(saved.curves)
        if draft.curve:
            curves["learning_curve"] = draft.curve
        return self._outside.tracker.log_run(
            model=self._q.model,
            name=draft.name,
            parameters={**saved.parameters, **parameters},
            metrics=metrics,
            curves=curves,
            folder=place,
        )
