"""Training: baselines first, then the candidate; each is a sealed folder, a run and a registered version."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats, Matrix, Pipeline, observed, resolve
from lockgate.metrics import SUMMARIES, Loss, loss, skill
from lockgate.records import Contract, Dataset, Lineage, ModelSpec, Parity, Version, digest
from lockgate.records.duration import UNITS_S
from lockgate.records.version import Format, Role
from lockgate.runtime import engines, folder
from lockgate.runtime.convert import compile_checked
from lockgate.runtime.predictor import Engine
from lockgate.store.ports import Records, Tracker, VersionFolders
from lockgate.train import baselines, environment, profile
from lockgate.train.features import Features, check_row_local, definition
from lockgate.train.split import Split, split

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The ports that training writes to."""

    records: Records
    folders: VersionFolders
    tracker: Tracker


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be trained, on what. project: the folder that the user's code lives in."""

    model: str
    spec: ModelSpec
    contract: Contract
    dataset: Dataset
    table: pl.DataFrame
    train: str
    features: str
    name: str | None
    project: Path
    now_s: float


def train(question: Question, outside: Outside, progress: Progress = lambda _: None) -> list[Version]:
    """The versions made, baselines first, the candidate last. Nothing is registered before its folder is in place.

    Raises LeakError or ContractError before anything is trained; SpecError where the user's code gives no estimator.
    """
    return _Training(question, outside, progress).run()


class _Training:
    """One question's rows and fitted features, shared by its baselines and its candidate."""

    def __init__(self, question: Question, outside: Outside, progress: Progress) -> None:
        self._q, self._outside, self._progress = question, outside, progress
        self._loss: Loss = loss(question.spec.metric, question.spec.task)
        found = definition(question.features, question.contract)
        self._name = question.name or found.name
        self._split: Split = split(question.table, question.contract, question.spec)
        target = question.contract.target
        self._y: Floats = self._split.train[target]
        self._y_held: Floats = self._split.held_out[target]
        self._pipeline: Pipeline = found.pipeline.fit(self._split.train, self._y)
        check_row_local(self._pipeline, self._split.train)
        self._x: Matrix = self._pipeline.transform(self._split.train)
        self._x_held: Matrix = self._pipeline.transform(self._split.held_out)
        self._text = frozenset(c.name for c in question.contract.columns if c.type == "text")
        self._environment = environment.installed()
        self._commit, self._is_dirty = environment.commit(question.project)

    def run(self) -> list[Version]:
        made = [self._majority()]
        for step in (self._rule, self._linear, self._candidate):
            best = min(made, key=lambda version: version.metrics[self._loss.name])
            made.append(step(best.id))
        return made

    def _majority(self) -> Version:
        self._progress("baseline majority")
        value = float(self._y.mean())
        return self._make("majority", "baseline", lambda place: ("constant", engines.save_constant(place, value), None))

    def _rule(self, simpler: str) -> Version:
        self._progress("baseline rule")
        fitted = baselines.fit_rule(self._x, self._y, self._pipeline.names, self._q.spec.rule, self._text)
        return self._make(
            "rule", "baseline", lambda place: ("rule", engines.save_rule(place, fitted), None), baseline=simpler
        )

    def _linear(self, simpler: str) -> Version:
        name = "logistic" if self._q.spec.task == "binary" else "ridge"
        self._progress(f"baseline {name}")
        fitted = baselines.fit_linear(self._x, self._y, self._pipeline.names, self._text, self._q.spec.task)
        return self._make(name, "baseline", lambda place: self._saved(place, fitted), baseline=simpler)

    def _candidate(self, baseline: str) -> Version:
        self._progress(f"candidate {self._name}")
        features = Features(pipeline=self._pipeline, contract=self._q.contract)
        fitted = resolve(self._q.train)(self._q.table[self._split.train_rows], features)
        if not hasattr(fitted, "predict"):
            raise SpecError(
                f"{self._q.train} gave {type(fitted).__name__}, which cannot predict.",
                cure="Return a fitted estimator.",
            )
        return self._make(self._name, "candidate", lambda place: self._saved(place, fitted), baseline=baseline)

    def _saved(self, place: Path, fitted: Any) -> tuple[Format, Engine, Parity]:
        kind, engine = engines.save_estimator(place, fitted)
        return (
            kind,
            engine,
            compile_checked(fitted, engine, self._x_held, place, is_binary=self._q.spec.task == "binary"),
        )

    def _make(
        self,
        name: str,
        role: Role,
        save: Callable[[Path], tuple[Format, Engine, Parity | None]],
        *,
        baseline: str | None = None,
    ) -> Version:
        place = Path(tempfile.mkdtemp(prefix="lockgate-version-"))
        try:
            kind, engine, parity = save(place)
            metrics = self._metrics(engine)
            self._describe(place, engine)
            run = self._log_run(name, role, metrics, place)
            manifest = folder.seal(
                place,
                model=self._q.model,
                name=name,
                role=role,
                format=kind,
                task=self._q.spec.task,
                lineage=self._lineage(run),
                inputs=observed(self._pipeline.names, self._x),
            )
            self._outside.folders.add(digest(manifest), place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        version = Version(
            id=digest(manifest),
            model=self._q.model,
            name=name,
            role=role,
            made_s=self._q.now_s,
            lineage=manifest.lineage,
            metrics=metrics,
            parity=parity,
            baseline=baseline,
            held_out_from_s=self._split.cut_s,
        )
        self._outside.records.write(version)
        return version

    def _describe(self, place: Path, engine: Engine) -> None:
        leaning = profile.importance(engine, self._pipeline, self._x_held, self._y_held, self._loss, self._q.spec.seed)
        folder.put(place, folder.CONTRACT, self._q.contract)
        folder.put(place, folder.PIPELINE, self._pipeline)
        folder.put(place, folder.PROFILE, profile.reference(self._split.train, self._q.contract, leaning))

    def _metrics(self, engine: Engine) -> dict[str, float]:
        values = engine(self._x_held)
        own = self._loss.of(values, self._y_held)
        by_day = self._loss.of(self._daily_mean(), self._y_held)
        found = {self._loss.name: float(own.mean()), "skill": skill(float(own.sum()), float(by_day.sum()))}
        found["target_mean"] = float(self._y.mean())
        for metric in SUMMARIES.values():
            if self._q.spec.task in metric.tasks:
                found[metric.name] = metric.of(values, self._y_held)
        return found

    def _daily_mean(self) -> Floats:
        """The mean outcome of each held-out row's own day: what skill is measured against, here and in production."""
        assert self._q.contract.time is not None
        day = np.floor(self._split.held_out[self._q.contract.time] / UNITS_S["d"])
        _, index = np.unique(day, return_inverse=True)
        return (np.bincount(index, weights=self._y_held) / np.bincount(index))[index]

    def _lineage(self, run: str | None) -> Lineage:
        contract = self._q.contract
        asked = self._split.train[contract.time] if contract.time else np.array([np.nan])
        return Lineage(
            dataset=self._q.dataset.ref,
            train=self._q.train,
            features=self._q.features,
            features_hash=self._pipeline.hash,
            commit=self._commit,
            is_dirty=self._is_dirty,
            environment=self._environment,
            seed=self._q.spec.seed,
            run=run,
            trained_from_s=float(asked.min()),
            trained_until_s=self._split.cut_s,
            rows=len(self._y),
        )

    def _log_run(self, name: str, role: Role, metrics: Mapping[str, float], place: Path) -> str | None:
        parameters = {
            "role": role,
            "dataset": str(self._q.dataset.ref),
            "features": self._q.features,
            "features_hash": self._pipeline.hash,
            "train": self._q.train,
            "seed": str(self._q.spec.seed),
            "rows": str(len(self._y)),
        }
        return self._outside.tracker.log_run(
            model=self._q.model, name=name, parameters=parameters, metrics=metrics, folder=place
        )
