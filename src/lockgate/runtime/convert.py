"""The compiled path: a fitted estimator to ONNX, and whether it answers as the native model does.

That a conversion succeeds means nothing: it is tried on held-out rows and on rows that sit at split boundaries, where
float32 rounding shows. Nothing here raises for a conversion's sake; native is served then, and the reason says why.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.features.pipeline import Matrix
from lockgate.records import Parity
from lockgate.runtime.engines import ONNX, booster_of, onnx
from lockgate.runtime.folder import PARITY, put
from lockgate.runtime.predictor import Engine

TOLERANCE = 1e-5
MAX_SPLITS = 3000
MAX_ROWS = 20_000


def compile_checked(
    estimator: Any, native: Engine, held_out: Matrix, folder: Path, *, is_binary: bool = True
) -> Parity:
    """Convert, compare, and write parity.json; model.onnx stays in the folder only where parity passed."""
    reason = to_onnx(estimator, held_out.shape[1], folder)
    if reason is None:
        rows = np.vstack([held_out[:MAX_ROWS], boundary_rows(estimator, held_out)])
        found = _compared(native, folder / ONNX, rows, 0.5 if is_binary else None)
    else:
        found = _failed(reason)
    if not found.is_passed:
        (folder / ONNX).unlink(missing_ok=True)
    put(folder, PARITY, found)
    return found


def to_onnx(estimator: Any, columns: int, folder: Path) -> str | None:
    """Write model.onnx taking one float32 matrix of shape (n, columns); None, or a sentence why it could not be."""
    try:
        with _quiet():
            model = _convert(estimator, columns)
    except Exception as error:  # noqa: BLE001 - converters raise anything at all: what matters is that native is served
        lines = str(error).strip().splitlines()
        return f"The model could not be converted: {type(error).__name__}: {lines[0][:200] if lines else ''}."
    (folder / ONNX).write_bytes(model)
    return None


def parity(
    native: Engine,
    compiled: Engine,
    matrix: Matrix,
    *,
    tolerance: float = TOLERANCE,
    threshold: float | None = 0.5,
) -> Parity:
    """Compare two engines on the same rows; passed only where no row differs and no decision flips.

    Differences are absolute up to an answer of 1 and relative above. threshold: None where nothing is decided by one.
    """
    expected, given = native(matrix), compiled(matrix)
    if given.shape != expected.shape:
        return _failed(f"The compiled model answers shape {given.shape} where the native one answers {expected.shape}.")
    apart = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
    apart = np.where(np.isfinite(given) & np.isfinite(expected), apart, np.inf)
    over = float(np.mean(apart > tolerance)) if len(matrix) else 0.0
    worst = float(apart.max(initial=0.0))
    flips = 0 if threshold is None else int(np.sum((given >= threshold) != (expected >= threshold)))
    is_passed = len(matrix) > 0 and over == 0 and flips == 0
    reason = _reason(is_passed, len(matrix), over, worst, flips, tolerance)
    worst = min(worst, float(np.finfo(np.float64).max))  # JSON has no word for infinity
    return Parity(
        is_passed=is_passed,
        rows=len(matrix),
        over_tolerance=over,
        worst=worst,
        flips=flips,
        tolerance=tolerance,
        reason=reason,
    )


def boundary_rows(estimator: Any, matrix: Matrix, seed: int = 0) -> Matrix:
    """Rows of `matrix` moved onto the model's split thresholds and their float32 neighbours; none where not LightGBM."""
    booster = booster_of(estimator)
    if booster is None or not len(matrix):
        return matrix[:0]
    splits: list[tuple[int, float]] = list(_splits(booster.dump_model()))
    rng = np.random.default_rng(seed)
    if len(splits) > MAX_SPLITS:
        chosen: list[int] = rng.choice(len(splits), MAX_SPLITS, replace=False).tolist()
        splits = [splits[place] for place in chosen]
    rows: list[Matrix] = []
    for feature, threshold in splits:
        at = _floor32(threshold)
        row = matrix[rng.integers(len(matrix))]
        with np.errstate(over="ignore"):
            around = (at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf)))
        for value in around:
            if np.isfinite(value):
                moved = row.copy()
                moved[feature] = value
                rows.append(moved)
    return np.array(rows, dtype=np.float32).reshape(-1, matrix.shape[1])


def _compared(native: Engine, path: Path, rows: Matrix, threshold: float | None) -> Parity:
    try:
        return parity(native, onnx(path), rows, threshold=threshold)
    except Exception as error:  # noqa: BLE001 - a graph may convert, and still be refused or raise when it runs
        return _failed(f"The compiled model does not run: {type(error).__name__}: {str(error)[:200]}.")


def _convert(estimator: Any, columns: int) -> bytes:
    booster = booster_of(estimator)
    if booster is not None:
        return _convert_lightgbm(booster, columns)
    types = import_module("skl2onnx.common.data_types")
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    inputs = [("input", types.FloatTensorType([None, columns]))]
    made = import_module("skl2onnx").convert_sklearn(estimator, initial_types=inputs, options=options)
    return bytes(made.SerializeToString())


def _convert_lightgbm(booster: Any, columns: int) -> bytes:
    types = import_module("onnxmltools.convert.common.data_types")
    inputs = [("input", types.FloatTensorType([None, columns]))]
    options = {"zipmap": False} if _is_classifier(booster) else {}
    convert = import_module("onnxmltools").convert_lightgbm
    made = convert(_with_float32_thresholds(booster), initial_types=inputs, **options)
    return bytes(made.SerializeToString())


def _is_classifier(booster: Any) -> bool:
    return str(booster.dump_model(num_iteration=1).get("objective", "")).startswith(("binary", "multiclass"))


def _with_float32_thresholds(booster: Any) -> Any:
    """The same model with every threshold rounded down to float32.

    On float32 inputs `x <= t` and `x <= floor32(t)` agree, so the trees stay the same; ONNX keeps thresholds in float32
    and rounds to nearest, which moves rows at a boundary to the other side (6 % of such rows in a test model).
    """
    text: str = booster.model_to_string()
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)  # byte counts, which the new numbers would break
    rounded = re.sub(r"^threshold=(.*)$", lambda found: _rounded(found[1]), text, flags=re.MULTILINE)
    return type(booster)(model_str=rounded)


def _rounded(numbers: str) -> str:
    return "threshold=" + " ".join(repr(float(_floor32(float(number)))) for number in numbers.split())


def _floor32(value: float) -> np.float32:
    """The largest float32 that is not above `value`."""
    with np.errstate(over="ignore"):
        near = np.float64(value).astype(np.float32)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near


def _splits(dump: dict[str, Any]) -> Iterator[tuple[int, float]]:
    stack: list[dict[str, Any]] = [tree["tree_structure"] for tree in dump["tree_info"]]
    while stack:
        node = stack.pop()
        if "left_child" in node:
            stack += [node["left_child"], node["right_child"]]
            if isinstance(node["threshold"], float | int):  # a category split names a set
                yield int(node["split_feature"]), float(node["threshold"])


@contextmanager
def _quiet() -> Generator[None]:
    """Converters print and warn about their own insides."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _reason(is_passed: bool, rows: int, over: float, worst: float, flips: int, tolerance: float) -> str:
    if rows == 0:
        return "There were no rows to compare on."
    if is_passed:
        return (
            f"The compiled model agrees with the native one on all {rows:,} rows; the worst difference is {worst:.1e}."
        )
    return (
        f"The compiled model differs by more than {tolerance:g} on {over:.2%} of {rows:,} rows, by up to {worst:.2g}, "
        f"and {flips} decisions flip."
    )


def _failed(reason: str) -> Parity:
    return Parity(is_passed=False, rows=0, over_tolerance=1.0, worst=0.0, flips=0, tolerance=TOLERANCE, reason=reason)
