"""The compiled path: exact at split boundaries where it may serve, a reason in words where it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.runtime import engines
from lockgate.runtime.convert import boundary_rows, compile_checked, parity

lightgbm = pytest.importorskip("lightgbm")
pytest.importorskip("onnxmltools")


def inputs(rows: int = 1500, columns: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def trees(kind: str = "LGBMClassifier", **more: Any) -> Any:
    x = inputs()
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    target = signal > 0.5 if kind == "LGBMClassifier" else signal * 40
    return getattr(lightgbm, kind)(n_estimators=25, n_jobs=1, verbose=-1, random_state=0, **more).fit(x, target)


def test_trees_agree_to_the_last_boundary(tmp_path: Path):
    fitted, held_out = trees(), inputs(seed=1)
    found = compile_checked(fitted, engines.booster_engine(fitted.booster_), held_out, tmp_path)
    assert found.is_passed, found.reason
    assert (found.over_tolerance, found.flips) == (0.0, 0)
    assert found.rows > len(held_out) + 1000, "rows at split boundaries are tried as well"
    assert (tmp_path / "model.onnx").exists()
    assert json.loads((tmp_path / "parity.json").read_text())["is_passed"] is True


def test_regression_trees_agree_too(tmp_path: Path):
    fitted = trees("LGBMRegressor")
    found = compile_checked(fitted, engines.booster_engine(fitted.booster_), inputs(seed=1), tmp_path, is_binary=False)
    assert found.is_passed, found.reason


def test_boundary_rows_find_what_held_out_rows_do_not(tmp_path: Path):
    """Converted as it comes, thresholds are rounded to nearest: hardly a held-out row shows it, boundary rows do."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    fitted, held_out = trees(), inputs(seed=1)
    as_it_comes = convert_lightgbm(fitted.booster_, initial_types=[("input", FloatTensorType([None, 4]))], zipmap=False)
    (tmp_path / "model.onnx").write_bytes(as_it_comes.SerializeToString())
    native, compiled = engines.booster_engine(fitted.booster_), engines.onnx(tmp_path / "model.onnx")
    assert parity(native, compiled, held_out).is_passed
    at_boundaries = parity(native, compiled, boundary_rows(fitted, held_out))
    assert not at_boundaries.is_passed
    assert at_boundaries.over_tolerance > 0.01


def test_boundary_rows_differ_from_a_held_out_row_in_one_input():
    held_out = inputs(seed=1)
    moved = boundary_rows(trees(), held_out)
    known = {row.tobytes() for row in held_out}
    for row in moved[::50]:
        apart = (held_out != row) & ~(np.isnan(held_out) & np.isnan(row))
        assert row.tobytes() in known or apart.sum(axis=1).min() == 1


def test_a_scikit_learn_pipeline_is_compiled(tmp_path: Path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.nan_to_num(inputs())
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, x[:, 0] > 0)
    found = compile_checked(fitted, engines.estimator_engine(fitted), np.nan_to_num(inputs(seed=1)), tmp_path)
    assert found.is_passed, found.reason
    assert engines.onnx(tmp_path / "model.onnx")(x).shape == (len(x),)


class Foreign:
    """An estimator that no converter knows."""

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        return np.full((len(matrix), 2), 0.5)


def test_what_cannot_be_converted_is_a_reason_and_not_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    found = compile_checked(Foreign(), engines.estimator_engine(Foreign()), inputs(10), tmp_path)
    assert not found.is_passed
    assert found.reason.startswith("The model could not be converted:")
    assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "parity.json").exists()
    assert capfd.readouterr() == ("", "")


def same(matrix: np.ndarray) -> np.ndarray:
    return np.full(len(matrix), 0.5)


@pytest.mark.parametrize(
    ("other", "over", "flips"),
    [
        (lambda m: np.full(len(m), 0.5 + 5e-6), 0.0, 0),
        (lambda m: np.full(len(m), 0.5 + 5e-5), 1.0, 0),
        (lambda m: np.full(len(m), 0.5 - 1e-9), 0.0, 8),
        (lambda m: np.where(np.arange(len(m)) < 2, np.nan, 0.5), 0.25, 2),
    ],
)
def test_parity_counts_rows_apart_and_decisions_that_flip(other: Any, over: float, flips: int):
    found = parity(same, other, inputs(8))
    assert (found.over_tolerance, found.flips) == (over, flips)
    assert found.is_passed == (over == 0 and flips == 0)
    assert found.reason.endswith(".")


def test_parity_on_no_rows_is_no_pass():
    assert not parity(same, same, inputs(8)[:0]).is_passed


def test_another_shape_is_no_pass():
    assert not parity(same, lambda m: np.zeros((len(m), 2)), inputs(8)).is_passed
