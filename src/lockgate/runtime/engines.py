"""Engines by format: one loader and one saver each, importing their framework when used, and never before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records import Record, decode, encode
from lockgate.records.version import Format
from lockgate.runtime.predictor import Engine

FILES: Mapping[Format, str] = {
    "constant": "native/constant.json",
    "rule": "native/rule.json",
    "lightgbm": "native/model.txt",
    "joblib": "native/model.joblib",
}
ONNX = "model.onnx"
F = TypeVar("F", bound=Record)


class ConstantFile(Record, frozen=True, kw_only=True):
    """The same answer to everything."""

    value: float


class RuleFile(Record, frozen=True, kw_only=True):
    """Cells over a few inputs, and the mean outcome of each.

    columns: indices into the matrix. edges: per column, the inner edges e of its bins [e0, e1); a last bin is for
    missing. values: by cell, row-major over the columns; None where training saw no row, which answers `default`.
    """

    columns: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...]
    values: tuple[float | None, ...]
    default: float

    @property
    def cells(self) -> tuple[int, ...]:
        return tuple(len(edges) + 2 for edges in self.edges)


def load_native(folder: Path, kind: Format) -> Engine:
    """The engine of the framework's own file in a version's folder."""
    loaders: dict[Format, Callable[[Path], Engine]] = {
        "constant": lambda path: constant(decode(ConstantFile, path.read_bytes())),
        "rule": lambda path: rule(decode(RuleFile, path.read_bytes())),
        "lightgbm": lightgbm,
        "joblib": joblib,
    }
    return loaders[kind](folder / FILES[kind])


def constant(file: ConstantFile) -> Engine:
    def answer(matrix: Matrix) -> Floats:
        return np.full(len(matrix), file.value, dtype=np.float64)

    return answer


def rule(file: RuleFile) -> Engine:
    """Raises SpecError where the file's sizes do not fit each other."""
    if len(file.edges) != len(file.columns) or len(file.values) != int(np.prod(file.cells, dtype=np.int64)):
        raise SpecError(f"A rule over {len(file.columns)} columns does not have {len(file.values)} cells.")
    if any(low >= high for edges in file.edges for low, high in pairwise(edges)):
        raise SpecError("The edges of a rule must grow.")
    values = np.array([file.default if v is None else v for v in file.values], dtype=np.float64)

    def answer(matrix: Matrix) -> Floats:
        return values[rule_cells(matrix, file.columns, file.edges)]

    return answer


def rule_cells(matrix: Matrix, columns: tuple[int, ...], edges: tuple[tuple[float, ...], ...]) -> NDArray[np.int64]:
    """The cell of each row, shape (n,), row-major over the columns; missing is the last cell of its column."""
    found = np.zeros(len(matrix), dtype=np.int64)
    for column, inner in zip(columns, edges, strict=True):
        given = matrix[:, column].astype(np.float64)
        bins = np.searchsorted(np.array(inner), given, side="right")
        bins[np.isnan(given)] = len(inner) + 1
        found = found * (len(inner) + 2) + bins
    return found


def lightgbm(path: Path) -> Engine:
    return booster_engine(import_module("lightgbm").Booster(model_file=str(path)))


def booster_engine(booster: Any) -> Engine:
    """One thread: on a busy machine, all cores at once cost ten times as much."""

    def answer(matrix: Matrix) -> Floats:
        found: Floats = booster.predict(matrix, num_threads=1)
        return found

    return answer


def joblib(path: Path) -> Engine:
    return estimator_engine(import_module("joblib").load(path))


def estimator_engine(estimator: Any) -> Engine:
    """A fitted scikit-learn estimator: the chance of class 1 where it gives chances, else its value."""
    if hasattr(estimator, "predict_proba"):
        return lambda matrix: np.asarray(estimator.predict_proba(matrix)[:, 1], dtype=np.float64)
    return lambda matrix: np.asarray(estimator.predict(matrix), dtype=np.float64)


def onnx(path: Path) -> Engine:
    """One thread, not spinning; make it in the process that uses it, for a session does not survive a fork."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    name, wanted = session.get_inputs()[0].name, session.get_outputs()[-1].name  # a classifier's label comes first

    def answer(matrix: Matrix) -> Floats:
        (given,) = session.run([wanted], {name: matrix})
        found = given[:, 1] if given.ndim == 2 and given.shape[1] == 2 else given.reshape(-1)
        wide: Floats = found.astype(np.float64)
        return wide

    return answer


def save_constant(folder: Path, value: float) -> Engine:
    return _save(folder, "constant", ConstantFile(value=value), constant)


def save_rule(folder: Path, file: RuleFile) -> Engine:
    return _save(folder, "rule", file, rule)


def save_lightgbm(folder: Path, estimator: Any) -> Engine:
    """Save a fitted LightGBM estimator or Booster as text."""
    booster: Any = booster_of(estimator)
    booster.save_model(str(_place(folder, "lightgbm")))
    return booster_engine(booster)


def save_joblib(folder: Path, estimator: Any) -> Engine:
    import_module("joblib").dump(estimator, _place(folder, "joblib"))
    return estimator_engine(estimator)


def save_estimator(folder: Path, estimator: Any) -> tuple[Format, Engine]:
    """Save a fitted estimator in the format that fits it: LightGBM's own text, else joblib."""
    if booster_of(estimator) is not None:
        return "lightgbm", save_lightgbm(folder, estimator)
    return "joblib", save_joblib(folder, estimator)


def booster_of(estimator: Any) -> Any | None:
    """The LightGBM Booster of an estimator, None where it is not LightGBM's. Does not import LightGBM."""
    if not type(estimator).__module__.startswith("lightgbm."):
        return None
    return getattr(estimator, "booster_", estimator)


def _save(folder: Path, kind: Format, file: F, engine: Callable[[F], Engine]) -> Engine:
    answer = engine(file)
    _place(folder, kind).write_bytes(encode(file))
    return answer


def _place(folder: Path, kind: Format) -> Path:
    path = folder / FILES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
