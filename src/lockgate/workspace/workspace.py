"""The workspace: one directory that holds it all; every command is a method with the same words, returning a record."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lockgate.assess.gate import GateQuestion, gate
from lockgate.errors import NotFound, SpecError
from lockgate.features.contract import to_columns
from lockgate.records import (
    Dataset,
    DatasetDiff,
    DatasetRef,
    Outcome,
    Prediction,
    Report,
    Retraining,
    Routing,
    SkewReport,
    Spend,
    Verdict,
    Version,
)
from lockgate.records.feature_worth import FeatureTable
from lockgate.report import now
from lockgate.report import why as reasons
from lockgate.report.card import card
from lockgate.runtime.bounded_child import Limits
from lockgate.runtime.predictor import Predictor
from lockgate.serve.batch import from_columns
from lockgate.serve.outcomes import outcome, outcome_of_unit
from lockgate.store.ports import Taken
from lockgate.train.adopt import Terms
from lockgate.workspace import (
    ablating,
    adopting,
    budget,
    cleaning,
    config,
    dataset_refs,
    making,
    noticing,
    retraining,
    retraining_plans,
    scoring,
    skewing,
    taking,
)
from lockgate.workspace import datasets as sets
from lockgate.workspace import mirror as mirrors
from lockgate.workspace.again import Again, again
from lockgate.workspace.alarming import Alarming
from lockgate.workspace.cleaning import CleanedModel
from lockgate.workspace.completing import complete
from lockgate.workspace.dataplane import DataPlane
from lockgate.workspace.loop import Loop, Ticked
from lockgate.workspace.mirror import Mirrored
from lockgate.workspace.opened import person
from lockgate.workspace.retraining_plans import RetrainingPlan
from lockgate.workspace.scoring import Options, ScoredTable
from lockgate.workspace.traffic import Traffic
from lockgate.workspace.wire import Clock, Wiring, wire

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
ROWS_AT_ONCE = 5_000
BATCH_HANGS_S = 300.0
RETRAINED = ("window of training", "recipe")  # verdicts that a retrained version's card tells beside its gate's


class Workspace(Alarming, Traffic):
    """Open one with `Workspace.open`. Not for several threads at once; several processes may share the directory."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._loop = Loop(wiring)
        self._plane: DataPlane | None = None

    @classmethod
    def open(cls, directory: str | Path = ".", *, clock: Clock = time.time) -> Workspace:
        """The workspace of a project folder. Raises NotFound without a lockgate.toml, ConfigError where it is wrong."""
        project = Path(directory).resolve()
        spec = config.read(config.find(project))
        _put_on_path(project)
        return cls(wire(project, spec, clock))

    def data(self, model: str, table: Any = None, *, sql: str | None = None, connection: str | None = None) -> Dataset:
        """The table, held to its contract, as the model's next dataset version; breaking rows are set aside and counted.

        table: a file, a Delta folder, a pandas or Polars frame, a pyarrow table; or sql and connection, a query and the
        address of the database it is asked of. The first table makes the contract; later ones are held to it. The same
        rows as the newest version holds, in any order, are that version.
        """
        brought = sets.bring_either(table, sql, connection)
        return sets.add(self._wiring, model, self.model(model), brought).dataset

    def datasets(self, model: str | None = None) -> list[Dataset]:
        """The model's dataset versions, or everybody's, oldest first."""
        return dataset_refs.datasets(self._wiring, None if model is None else self.known(model))

    def dataset(self, ref: str | DatasetRef) -> Dataset:
        """By MODEL (the newest), MODEL@3, MODEL@3#1f0c9a2b or MODEL@2026-11-01T00:00:00Z (as it was then)."""
        return dataset_refs.dataset(self._wiring, ref)

    def table(self, ref: str | DatasetRef) -> pl.DataFrame:
        """The rows of a dataset version, every digest checked. Raises NotFound where they were cleaned away."""
        return self._wiring.tables.read(self.dataset(ref).ref)

    def diff(self, before: str | DatasetRef, after: str | DatasetRef) -> DatasetDiff:
        """What differs between two dataset versions of one model: rows, schema, profile."""
        return sets.diff(self._wiring, self.dataset(before), self.dataset(after))

    def clean(self, model: str, *, older_than: str = "30d", dry_run: bool = False) -> CleanedModel:
        """Delete the rows of old dataset versions: never the newest, never one that a version was trained on."""
        return cleaning.clean(self._wiring, self.known(model), older_than=older_than, dry_run=dry_run)

    def train(
        self,
        model: str,
        *,
        features: str | None = None,
        train_with: str | None = None,
        name: str | None = None,
        progress: Progress = lambda _: None,
    ) -> Version:
        """Baselines, then the candidate, on the newest dataset version. Returns the candidate; `report` says the rest.

        features: left out here and in lockgate.toml, the model is handed the columns themselves.
        """
        spec = self.model(model)
        asked = making.question(
            self._wiring,
            spec,
            self.contract(model),
            making.newest(self._wiring, model),
            train=train_with or spec.train,
            features=features or spec.features,
            name=name,
        )
        return making.trained(self._wiring, asked, progress)

    def train_same(self, version: Version | str, *, progress: Progress = lambda _: None) -> making.Same:
        """The version's recipe once more, on its own dataset and seed, and whether the answers are the same."""
        asked = self.version(version) if isinstance(version, str) else version
        return making.same_as(self._wiring, asked, self.model(asked.model), progress)

    def import_(
        self,
        source: str | Path,
        *,
        model: str | None = None,
        name: str | None = None,
        columns: Sequence[str] = (),
        trust: bool = False,
        seconds: float = 600.0,
        memory_mb: int = 8192,
        progress: Progress = lambda _: None,
    ) -> Version:
        """A version from elsewhere: an archive that `export` wrote, a model's file, or an MLflow URI.

        model: whose task it answers, for a model's file; its table must be here already. columns: what the model reads, in
        its order, where its file names none. trust: load a pickle that names
        more than known model libraries. Nothing is kept unless all of it is.
        """
        terms = Terms(columns=tuple(columns), trust=trust, limits=Limits(seconds=seconds, memory_mb=memory_mb))
        return adopting.bring(self, str(source), model=model, name=name, terms=terms, progress=progress)

    def predictor(self, version: Version | str) -> Predictor:
        """The version, loaded once per process: `predict(columns)` answers, as does `lg.testing.assert_parity`."""
        asked = self.version(version) if isinstance(version, str) else version
        return self._wiring.predictor(asked.id)

    def export(self, version: Version | str, file: str | Path) -> Path:
        """One archive with the version, the baselines behind it, and their evidence; `import_` reads it elsewhere."""
        asked = self.version(version) if isinstance(version, str) else version
        return adopting.export(self, asked, Path(file))

    def report(self, version: Version | str) -> Report | None:
        """What was found out about a version when it was made."""
        asked = self.version(version) if isinstance(version, str) else version
        return making.report_of(self._wiring, asked.id)

    def features(
        self, version: Version | str, *, quick: bool = False, progress: Progress = lambda _: None
    ) -> FeatureTable:
        """What each feature of a version costs, and what the model loses without it; `quick`: shuffled, not trained again."""
        asked = self.version(version) if isinstance(version, str) else version
        return ablating.features_of(self._wiring, asked, self.model(asked.model), quick=quick, progress=progress)

    def gate(self, version: Version | str) -> list[Verdict]:
        """The version against its baseline and the champion, on the rows held out when it was trained."""
        asked = self.version(version) if isinstance(version, str) else version
        routing = self._wiring.records.get(Routing, asked.model)
        others = {"baseline": asked.baseline, "champion": routing.champion if routing else None}
        named = {name: other for name, other in others.items() if other is not None and other != asked.id}
        question = GateQuestion(
            version=asked,
            spec=self.model(asked.model),
            contract=self._wiring.contract(asked.id),
            table=self._wiring.tables.read(asked.lineage.dataset),
            predictor=self._wiring.predictor(asked.id),
            others={name: self._wiring.predictor(other) for name, other in named.items()},
            now_s=self._wiring.clock(),
        )
        held = {v.id: v for v in self._wiring.records.all(Verdict, asked.model)}
        self._spend(asked.model, budget.of_gates(asked, self.model(asked.model).gate, named, **self._now(asked.model)))
        # A gate that has spoken stands: asking again is no second look.
        found = [held.get(v.id, v) for v in gate(question)]
        self._wiring.records.write(*(v for v in found if v.id not in held))
        retrained = [v for v in held.values() if v.gate.name in RETRAINED and v.subject[:1] == (asked.id,)]
        self._put_evidence(asked, [*found, *retrained])
        return found

    def retrain(
        self,
        model: str,
        *,
        window: str | None = None,
        now: bool = False,
        begun: str | None = None,
        by: str | None = None,
        progress: Progress = lambda _: None,
    ) -> Retraining:
        """The champion's recipe on what has turned out since, gated; the record says on which window, why, and what next.

        window: instead of comparing those of lockgate.toml. now: also where a cooldown, a rollout or want of anything new
        holds it back. begun: the id of one that the loop wrote down. Raises Conflict where it is held back.
        """
        asked = retraining.Asked(window=window, now=now, begun=begun, by=by or person())
        return retraining.retrain(self, model, asked, progress)

    def push(self, model: str, *, by: str) -> Retraining:
        """A retraining asked for from outside, for the loop to begin. Raises SpecError where `retrain.when` has no "push",
        Conflict where something holds it back.
        """
        return retraining.push(self, model, by=by)

    def retraining_plan(self, model: str, *, window: str | None = None) -> RetrainingPlan:
        """Why a retraining would begin now, or not; on which rows and windows, and what waiting and training cost."""
        return retraining_plans.plan(self, model, window=window)

    def score(self, model: str, table: pl.DataFrame, *, prefix: str) -> list[Prediction]:
        """A table's rows as calls like any others: routed, answered, logged, shadowed. ids begin with `prefix`."""
        plane = self.plane
        plane.refresh()
        served = plane.model(model)
        columns, now_s = to_columns(table, served.contract.sent), self._wiring.clock()
        batch = from_columns(columns, served.contract, prefix=prefix, now_s=now_s, completing=served.completing)
        found = [prediction for part in batch.parts(ROWS_AT_ONCE) for prediction in served.caller.score(part)]
        plane.say_windows()
        return found

    def events(self, source: str, events: pl.DataFrame | Iterable[Mapping[str, object]]) -> Taken:
        """Events of a source, kept: a table of them, or rows as mappings. The same again is counted, and kept once.

        Raises NotFound, ContractError naming the event and its column, Conflict for an id with another content.
        """
        return taking.take(self._wiring, source, events)

    def completed(
        self, model: str, table: pl.DataFrame, *, events: Mapping[str, pl.DataFrame] | None = None
    ) -> pl.DataFrame:
        """The table with the model's aggregates, as they were known at each row's own time; nothing is kept of it.

        events: by source, instead of those that are kept. Raises as `data` does for a table that cannot be completed.
        """
        return complete(self._wiring, model, table, given=events).table

    def score_table(
        self,
        table: str | Path,
        out: str | Path,
        *,
        model: str | None = None,
        options: Options | None = None,
        tell: Callable[[scoring.Progress], None] = lambda _: None,
    ) -> ScoredTable:
        """A table larger than memory, scored into another: a Parquet or CSV file or a Delta folder, by its name. Its rows
        are calls like any others; what is finished stays, and the same call goes on behind it.

        model: left out where the workspace has one. tell: told after each shard.
        """
        name = self._only_model() if model is None else model
        self.model(name)
        return scoring.score_table(self._wiring, name, Path(table), Path(out), options or Options(), tell)

    def outcomes(self, model: str, told: list[tuple[str, float, float]]) -> int:
        """Outcomes as (prediction id, value, seconds since 1970 when it came true). Returns how many were kept."""
        task, now_s = self.model(model).task, self._wiring.clock()
        found: list[Outcome] = [outcome(i, v, at_s, model=model, task=task, now_s=now_s) for i, v, at_s in told]
        self.plane.log.append(found)
        return len(found)

    def unit_outcomes(self, model: str, told: list[tuple[str, str, float, float]]) -> int:
        """What came of units, as (unit, metric, value, seconds since 1970 when it did). Returns how many were kept."""
        metrics, now_s = self.model(model).metrics_by_unit, self._wiring.clock()
        found = [outcome_of_unit(u, m, v, at_s, model=model, metrics=metrics, now_s=now_s) for u, m, v, at_s in told]
        self.plane.log.append(found)
        return len(found)

    def skew(
        self,
        model: str,
        *,
        rows: int = skewing.ROWS,
        since_s: float | None = None,
        table: pl.DataFrame | None = None,
        name: str = "the table",
    ) -> SkewReport:
        """The newest logged calls, replayed through the table path and laid beside a table, where one is given.

        since_s: of event time; left out, as far back as it takes. name: what the table is called in sentences.
        """
        self.model(model)
        until_s = self.event_s(model)
        calls = skewing.newest(self._wiring.log, model, rows=rows, until_s=until_s, since_s=since_s)
        return skewing.skew(self._wiring, model, calls, table=table, name=name)

    def mirror(self) -> Mirrored:
        """What the workspace says, shown in MLflow's registry: versions, verdicts as tags, aliases."""
        wiring = self._wiring
        owner = mirrors.owner_of(wiring.home)
        return mirrors.mirror(wiring.records, wiring.folders, wiring.registry, owner=owner, spec=self.spec.mlflow)

    def tick(self) -> Ticked:
        """One turn of the loop, as `lockgate watch --once` does it."""
        return self._loop.tick()

    def status(self) -> list[now.Row]:
        """How every model that serves is doing, as the page **Now** shows it."""
        channels, service = tuple(noticing.down(self._wiring)), self.service()
        rows = now.rows(self._wiring.records)
        return [msgspec.structs.replace(row, channels=channels, service=service) for row in rows]

    def why(self, name: str) -> reasons.Why:
        """The sentence and the evidence behind a verdict, move, alarm, rollout or version. Raises NotFound."""
        return reasons.why(self._wiring.records, name)

    def again(self, name: str) -> Again:
        """A rollout's verdict made again from the log, and whether it came out the same to the bit. Raises NotFound."""
        found = self._wiring.records.get(Verdict, name)
        if found is None:
            raise NotFound(f"There is no verdict {name!r}.", cure="Ids of verdicts stand in: lockgate why ROLLOUT")
        return again(self._wiring, found)

    @property
    def plane(self) -> DataPlane:
        if self._plane is None:
            self._plane = DataPlane(self._wiring.home, hangs_s=BATCH_HANGS_S, forgets=False)
        return self._plane

    def close(self) -> None:
        if self._plane is not None:
            self._plane.say_windows()
            self._plane.log.close()
            self._plane = None

    def _only_model(self) -> str:
        names = sorted(self.spec.model)
        if len(names) != 1:
            raise SpecError(f"There are {len(names)} models: {', '.join(names)}.", cure="Say which one: --model NAME.")
        return names[0]

    def _spend(self, model: str, draws: list[Spend]) -> None:
        """Before the first look: what the gates may be wrong by is drawn, or nothing begins."""
        self._wiring.records.spend(self.model(model).budget, *draws)

    def _put_evidence(self, version: Version, verdicts: list[Verdict]) -> None:
        """gate.json and card.md: evidence that comes after the seal, for people; nothing reads it to answer a call."""
        folder = self._wiring.folders.path(version.id)
        (folder / "gate.json").write_bytes(msgspec.json.encode(verdicts))
        (folder / "card.md").write_text(
            card(version, self._wiring.contract(version.id), verdicts, self.report(version))
        )


def _put_on_path(project: Path) -> None:
    """The user's own modules are importable, and stay so: feature steps are imported when they first run."""
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
