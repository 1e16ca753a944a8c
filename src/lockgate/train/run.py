"""Training: baselines first, then the candidate; each is a sealed folder, a run and a registered version."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.pipeline import Pipeline, resolve
from lockgate.records import Version
from lockgate.runtime.benchmark import BUDGET_S, benchmark
from lockgate.runtime.compile.checked import compile_checked
from lockgate.runtime.compile.engine import ONNX, Compiled
from lockgate.runtime.formats import engine, estimator, save_model
from lockgate.runtime.formats.constant import ConstantFile, save_constant
from lockgate.runtime.formats.rule import RuleFile, save_rule
from lockgate.runtime.hyperparameters import parameters_of
from lockgate.train import baselines
from lockgate.train.baselines import Baseline, Rows
from lockgate.train.curves import rounds
from lockgate.train.features import Features, check_row_local, definition, refuse_infinite
from lockgate.train.make import Draft, Maker, Saved
from lockgate.train.question import Outside, Progress, Question
from lockgate.train.split import Split, split

PARTS = (0.2,)
PATIENCE_S, BASELINE_BUDGET_S = 5.0, 0.1
"""A learning curve trains again on parts of the rows; a fit that took longer is not repeated for it."""


def train(question: Question, outside: Outside, progress: Progress = lambda _: None) -> list[Version]:
    """The versions made, baselines first, the candidate last. Nothing is registered before its folder is in place.

    Raises LeakError or ContractError before anything is trained; SpecError where the user's code gives no estimator.
    """
    return Training(question, outside, progress).run()


class Training:
    """One question's rows and fitted features, shared by its baselines and its candidate.

    classes: the outcome's labels, where a model that knows more of them than the rows do sets their order.
    """

    def __init__(
        self,
        question: Question,
        outside: Outside,
        progress: Progress,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        self._q, self._progress = question, progress
        found = definition(question.features, question.contract)
        self._name = question.name or found.name
        self.rows: Split = split(question.table, question.contract, question.spec, classes)
        self.pipeline: Pipeline = found.pipeline.fit(self.rows.train, self.rows.y)
        check_row_local(self.pipeline, self.rows.train)
        refuse_infinite(self.pipeline, self.rows.train)
        self._maker = Maker(question, outside, self.rows)

    def run(self) -> list[Version]:
        fit = resolve(self._q.train)
        made = self.baselines()
        self._progress(f"candidate {self._name}")
        began = time.process_time()
        fitted = self._fitted(fit, self.rows.train_rows)
        took_s = time.process_time() - began
        made.append(
            self._maker.make(
                Draft(
                    name=self._name,
                    role="candidate",
                    pipeline=self.pipeline,
                    save=lambda place: self._saved(place, fitted, self.pipeline),
                    baseline=best(made, self._maker.loss.name).id,
                    curve=self._learning(fit, fitted) if took_s <= PATIENCE_S else (),
                    cpu_s=took_s,
                )
            )
        )
        return made

    def baselines(self) -> list[Version]:
        """A constant, a rule, the last period where there is time, and a linear model; each knows the best before it."""
        made: list[Version] = []
        own = self.pipeline
        if own.is_raw:
            own = baselines.usual(self._q.contract, self.rows.train).fit(self.rows.train, self.rows.y)
        for item in each_baseline(self._rows(), own, self._q.spec.rule, self._progress):
            simpler = best(made, self._maker.loss.name).id if made else None
            made.append(self._maker.make(self._draft(item, simpler)))
        return made

    def adopted(self, draft: Draft) -> Version:
        """A version of a model that was fitted elsewhere, on this question's rows."""
        return self._maker.make(draft)

    def _rows(self) -> Rows:
        return Rows(
            columns=self.rows.train,
            y=self.rows.y,
            contract=self._q.contract,
            task=self._q.spec.task,
            classes=self.rows.classes,
            loss=self._maker.loss.name,
        )

    def _draft(self, item: Baseline, simpler: str | None) -> Draft:
        def save(place: Path) -> Saved:
            if isinstance(item.made, ConstantFile):
                return Saved(format="constant", engine=save_constant(place, item.made.value))
            if isinstance(item.made, RuleFile):
                return Saved(format="rule", engine=save_rule(place, item.made))
            return self._saved(place, item.made, item.pipeline, budget_s=BASELINE_BUDGET_S)

        return Draft(name=item.name, role="baseline", pipeline=item.pipeline, save=save, baseline=simpler)

    def _fitted(self, fit: Any, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Any:
        features = Features(
            pipeline=self.pipeline, contract=self._q.contract, task=self._q.spec.task, classes=self.rows.classes
        )
        fitted = fit(self._q.table[places], features)
        if not hasattr(fitted, "predict") and not callable(fitted):
            raise SpecError(
                f"{self._q.train} gave {type(fitted).__name__}, which cannot predict.",
                cure="Return a fitted estimator.",
            )
        return fitted

    def _saved(self, place: Path, fitted: Any, pipeline: Pipeline, budget_s: float = BUDGET_S) -> Saved:
        """The model's file, and the compiled path where it agrees. budget_s: for timing both."""
        kind, loaded = save_model(place, fitted)
        inputs = self._maker.inputs(pipeline)
        native = engine(loaded, inputs)
        held = pipeline.transform(self.rows.held_out)
        parity = compile_checked(loaded, native, inputs, held, place, task=self._q.spec.task)
        compiled = Compiled((place / ONNX).read_bytes()) if parity.is_passed else None
        return Saved(
            format=kind,
            engine=native,
            served=compiled,
            parity=parity,
            benchmark=benchmark(native, compiled, held, budget_s=budget_s),
            library=loaded.library,
            parameters=parameters_of(fitted),
            curves=rounds(fitted),
        )

    def _learning(self, fit: Any, fitted: Any) -> tuple[tuple[int, float], ...]:
        """The held-out loss after training on the newest parts of the rows, and on all of them."""
        held = self.pipeline.transform(self.rows.held_out)
        inputs = self._maker.inputs(self.pipeline)
        found: list[tuple[int, float]] = []
        for part in (*PARTS, 1.0):
            places = self.rows.train_rows[-max(1, round(part * self.rows.train_rows.size)) :]
            try:
                made = fitted if part == 1.0 else self._fitted(fit, places)
                values = engine(estimator.of(made), inputs)(held)
                loss = float(self._maker.loss.of(np.asarray(values, dtype=np.float64), self.rows.y_held).mean())
            except Exception as error:  # noqa: BLE001 - fewer rows may lack a class: the curve then has no such point
                self._progress(f"no point of the learning curve at {places.size:,} rows: {error}")
                continue
            found.append((places.size, loss))
        return tuple(found)


def each_baseline(rows: Rows, pipeline: Pipeline, by: tuple[str, ...], progress: Progress) -> list[Baseline]:
    """Every baseline that these rows allow, simplest first. pipeline: fitted, giving a matrix. by: columns of the rule."""
    progress("baselines: a constant, a rule, the last period, a linear model")
    made = [baselines.fit_constant(rows, pipeline), baselines.fit_rule(rows, pipeline, by)]
    last = baselines.fit_last_period(rows)
    made += [last] if last is not None else []
    return [*made, baselines.fit_linear(rows, pipeline)]


def best(made: list[Version], loss: str) -> Version:
    return min(made, key=lambda version: version.metrics[loss])
