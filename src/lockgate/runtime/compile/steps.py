"""Converters of our own, in place of skl2onnx's where those raise, round, or leave something out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from lockgate.runtime.compile.calibrated import convert_calibrated
from lockgate.runtime.compile.encoders import convert_encoder, encoder_shape
from lockgate.runtime.compile.forest import Refused, forest_of, is_forest
from lockgate.runtime.compile.layout import MISSING
from lockgate.runtime.compile.nodes import DOUBLE, FLOAT, ContainerWriter, forest_answer

Converter = Callable[[Any, Any, Any], None]
_SCALERS: Mapping[str, Callable[[Any], Sequence[tuple[str, Any]]]] = {
    "StandardScaler": lambda s: (("Sub", s.mean_ if s.with_mean else None), ("Div", s.scale_)),
    "RobustScaler": lambda s: (("Sub", s.center_ if s.with_centering else None), ("Div", s.scale_)),
    "MaxAbsScaler": lambda s: (("Div", s.scale_),),
    "MinMaxScaler": lambda s: (("Mul", s.scale_), ("Add", s.min_)),
}
ENCODERS = frozenset({"OneHotEncoder", "OrdinalEncoder"})
_FUNCTIONS: Mapping[str, tuple[tuple[str, float | None], ...]] = {
    "log": (("Log", None),),
    "log1p": (("Add", 1.0), ("Log", None)),
    "exp": (("Exp", None),),
    "expm1": (("Exp", None), ("Sub", 1.0)),
    "sqrt": (("Sqrt", None),),
    "absolute": (("Abs", None),),
    "square": (("Pow", 2.0),),
}


def parts(model: Any) -> Iterator[Any]:
    """The model and every estimator inside it, each once; libraries other than scikit-learn's are not looked into."""
    stack: list[Any] = [model]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, list | tuple):
            stack += item
        elif isinstance(item, dict):
            stack += item.values()
        elif hasattr(item, "fit") or type(item).__name__ == "_CalibratedClassifier":
            yield item
            if type(item).__module__.startswith("sklearn.") and not is_forest(item):
                stack += _held(item)


def _class(part: Any) -> tuple[type, str]:
    return part.__class__, part.__class__.__name__


def _held(part: Any) -> list[Any]:
    own: dict[str, Any] = part.__dict__
    return [value for name, value in own.items() if not name.startswith("lockgate_")]


def own_converters(model: Any, *, is_wide: bool, is_narrow_data: bool) -> tuple[dict[type, Converter], dict[type, Any]]:
    """By type, what converts it, and what says its shape.

    is_wide: the graph computes in float64. is_narrow_data: the model itself is given float32, and scikit-learn's scalers
    then compute in it.
    """
    convert: dict[type, Converter] = {}
    shapes: dict[type, Any] = {}
    for part in parts(model):
        kind, name = _class(part)
        if is_forest(part):
            convert[kind] = _convert_forest
            _register(kind)
        elif name == "SimpleImputer" and kind.__module__.startswith("sklearn."):
            convert[kind], shapes[kind] = _convert_imputer, _imputer_shape
        elif name == "FunctionTransformer" and kind.__module__.startswith("sklearn."):
            convert[kind], shapes[kind] = _convert_function, _function_shape
        elif name in ENCODERS:
            convert[kind], shapes[kind] = convert_encoder, encoder_shape
        elif name == "PolynomialFeatures":
            convert[kind] = _convert_polynomial
        elif name == "CalibratedClassifierCV":
            convert[kind] = convert_calibrated
        elif name in _SCALERS and is_wide and not getattr(part, "clip", False):
            convert[kind] = _convert_scaler(is_narrow_data)
    return convert, shapes


def _register(kind: type) -> None:
    """Let skl2onnx meet a type of another library inside a Pipeline."""
    known = import_module("skl2onnx._supported_operators").sklearn_operator_name_map
    if kind in known:
        return
    shape = import_module("skl2onnx.common.shape_calculator")
    is_classifier = hasattr(kind, "predict_proba")
    calculate = (
        shape.calculate_linear_classifier_output_shapes
        if is_classifier
        else shape.calculate_linear_regressor_output_shapes
    )
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]} if is_classifier else None
    parser = _parse_classifier if is_classifier else None
    register = import_module("skl2onnx").update_registered_converter
    register(kind, _alias(kind), calculate, _convert_forest, parser=parser, options=options)


def _parse_classifier(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:  # noqa: ARG001 - its words
    """Two outputs, a label and chances: skl2onnx gives them to scikit-learn's own classes of classifier alone."""
    types = import_module("skl2onnx.common.data_types")
    operator = scope.declare_local_operator(_alias(_class(model)[0]), model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", types.Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", types.FloatTensorType()))
    return operator.outputs


def _alias(kind: type) -> str:
    return f"Lockgate{kind.__name__}"


def _given(scope: Any, operator: Any, container: Any) -> str:
    merge = import_module("skl2onnx.operator_converters.common").concatenate_variables
    return str(merge(scope, operator.inputs, container))


def _kind(variable: Any) -> int:
    """FLOAT or DOUBLE; what is neither is computed in float32."""
    return DOUBLE if type(variable.type).__name__ == "DoubleTensorType" else FLOAT


def _is_text(variable: Any) -> bool:
    return type(variable.type).__name__ == "StringTensorType"


def _convert_forest(scope: Any, operator: Any, container: Any) -> None:
    writer, model = ContainerWriter(scope, container), operator.raw_operator
    forest = forest_of(model)
    assert forest is not None
    is_wide = _kind(operator.inputs[0]) == DOUBLE
    given = _given(scope, operator, container)
    if not is_wide:
        given = writer.node("Cast", [given], to=FLOAT)
    answer = forest_answer(writer, forest, given, is_wide=is_wide)
    last = operator.outputs[-1]
    writer.node("Cast", [answer], last.full_name, to=_kind(last))
    if len(operator.outputs) > 1:
        best = writer.node("ArgMax", [answer], axis=1, keepdims=0)
        writer.node("Gather", [writer.constant(_labels(model.classes_)), best], operator.outputs[0].full_name)


def _labels(classes: Any) -> Any:
    found = np.asarray(classes)
    return found.astype(np.int64) if found.dtype.kind in "biuf" else found.astype(object)


def _convert_scaler(is_narrow_data: bool) -> Converter:
    """In float64; of float32 inputs as scikit-learn does it: StandardScaler rounds its numbers, the others each result."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        writer, scaler = ContainerWriter(scope, container), operator.raw_operator
        rounds_first = is_narrow_data and type(scaler).__name__ == "StandardScaler"
        given = _given(scope, operator, container)
        for op, value in _SCALERS[type(scaler).__name__](scaler):
            if value is not None:
                wide = writer.node("Cast", [given], to=FLOAT if rounds_first else DOUBLE)
                number = np.asarray(value, dtype=np.float32 if rounds_first else np.float64)
                given = writer.node(
                    "Cast", [writer.node(op, [wide, writer.constant(number)])], to=_width(is_narrow_data)
                )
        writer.node("Cast", [given], operator.outputs[0].full_name, to=DOUBLE)

    return convert


def _width(is_narrow: bool) -> int:
    return FLOAT if is_narrow else DOUBLE


def _convert_polynomial(scope: Any, operator: Any, container: Any) -> None:
    """Products of as many columns as the degree, in the type of the inputs; a column of ones fills up the shorter ones."""
    writer = ContainerWriter(scope, container)
    given = _given(scope, operator, container)
    dtype = np.float64 if _kind(operator.inputs[0]) == DOUBLE else np.float32
    powers = operator.raw_operator.powers_
    ones = powers.shape[1]
    degree = max(1, int(powers.sum(axis=1).max()))
    picked = np.full((degree, len(powers)), ones, dtype=np.int64)
    for place, row in enumerate(powers.tolist()):
        columns = [column for column, power in enumerate(row) for _ in range(power)]
        picked[: len(columns), place] = columns
    first = writer.node("Gather", [given, writer.constant(np.zeros(1, dtype=np.int64))], axis=1)
    filled = writer.node("Pow", [first, writer.constant(np.zeros(1, dtype=dtype))])
    every = writer.node("Concat", [given, filled], axis=1)
    answer, *more = [writer.node("Gather", [every, writer.constant(row)], axis=1) for row in picked]
    for factor in more:
        answer = writer.node("Mul", [answer, factor])
    writer.node("Identity", [answer], operator.outputs[0].full_name)


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Fills, drops the columns that training never saw filled, and adds indicators where the imputer does."""
    writer, imputer = ContainerWriter(scope, container), operator.raw_operator
    given = _given(scope, operator, container)
    kept, marked = _imputed(imputer)
    is_text = _is_text(operator.inputs[0])
    dtype: Any = object if is_text else (np.float64 if _kind(operator.inputs[0]) == DOUBLE else np.float32)
    fill = writer.constant(np.asarray(imputer.statistics_[kept].reshape(1, -1)).astype(dtype))
    if is_text:
        is_missing = writer.node("Equal", [given, writer.constant(np.array([MISSING], dtype=object))])
    else:
        is_missing = writer.node("IsNaN", [given])
    chosen = writer.constant(kept)
    filled = [writer.node("Gather", [name, chosen], axis=1) for name in (is_missing, given)]
    answer = writer.node("Where", [filled[0], fill, filled[1]])
    if len(marked):
        marks = writer.node("Gather", [is_missing, writer.constant(marked)], axis=1)
        marks = writer.node("Cast", [marks], to=_kind(operator.inputs[0]))
        answer = writer.node("Concat", [answer, marks], axis=1)
    writer.node("Identity", [answer], operator.outputs[0].full_name)


def _imputed(imputer: Any) -> tuple[Any, Any]:
    """The places of the columns that are kept, and of those that get an indicator."""
    missing = imputer.missing_values
    if missing is not None and not (isinstance(missing, float) and np.isnan(missing)):
        raise Refused(
            f"SimpleImputer(missing_values={missing!r}) fills what is not missing, which the graph cannot tell."
        )
    statistics = imputer.statistics_
    kept = np.flatnonzero([value is not None and value == value for value in statistics.tolist()])
    if getattr(imputer, "keep_empty_features", False) and len(kept) < len(statistics):
        raise Refused("SimpleImputer(keep_empty_features=True) on a column that was empty in training is not carried.")
    marked = imputer.indicator_.features_ if imputer.add_indicator else np.zeros(0)
    if imputer.add_indicator and statistics.dtype == object:
        raise Refused("SimpleImputer(add_indicator=True) on text is not carried by the graph.")
    return kept.astype(np.int64), np.asarray(marked, dtype=np.int64)


def _imputer_shape(operator: Any) -> None:
    kept, marked = _imputed(operator.raw_operator)
    first = operator.inputs[0]
    operator.outputs[0].type = type(first.type)([first.get_first_dimension(), len(kept) + len(marked)])


def _convert_function(scope: Any, operator: Any, container: Any) -> None:
    writer, function = ContainerWriter(scope, container), operator.raw_operator.func
    given = _given(scope, operator, container)
    dtype = np.float64 if _kind(operator.inputs[0]) == DOUBLE else np.float32
    for op, value in _FUNCTIONS[function.__name__] if function is not None else ():
        more = [] if value is None else [writer.constant(np.array([value], dtype=dtype))]
        given = writer.node(op, [given, *more])
    writer.node("Identity", [given], operator.outputs[0].full_name)


def _function_shape(operator: Any) -> None:
    function = operator.raw_operator.func
    if function is not None and not (isinstance(function, np.ufunc) and function.__name__ in _FUNCTIONS):
        name = getattr(function, "__name__", repr(function))
        raise Refused(f"FunctionTransformer({name}) runs Python code, which the graph cannot carry.")
    first = operator.inputs[0]
    width = sum(variable.type.shape[1] for variable in operator.inputs)
    operator.outputs[0].type = type(first.type)([first.get_first_dimension(), width])
