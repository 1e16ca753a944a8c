"""Reports to draw: models fitted on scikit-learn's own tables, checked on rows they never saw."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lockgate.assess import check
from lockgate.assess.question import Answers, CheckQuestion
from lockgate.features.columns import take
from lockgate.records import Benchmark, Column, Contract, CurvePoint, Library, Pace, Parity, Report
from lockgate.records.spec import Task

NOW_S = 1.7e9
BENCHMARK = Benchmark(
    pace=(
        Pace(rows=1, native_us=310.0, onnx_us=24.0),
        Pace(rows=100, native_us=5.1, onnx_us=1.9),
        Pace(rows=10_000, native_us=0.42, onnx_us=0.9),
    ),
    one_row_ms={"native": (0.334, 0.71), "onnx": (0.0262, 0.051)},
    memory_mb=38.4,
    native_from_rows=10_000,
)
PARITY = Parity(
    is_passed=True,
    rows=228,
    over_tolerance=0.0,
    worst=2.4e-7,
    flips=0,
    tolerance=1e-5,
    reason="Compiled and native agree on all 228 rows; the largest difference is 2.4e-07.",
)
CURVE = tuple(CurvePoint(rows=rows, loss=loss) for rows, loss in ((35, 0.31), (85, 0.19), (170, 0.131), (341, 0.094)))

_TABLES = {"binary": load_breast_cancer, "multiclass": load_digits, "regression": load_diabetes}
_MODELS = {
    "binary": make_pipeline(StandardScaler(), LogisticRegression()),
    "multiclass": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "regression": RandomForestRegressor(30, random_state=0, n_jobs=1),
}
_BASELINES: dict[str, dict[str, tuple[str, Any]]] = {
    "classes": {
        "majority": ("the shares of the training rows, to everything", DummyClassifier(strategy="prior")),
        "rule": ("a tree of two questions", DecisionTreeClassifier(max_depth=2, random_state=0)),
        "logistic": (
            "logistic regression on all columns, scaled",
            make_pipeline(StandardScaler(), LogisticRegression()),
        ),
    },
    "values": {
        "mean": ("the mean of the training rows, to everything", DummyRegressor()),
        "rule": ("a tree of two questions", DecisionTreeRegressor(max_depth=2, random_state=0)),
        "ridge": ("ridge regression on all columns, scaled", make_pipeline(StandardScaler(), Ridge())),
    },
}


def _answers(model: Any, x: Any, task: Task) -> Any:
    if task == "regression":
        return model.predict(x).astype(float)
    chances = model.predict_proba(x)
    return chances[:, 1] if task == "binary" else chances


@functools.cache
def question(task: Task, rows: int | None = None, rename: str | None = None) -> CheckQuestion:
    """A model trained on six tenths of a table and asked about the rest, or about its first `rows`.

    rename: what the first column is called instead.
    """
    x, y = _TABLES[task](return_X_y=True, as_frame=True)
    seen, x, outcome_seen, y = train_test_split(x, y, test_size=0.4, random_state=0)
    kind = "values" if task == "regression" else "classes"
    fitted = clone(_MODELS[task]).fit(seen, outcome_seen)
    rivals = [
        (name, what, clone(model).fit(seen, outcome_seen))
        for name, (what, model) in _BASELINES[kind].items()
        if not (task == "binary" and name == "logistic")
    ]
    x, y = x.iloc[:rows], y.iloc[:rows]
    names = [rename or x.columns[0], *x.columns[1:]]
    columns = {name: x[held].to_numpy().astype(np.float64) for name, held in zip(names, x.columns, strict=True)}
    outcome = y.to_numpy().astype(np.float64)
    inputs = tuple(Column(name=name, type="float", is_nullable=True) for name in names)
    contract = Contract(model="y", columns=(*inputs, Column(name="y", type="float", is_known_before=False)), target="y")
    labels = {"binary": ("malignant", "benign"), "multiclass": tuple("0123456789"), "regression": ()}[task]
    return CheckQuestion(
        name="model.joblib",
        task=task,
        target="y",
        classes=labels,
        format="joblib",
        library=Library(name="scikit-learn", version="1.9.0"),
        contract=contract,
        columns=columns | {"y": outcome},
        outcome=outcome,
        values=_answers(fitted, x, task),
        rivals=tuple(Answers(name=name, what=what, values=_answers(m, x, task)) for name, what, m in rivals),
        block=None,
        by="row",
        split="all rows; baselines learnt on rows of their own",
        rows=len(x),
        now_s=NOW_S,
        benchmark=BENCHMARK,
        parity=PARITY,
        curve=CURVE,
    )


@functools.cache
def checked(task: Task, rows: int | None = None, rename: str | None = None, metric: str | None = None) -> Report:
    return check.report(replace(question(task, rows, rename), metric=metric))


@functools.cache
def loser() -> Report:
    """A model that says the shares of the classes to everybody, beside baselines that have learnt something."""
    asked = question("binary")
    constant = np.full(asked.outcome.size, asked.outcome.mean())
    return check.report(replace(asked, values=constant))


@functools.cache
def leaky() -> Report:
    """A column holds the outcome under another name, and the model was trained on half of the rows."""
    asked = question("binary")
    columns = asked.columns | {"paid_back": asked.outcome.copy()}
    seen = take(columns, np.arange(0, asked.outcome.size, 2))
    return check.report(replace(asked, columns=columns, trained_on=seen, trained_outcome=asked.outcome[::2]))


@functools.cache
def sliced() -> Report:
    """Prices of diamonds by a forest that was never shown the worst cut, beside a linear model that was."""
    from plotnine.data import diamonds  # costly to import, and one fixture's alone

    held = diamonds.sample(8000, random_state=0).reset_index(drop=True)
    y, x = held["price"], held.drop(columns="price")
    codes = x.assign(**{name: x[name].cat.codes for name in ("cut", "color", "clarity")})
    known = (codes.index < 4000) & (x["cut"] != "Ideal")
    forest = RandomForestRegressor(20, random_state=0, n_jobs=1, min_samples_leaf=5).fit(codes[known], y[known])
    linear = make_pipeline(StandardScaler(), Ridge()).fit(codes[:4000], y[:4000])
    asked = codes[4000:]
    columns = {
        name: x[name][4000:].to_numpy().astype(object if name in ("cut", "color", "clarity") else float) for name in x
    }
    base = question("regression")
    inputs = tuple(Column(name=name, type="text" if v.dtype == object else "float") for name, v in columns.items())
    return check.report(
        replace(
            base,
            name="forest.skops",
            target="price",
            contract=Contract(model="price", columns=inputs, target="price"),
            columns=columns,
            outcome=y[4000:].to_numpy().astype(float),
            values=forest.predict(asked),
            rivals=(
                Answers(name="mean", what="the mean price", values=np.full(4000, float(y[:4000].mean()))),
                Answers(name="ridge", what="ridge regression on all columns, scaled", values=linear.predict(asked)),
            ),
            rows=4000,
        )
    )


@pytest.fixture(name="sliced")
def _sliced() -> Report:
    return sliced()


@pytest.fixture(name="checked")
def _checked() -> Any:
    return checked


@pytest.fixture(name="loser")
def _loser() -> Report:
    return loser()


@pytest.fixture(name="leaky")
def _leaky() -> Report:
    return leaky()
