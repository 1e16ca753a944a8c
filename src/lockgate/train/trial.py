"""A recipe tried at past cut-offs: trained on what was known then, judged on what was asked after. Nothing of it is kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, SpecError
from lockgate.features.columns import take
from lockgate.features.contract import to_columns
from lockgate.features.outcome import classes_of, outcome, outcome_or_unseen
from lockgate.features.pipeline import Floats, Pipeline, observed, resolve
from lockgate.metrics import Loss, loss
from lockgate.records import Column
from lockgate.records.duration import UNITS_S
from lockgate.runtime.formats import engine, estimator
from lockgate.runtime.predictor import Engine
from lockgate.train.features import Features, definition
from lockgate.train.question import Progress, Question
from lockgate.train.split import FEWEST, is_missing

DAY_S = UNITS_S["d"]


class Stretch(NamedTuple):
    """Calls asked in [from_s, until_s), event time."""

    from_s: float
    until_s: float


class _Trained(NamedTuple):
    pipeline: Pipeline
    engine: Engine
    classes: tuple[str, ...]


class Trials:
    """One question's rows, and its recipe trained on parts of them. Each training is made once.

    Raises SpecError for a contract without a time: nothing says what was known when.
    """

    def __init__(self, question: Question, progress: Progress) -> None:
        contract = question.contract
        if contract.time is None:
            raise SpecError(f"{contract.model} has no time column, so there are no past cut-offs to try it at.")
        self._q, self._progress = question, progress
        self._columns = to_columns(question.table, contract.columns)
        self._asked: Floats = self._columns[contract.time]
        self._known: Floats = self._columns[contract.known or contract.time]
        self._is_labelled = ~is_missing(self._columns[contract.target])
        self._pipeline = definition(question.features, contract).pipeline
        self._answers: dict[tuple[float, float], _Trained] = {}
        self.measure: Loss = loss(question.spec.judged_by, question.spec.task)

    @property
    def began_s(self) -> float:
        """When the oldest row with an outcome was asked."""
        return float(self._asked[self._is_labelled].min())

    def rows(self, cut_s: float, since_s: float | None) -> int:
        """How many it would be trained on."""
        return int(self._train_rows(cut_s, since_s).size)

    def refusal(self, cut_s: float, since_s: float | None) -> str:
        """Why it cannot be trained there; "" where it can."""
        rows = self._train_rows(cut_s, since_s)
        if rows.size < FEWEST:
            return f"only {rows.size} outcomes to train on; {FEWEST} is the least"
        try:
            classes_of(self._q.contract, take(self._columns, rows), self._q.spec.task)
        except ContractError as error:
            return error.message
        return ""

    def judged(self, over: Stretch) -> NDArray[np.int64]:
        """The places of the rows with an outcome that were asked in the stretch."""
        is_in = self._is_labelled & (self._asked >= over.from_s) & (self._asked < over.until_s)
        return np.flatnonzero(is_in)

    def days(self, over: Stretch) -> tuple[NDArray[np.int64], Floats]:
        """Which day each judged row belongs to, as a place among the days, and how many rows each day has."""
        day = np.floor(self._asked[self.judged(over)] / DAY_S)
        _, place = np.unique(day, return_inverse=True)
        return place.astype(np.int64), np.bincount(place).astype(np.float64)

    def losses(self, cut_s: float, over: Stretch, *, since_s: float | None = None) -> Floats:
        """Per judged row: of the recipe trained on rows asked since `since_s` whose outcome was known before `cut_s`.

        Raises SpecError for answers that are not finite, ContractError for too few rows.
        """
        trained = self._trained(cut_s, since_s)
        rows = self.judged(over)
        asked = take(self._columns, rows)
        values = np.asarray(trained.engine(trained.pipeline.transform(asked)), dtype=np.float64)
        if not np.isfinite(values).all():
            raise SpecError(f"{self._q.train} gave answers that are not finite; nothing can be judged by them.")
        contract, task = self._q.contract, self._q.spec.task
        if task == "multiclass":
            told = outcome_or_unseen(contract, asked, task, trained.classes)
        else:
            told = outcome(contract, asked, task, trained.classes)
        return np.asarray(self.measure.of(values, told), dtype=np.float64)

    def _train_rows(self, cut_s: float, since_s: float | None) -> NDArray[np.int64]:
        is_in = self._is_labelled & (self._known < cut_s) & (self._asked < cut_s)
        if since_s is not None:
            is_in &= self._asked >= since_s
        return np.flatnonzero(is_in)

    def _trained(self, cut_s: float, since_s: float | None) -> _Trained:
        key = (cut_s, -math.inf if since_s is None else since_s)
        if key not in self._answers:
            refusal = self.refusal(cut_s, since_s)
            if refusal:
                raise ContractError(f"{self._q.contract.model} cannot be tried there: {refusal}.")
            self._answers[key] = self._train(self._train_rows(cut_s, since_s))
        return self._answers[key]

    def _train(self, rows: NDArray[np.int64]) -> _Trained:
        contract, task = self._q.contract, self._q.spec.task
        train = take(self._columns, rows)
        classes = classes_of(contract, train, task)
        pipeline = self._pipeline.fit(train, outcome(contract, train, task, classes))
        handed = Features(pipeline=pipeline, contract=contract, task=task, classes=classes)
        self._progress(f"trying the recipe on {rows.size:,} rows")
        fitted = resolve(self._q.train)(self._q.table[rows], handed)
        inputs = observed(pipeline.names, pipeline.matrix(train)) if not pipeline.is_raw else self._raw_inputs(pipeline)
        return _Trained(pipeline, engine(estimator.of(fitted), inputs), classes)

    def _raw_inputs(self, pipeline: Pipeline) -> tuple[Column, ...]:
        found = (self._q.contract.column(name) for name in pipeline.names)
        return tuple(column for column in found if column is not None)
