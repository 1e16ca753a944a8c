"""Baselines, fitted before any candidate: a constant, a rule over few columns, the last period, a linear model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.features.columns import Columns, take
from lockgate.features.levelled import levels_of, present
from lockgate.features.outcome import one_hot
from lockgate.features.pipeline import Floats, LevelsStep, Matrix, NumericStep, Pipeline, levels, numeric, observed
from lockgate.metrics.figures import rounded
from lockgate.records import Contract
from lockgate.records.duration import UNITS_S
from lockgate.records.spec import Task
from lockgate.runtime.formats import engine, estimator
from lockgate.runtime.formats.constant import ConstantFile, constant
from lockgate.runtime.formats.rule import RuleFile, rule
from lockgate.runtime.predictor import Engine
from lockgate.train.cells import SMOOTHINGS, Cells, codes_of, edges_of

if TYPE_CHECKING:
    pass

MANY_LEVELS = 1000
LAST_PART = 20
"""The last period is this part of the training rows' span, in whole days."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Training rows. y: outcomes as numbers. text: names of the columns whose numbers are levels."""

    columns: Columns
    y: Floats
    contract: Contract
    task: Task
    classes: tuple[str, ...]
    loss: str
    _matrices: dict[str, Matrix] = field(default_factory=dict[str, Matrix], repr=False, compare=False)

    def matrix(self, pipeline: Pipeline) -> Matrix:
        """What a pipeline makes of these rows, made once."""
        if pipeline.hash not in self._matrices:
            self._matrices[pipeline.hash] = pipeline.matrix(self.columns)
        return self._matrices[pipeline.hash]

    @property
    def text(self) -> frozenset[str]:
        return frozenset(c.name for c in self.contract.columns if c.type == "text")

    @property
    def outcomes(self) -> Floats:
        """Shape (n, 1), or (n, k) for k classes: what cells are means of."""
        return one_hot(self.y, len(self.classes)) if self.task == "multiclass" else self.y[:, None]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """what: how it answers, in words. made: what is to be saved: a file's record, or an estimator."""

    name: str
    what: str
    pipeline: Pipeline
    engine: Engine
    made: ConstantFile | RuleFile | Any

    def answer(self, columns: Columns) -> Floats:
        return np.asarray(self.engine(self.pipeline.transform(columns)), dtype=np.float64)


def usual(contract: Contract, columns: Columns) -> Pipeline:
    """The columns a baseline reads where nobody says which: numbers as they are, text of at most 1,000 levels.

    Identifiers and times are left out: tomorrow's are new.
    """
    identifiers = {contract.unit, contract.time, *contract.keys}
    asked = [c for c in contract.asked if c.name not in identifiers]
    numbers = [c.name for c in asked if c.type in ("int", "float", "bool")]
    text = [c.name for c in asked if c.type == "text" and _levels(columns[c.name]) <= MANY_LEVELS]
    steps = [numeric(*numbers)] if numbers else []
    return Pipeline.of(*steps, *(levels(name) for name in text))


def fit_constant(rows: Rows, pipeline: Pipeline) -> Baseline:
    """The same answer to everything: the shares of the classes, the mean, or the median where absolute errors count."""
    if rows.task == "regression":
        is_median = rows.loss == "absolute_error"
        value = float(np.median(rows.y) if is_median else rows.y.mean())
        name = "median" if is_median else "mean"
        file, what = ConstantFile(value=value), f"the {name} of the training rows, {rounded(value)}, to everything"
    elif rows.task == "binary":
        name, value = "majority", float(rows.y.mean())
        file, what = ConstantFile(value=value), f"the share of {rows.classes[1]} among the training rows, {value:.3f}"
    else:
        shares = rows.outcomes.mean(axis=0)
        name, file = "majority", ConstantFile(value=tuple(shares.tolist()))
        what = f"the shares of the classes in training; the largest is {rows.classes[int(shares.argmax())]}"
    return Baseline(name=name, what=what, pipeline=pipeline, engine=constant(file), made=file)


def fit_rule(rows: Rows, pipeline: Pipeline, by: tuple[str, ...] = ()) -> Baseline:
    """Cell means, pulled towards the overall mean as far as serves. by: the columns, or none to choose at most two.

    Text is a cell for each level; numbers fall into at most 24 quantile bins.
    """
    for name in by:
        if name not in pipeline.names:
            raise SpecError(unknown("input", name, pipeline.names), cure="Mend `rule` in lockgate.toml.")
    matrix, names = rows.matrix(pipeline), pipeline.names
    edges = [edges_of(matrix[:, i], name in rows.text) for i, name in enumerate(names)]
    codes = [codes_of(matrix[:, i], inner) for i, inner in enumerate(edges)]
    cells = Cells(codes, [len(inner) + 2 for inner in edges], rows.outcomes)
    held = len(matrix) - max(1, len(matrix) // 5)
    chosen = tuple(names.index(name) for name in by) or cells.choose(held)
    file = cells.file(chosen, edges, cells.smoothing(chosen, held), is_scalar=rows.task != "multiclass")
    what = f"the mean outcome of each {' x '.join(names[i] for i in chosen) or 'table'}"
    return Baseline(name="rule", what=what, pipeline=pipeline, engine=rule(file), made=file)


def fit_last_period(rows: Rows) -> Baseline | None:
    """The mean of the last period, by the column that foretold the last one from the one before best; None without time.

    The period is a twentieth of the span of the training rows, a whole day at least.
    """
    if rows.contract.time is None:
        return None
    asked = rows.columns[rows.contract.time]
    first, last = float(asked.min()), float(asked.max())
    days = max(1, round((last - first) / LAST_PART / UNITS_S["d"]))
    starts = last - days * UNITS_S["d"]
    is_last, is_before = asked > starts, (asked <= starts) & (asked > starts - days * UNITS_S["d"])
    known = ~np.isnan(asked)
    if not is_before.any() or not is_last.any():
        return None
    before, newest = np.flatnonzero(is_before & known), np.flatnonzero(is_last)
    best: tuple[float, str | None, float] = (np.inf, None, SMOOTHINGS[0])
    for name in (None, *_groups(rows)):
        pipeline = _group_pipeline(rows, name)
        asked_then, asked_now = (pipeline.matrix(take(rows.columns, place)) for place in (before, newest))
        for smoothing in SMOOTHINGS:
            file = _of_period(rows, before, asked_then, name, smoothing)
            given = rule(file)(asked_now)
            error = float(((given.reshape(len(given), -1) - rows.outcomes[newest]) ** 2).sum())
            best = min(best, (error, name, smoothing), key=lambda found: found[0])
            if name is None:
                break
    _, by, smoothing = best
    pipeline = _group_pipeline(rows, by)
    file = _of_period(rows, newest, pipeline.matrix(take(rows.columns, newest)), by, smoothing)
    per = f", for each {by}" if by else ""
    what = f"the mean outcome of the last {days} {'day' if days == 1 else 'days'} of training{per}"
    return Baseline(name="last_period", what=what, pipeline=pipeline, engine=rule(file), made=file)


def fit_linear(rows: Rows, pipeline: Pipeline, most_rows: int | None = None) -> Baseline:
    """Logistic or ridge regression: medians for missing numbers, levels one-hot, all scaled. most_rows: of the newest."""
    from sklearn.linear_model import LogisticRegression, Ridge

    place = np.arange(len(rows.y))[-most_rows:] if most_rows else np.arange(len(rows.y))
    matrix = rows.matrix(pipeline)[place]
    last: Any = Ridge() if rows.task == "regression" else LogisticRegression(max_iter=300)
    fitted: Any = _prepared(matrix, pipeline.names, rows.text, last)
    fitted.fit(matrix, rows.y[place])
    name = "ridge" if rows.task == "regression" else "logistic"
    what = f"{name} regression on {len(pipeline.names)} columns, levels one-hot, missing numbers by their median"
    return Baseline(
        name=name,
        what=what,
        pipeline=pipeline,
        engine=engine(estimator.of(fitted), observed(pipeline.names, matrix)),
        made=fitted,
    )


def _prepared(matrix: Matrix, names: tuple[str, ...], text: frozenset[str], last: Any) -> Any:
    from sklearn import compose, pipeline
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    make_pipeline: Any = vars(pipeline)["make_pipeline"]  # untyped in scikit-learn
    make_column_transformer: Any = vars(compose)["make_column_transformer"]

    there = [i for i in range(len(names)) if not np.isnan(matrix[:, i]).all()]
    one_of = [i for i in there if names[i] in text]
    numbers = [i for i in there if names[i] not in text]
    # No missing indicator and no limit on categories: neither converts to ONNX, and a baseline is always kept loaded.
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    hot = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(make_column_transformer((scaled, numbers), (hot, one_of)), last)


def _groups(rows: Rows) -> Iterable[str]:
    """Columns whose levels come again and again: the unit, and text."""
    for column in rows.contract.asked:
        if column.name != rows.contract.unit and column.type != "text":
            continue
        values = rows.columns[column.name]
        if column.type in ("text", "int") and 2 <= _levels(values) <= min(MANY_LEVELS, len(values) // 3):
            yield column.name


def _of_period(rows: Rows, place: NDArray[np.int64], matrix: Matrix, by: str | None, smoothing: float) -> RuleFile:
    """Cell means over these rows alone; without `by` one cell for all. matrix: of the group's column, for these rows."""
    edges = [edges_of(matrix[:, 0], is_text=True)]
    outcomes = rows.outcomes[place]
    cells = Cells([codes_of(matrix[:, 0], edges[0])], [len(edges[0]) + 2], outcomes)
    return cells.file((0,) if by else (), edges, smoothing, is_scalar=rows.task != "multiclass")


def _group_pipeline(rows: Rows, by: str | None) -> Pipeline:
    name = by or next(c.name for c in rows.contract.asked if c.type != "time")
    column = rows.contract.column(name)
    assert column is not None
    step: NumericStep | LevelsStep = levels(name, order="name") if column.type == "text" else numeric(name)
    return Pipeline.of(step).fit(rows.columns, rows.y)


def _levels(values: NDArray[Any]) -> int:
    held = levels_of(values)
    if held is not None:
        return sum(level is not None for level in present(held).levels)
    return len({value for value in values.tolist() if value is not None and value == value})
