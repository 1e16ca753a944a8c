"""OneHotEncoder and OrdinalEncoder as nodes. What each level becomes is asked of the fitted encoder itself, so that dropped,
rare, missing and unseen levels come out as it has them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.pipeline import Floats
from lockgate.runtime.compile.forest import Refused
from lockgate.runtime.compile.layout import MISSING
from lockgate.runtime.compile.nodes import DOUBLE, FLOAT, ML, ContainerWriter

_NEVER = "lockgate: never seen"


def convert_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Each column by itself: a text by a table from its levels to numbers, a number by comparing it with its levels."""
    writer, encoder = ContainerWriter(scope, container), operator.raw_operator
    kind = DOUBLE if type(operator.outputs[0].type).__name__ == "DoubleTensorType" else FLOAT
    parts: list[str] = []
    for place, (column, is_text) in enumerate(_columns(writer, operator)):
        rows, unknown = _answers(encoder, place)
        levels = encoder.lockgate_levels[place]
        if not is_text:
            coded = _by_number(writer, column, levels, rows, unknown)
        elif hasattr(encoder, "drop_idx_"):
            coded = _one_hot(
                writer, _by_text(writer, column, levels, _places(rows), _places(unknown)[0]), rows.shape[1]
            )
        else:
            coded = _by_text(writer, column, levels, rows[:, 0], unknown[0, 0])
        parts.append(writer.node("Cast", [coded], to=kind))
    answer = parts[0] if len(parts) == 1 else writer.node("Concat", parts, axis=1)
    writer.node("Identity", [answer], operator.outputs[0].full_name)


def encoder_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    width = sum(_answers(operator.raw_operator, place)[0].shape[1] for place in range(_width(operator)))
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), width])


def _width(operator: Any) -> int:
    return len(operator.raw_operator.categories_)


def _columns(writer: ContainerWriter, operator: Any) -> list[tuple[str, bool]]:
    """Each input column by itself, shape (n, 1), and whether it is text."""
    if len(operator.inputs) == _width(operator):
        return [(variable.full_name, _is_text(variable)) for variable in operator.inputs]
    (whole,) = operator.inputs
    picks = [writer.constant(np.array([place], dtype=np.int64)) for place in range(_width(operator))]
    return [(writer.node("Gather", [whole.full_name, pick], axis=1), _is_text(whole)) for pick in picks]


def _is_text(variable: Any) -> bool:
    return type(variable.type).__name__ == "StringTensorType"


def _by_text(writer: ContainerWriter, column: str, levels: NDArray[Any], codes: Floats, unknown: float) -> str:
    return writer.node(
        "LabelEncoder",
        [column],
        domain=ML,
        keys_strings=[level if isinstance(level, str) else MISSING for level in levels.tolist()],
        values_floats=codes.astype(np.float32).tolist(),
        default_float=float(unknown),
    )


def _one_hot(writer: ContainerWriter, codes: str, width: int) -> str:
    return writer.node("Equal", [codes, writer.constant(np.arange(width, dtype=np.float32).reshape(1, -1))])


def _by_number(writer: ContainerWriter, column: str, levels: NDArray[Any], rows: Floats, unknown: Floats) -> str:
    """The sum over the levels of (is it this one) times what that becomes, and of (is it none) times what such a one does."""
    if np.isnan(rows).any() or np.isnan(unknown).any():
        raise Refused("OrdinalEncoder gives NaN for some numbers, which the graph cannot sum.")
    wide = writer.node("Cast", [column], to=DOUBLE)
    numbers = np.asarray(levels, dtype=np.float64)
    is_known = writer.node("Equal", [wide, writer.constant(numbers.reshape(1, -1))])
    if np.isnan(numbers).any():
        is_missing = writer.node(
            "And", [writer.node("IsNaN", [wide]), writer.constant(np.isnan(numbers).reshape(1, -1))]
        )
        is_known = writer.node("Or", [is_known, is_missing])
    which = writer.node("Cast", [is_known], to=DOUBLE)
    total = writer.node("ReduceSum", [which, writer.constant(np.array([1], dtype=np.int64))], keepdims=1)
    none = writer.node("Sub", [writer.constant(np.ones((1, 1))), total])
    known = writer.node("MatMul", [which, writer.constant(rows)])
    return writer.node("Add", [known, writer.node("MatMul", [none, writer.constant(unknown)])])


def _places(rows: Floats) -> Floats:
    """By row the place of its one, -1 where there is none."""
    return np.where(rows.any(axis=1), rows.argmax(axis=1), -1).astype(np.float64)


def _answers(encoder: Any, place: int) -> tuple[Floats, Floats]:
    """What the encoder makes of every level of one column, shape (levels, width), and of one never seen, shape (1, width)."""
    levels = encoder.lockgate_levels[place]
    found = _asked(encoder, place, levels)
    if encoder.handle_unknown == "error":
        return found, np.zeros((1, found.shape[1]))  # the engine refuses such a row before it comes here
    never: Any = _NEVER if levels.dtype == object else np.nanmax(levels) + 1
    return found, _asked(encoder, place, np.array([never], dtype=levels.dtype))


def _asked(encoder: Any, place: int, values: NDArray[Any]) -> Floats:
    """The encoder's columns for one of its inputs, moved through `values`; the others stay at their first level."""
    is_plain = all(levels.dtype != object for levels in encoder.lockgate_levels)
    table = np.empty((len(values), len(encoder.categories_)), dtype=np.float64 if is_plain else object)
    for other, levels in enumerate(encoder.lockgate_levels):
        table[:, other] = levels[0]
    table[:, place] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown levels, and of a table without the names it was fitted on
        whole = encoder.lockgate_native.transform(table)
    whole = np.asarray(whole.todense() if hasattr(whole, "todense") else whole, dtype=np.float64)
    starts = np.concatenate([[0], np.cumsum(_widths(encoder))]).astype(int)
    return whole[:, starts[place] : starts[place + 1]]


def _widths(encoder: Any) -> list[int]:
    """How many columns the encoder makes of each of its own."""
    if not hasattr(encoder, "drop_idx_"):
        return [1] * len(encoder.categories_)
    return list(encoder._n_features_outs)  # noqa: SLF001 - it is nowhere public
