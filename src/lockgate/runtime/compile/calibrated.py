"""CalibratedClassifierCV as nodes. skl2onnx 1.20 takes the nearest step of an isotonic curve, where scikit-learn draws a line
between them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lockgate.features.pipeline import Floats
from lockgate.runtime.compile.forest import Refused, forest_of
from lockgate.runtime.compile.nodes import DOUBLE, FLOAT, ContainerWriter, forest_answer


def convert_calibrated(scope: Any, operator: Any, container: Any) -> None:
    """The mean over the folds of what each one's curves make of its classifier's scores."""
    writer, model = ContainerWriter(scope, container), operator.raw_operator
    folds = [_fold(writer, scope, operator, container, fold) for fold in model.calibrated_classifiers_]
    last = operator.outputs[-1]
    total = folds[0] if len(folds) == 1 else writer.node("Mean", folds)
    answer = writer.node("Cast", [total], last.full_name, to=_dtype(operator)[1])
    best = writer.node("ArgMax", [answer], axis=1, keepdims=0)
    found = np.asarray(model.classes_)
    labels = found.astype(np.int64) if found.dtype.kind in "biuf" else found.astype(object)
    writer.node("Gather", [writer.constant(labels), best], operator.outputs[0].full_name)


def _fold(writer: ContainerWriter, scope: Any, operator: Any, container: Any, fold: Any) -> str:
    """The chances of all classes, shape (n, k)."""
    dtype, _ = _dtype(operator)
    scores = _scores(writer, scope, operator, container, fold.estimator)
    classes = len(fold.classes)
    if classes == 2:
        chance = _curve(writer, _column(writer, scores, -1), fold.calibrators[0], dtype)
        rest = writer.node("Sub", [writer.constant(np.ones(1, dtype=dtype)), chance])
        return writer.node("Concat", [rest, chance], axis=1)
    columns = [_curve(writer, _column(writer, scores, k), c, dtype) for k, c in enumerate(fold.calibrators)]
    every = writer.node("Concat", columns, axis=1)
    total = writer.node("ReduceSum", [every, writer.constant(np.array([1], dtype=np.int64))], keepdims=1)
    is_none = writer.node("Equal", [total, writer.constant(np.zeros(1, dtype=dtype))])
    even = writer.constant(np.array([1 / classes], dtype=dtype))
    return writer.node("Where", [is_none, even, writer.node("Div", [every, total])])


def _scores(writer: ContainerWriter, scope: Any, operator: Any, container: Any, model: Any) -> str:
    """What the curves were fitted on: the decision function where the classifier has one, else its chances."""
    _, kind = _dtype(operator)
    forest = forest_of(model)
    if forest is not None:
        if hasattr(model, "decision_function"):
            forest = replace(forest, link="none")
        given = writer.node("Cast", [operator.inputs[0].full_name], to=kind)
        return writer.node("Cast", [forest_answer(writer, forest, given, is_wide=kind == DOUBLE)], to=kind)
    return _inner(scope, operator, container, model)


def _inner(scope: Any, operator: Any, container: Any, model: Any) -> str:
    """By skl2onnx's own converter."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common.data_types import Int64TensorType

    if type(model) not in sklearn_operator_name_map:
        raise Refused(f"{type(model).__name__} inside CalibratedClassifierCV has no converter.")
    inner = scope.declare_local_operator(sklearn_operator_name_map[type(model)], model)
    if hasattr(model, "decision_function"):
        if not container.has_options(model, "raw_scores"):
            raise Refused(f"{type(model).__name__} inside CalibratedClassifierCV cannot be asked for its scores.")
        container.add_options(id(model), {"raw_scores": True})
        scope.add_options(id(model), {"raw_scores": True})
    label = scope.declare_local_variable("label", Int64TensorType())
    scores = scope.declare_local_variable("scores", type(operator.outputs[-1].type)())
    inner.inputs = operator.inputs
    inner.outputs.append(label)
    inner.outputs.append(scores)
    return str(scores.full_name)


def _column(writer: ContainerWriter, scores: str, place: int) -> str:
    return writer.node("Gather", [scores, writer.constant(np.array([place], dtype=np.int64))], axis=1)


def _curve(writer: ContainerWriter, scores: str, curve: Any, dtype: Any) -> str:
    """Shape (n, 1)."""
    if type(curve).__name__ == "_SigmoidCalibration":
        steep = writer.node("Mul", [scores, writer.constant(np.array([-curve.a_], dtype=dtype))])
        return writer.node("Sigmoid", [writer.node("Sub", [steep, writer.constant(np.array([curve.b_], dtype=dtype))])])
    if type(curve).__name__ != "IsotonicRegression" or curve.out_of_bounds != "clip":
        raise Refused(f"CalibratedClassifierCV's curve {type(curve).__name__} is not known to the compiled path.")
    return _lines(writer, scores, curve.X_thresholds_, curve.y_thresholds_, dtype)


def _lines(writer: ContainerWriter, scores: str, x: Floats, y: Floats, dtype: Any) -> str:
    """The straight lines from point to point, flat outside: which line, by counting the points below."""
    if len(x) == 1:
        return writer.node("Add", [writer.node("Mul", [scores, _of(writer, [0.0], dtype)]), _of(writer, y, dtype)])
    inside = writer.node("Min", [writer.node("Max", [scores, _of(writer, x[:1], dtype)]), _of(writer, x[-1:], dtype)])
    is_above = writer.node("GreaterOrEqual", [inside, _of(writer, x[1:-1].reshape(1, -1), dtype)])
    axis = writer.constant(np.array([1], dtype=np.int64))
    place = writer.node("ReduceSum", [writer.node("Cast", [is_above], to=7), axis], keepdims=1)
    slope = np.diff(y) / np.diff(x)
    start, rise, base = (writer.node("Gather", [_of(writer, v, dtype), place]) for v in (x[:-1], slope, y[:-1]))
    return writer.node("Add", [writer.node("Mul", [writer.node("Sub", [inside, start]), rise]), base])


def _of(writer: ContainerWriter, values: Any, dtype: Any) -> str:
    return writer.constant(np.asarray(values, dtype=dtype))


def _dtype(operator: Any) -> tuple[Any, int]:
    """What the graph computes in, by numpy's name and by ONNX's."""
    is_wide = type(operator.outputs[-1].type).__name__ == "DoubleTensorType"
    return (np.float64, DOUBLE) if is_wide else (np.float32, FLOAT)
