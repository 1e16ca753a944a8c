"""A fitted model to an ONNX graph; the model itself is never changed."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from lockgate.runtime.compile import graph
from lockgate.runtime.compile.forest import Refused, forest_of, is_forest
from lockgate.runtime.compile.layout import MISSING, Layout
from lockgate.runtime.compile.nodes import OPSETS
from lockgate.runtime.compile.steps import ENCODERS, own_converters, parts
from lockgate.runtime.compile.thinned import thinned


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a graph is to take. columns: in the order in which rows come; order: the same, as the model takes them.

    names: the model's own for `order`, by which its steps may pick.
    """

    layout: Layout
    columns: tuple[str, ...]
    order: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def packed(self) -> dict[str, tuple[str, ...]]:
        if not self.layout.is_raw:
            return {"input": self.columns}
        both = {"numbers": self.layout.numbers, "texts": self.layout.texts}
        return {name: columns for name, columns in both.items() if columns}


def convert(model: Any, asked: Asked, *, is_wide: bool) -> bytes:
    """The graph of a fitted model.

    is_wide: compute in float64; else in float32. Raises Refused, or whatever a converter raises.
    """
    with _quiet():
        made, is_named = _converted(model, asked, is_wide)
        graph.last_answer_only(made)
        graph.with_inputs(made, asked.packed, asked.order, is_wide=is_wide, is_named=is_named)
        layout = thinned(made, asked.layout)
        return graph.with_layout(bytes(made.SerializeToString()), layout)


def sentence(error: Exception, model: Any) -> str:
    """Why a model could not be converted, in words a person understands: the part is named where one has no converter."""
    if isinstance(error, ImportError):
        return f"The model could not be converted: {error.name or 'a converter'} is not installed here."
    if isinstance(error, Refused):
        said = str(error)
        return f"The model could not be converted: {said[0].lower() + said[1:] if said.startswith(('It ', 'The ')) else said}"
    strangers = [part for part in parts(model) if not _has_converter(part)]
    if strangers and type(error).__name__ in {"MissingShapeCalculator", "MissingConverter", "RuntimeError"}:
        return f"The model could not be converted: there is no converter for {_titled(strangers[0], model)}."
    lines = str(error).strip().splitlines()
    return f"The model could not be converted: {type(error).__name__}: {lines[0][:200] if lines else ''}."


def _converted(model: Any, asked: Asked, is_wide: bool) -> tuple[Any, bool]:
    if is_forest(model) and asked.layout.texts:
        raise Refused(f"{type(model).__name__} takes text columns as categories, which the graph cannot carry.")
    forest = forest_of(model)
    if forest is not None:
        return graph.forest_graph(forest, len(asked.order), is_wide=is_wide), False
    return _sklearn(_prepared(model), asked, is_wide)


def _sklearn(model: Any, asked: Asked, is_wide: bool) -> tuple[Any, bool]:
    for part in parts(model):
        if type(part).__name__ == "CalibratedClassifierCV" and type(part.estimator).__name__ == "Pipeline":
            raise Refused(
                "CalibratedClassifierCV around a Pipeline is not carried: let it be the last step of the Pipeline instead."
            )
    types = import_module("skl2onnx.common.data_types")
    number, texts = types.DoubleTensorType if is_wide else types.FloatTensorType, frozenset(asked.layout.texts)
    is_named = _is_by_name(model, asked.layout)
    if is_named:
        named = zip(asked.names, asked.order, strict=True)
        inputs = [(name, (types.StringTensorType if column in texts else number)([None, 1])) for name, column in named]
    else:
        inputs = [(graph.INSIDE, (types.StringTensorType if texts else number)([None, len(asked.order)]))]
    own, shapes = own_converters(model, is_wide=is_wide, is_narrow_data=not asked.layout.is_raw)
    made = import_module("skl2onnx").convert_sklearn(
        model,
        initial_types=inputs,
        options={id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None,
        custom_conversion_functions=own,
        custom_shape_calculators=shapes,
        target_opset=dict(OPSETS),
    )
    graph.declare_float32_trees(made)
    graph.without_locale(made)
    return made, is_named


def _is_by_name(model: Any, layout: Layout) -> bool:
    """Whether the model picks columns by name, or takes text and numbers side by side."""
    if layout.texts and layout.numbers:
        return True
    return any(isinstance(name, str) for part in parts(model) for name in _picked(part))


def _picked(part: Any) -> list[Any]:
    """The columns that a fitted ColumnTransformer picks."""
    if type(part).__name__ != "ColumnTransformer":
        return []
    columns = [picked for _, _, picked in part.transformers_]
    return [name for picked in columns for name in ([picked] if isinstance(picked, str) else np.atleast_1d(picked))]


def _prepared(model: Any) -> Any:
    """A copy that skl2onnx understands: a missing category is the text that stands for it, soft votes stay apart."""
    own = copy.deepcopy(model)
    for part in parts(own):
        if type(part).__name__ in ENCODERS and hasattr(part, "categories_"):
            part.lockgate_native, part.lockgate_levels = copy.copy(part), part.categories_
        if hasattr(part, "categories_"):
            part.categories_ = [_without_none(values) for values in part.categories_]
        if hasattr(part, "flatten_transform"):
            part.flatten_transform = False
        if getattr(part, "encode", None) == "onehot":
            part.encode = "onehot-dense"  # of KBinsDiscretizer: graphs have no sparse arrays
    return own


def _without_none(values: Any) -> Any:
    if values.dtype != object:
        return values
    out = np.empty(len(values), dtype=object)
    out[:] = [value if isinstance(value, str) else MISSING for value in values.tolist()]
    return out


def _has_converter(part: Any) -> bool:
    known: Mapping[type, str] = import_module("skl2onnx._supported_operators").sklearn_operator_name_map
    return (
        type(part) in known
        or is_forest(part)
        or type(part).__name__ in {"Pipeline", "ColumnTransformer", "FeatureUnion"}
    )


def _titled(part: Any, model: Any) -> str:
    """A part's class, and the name of the step that holds it where there is one."""
    for whole in parts(model):
        for step in [
            *getattr(whole, "steps", ()),
            *getattr(whole, "transformers_", ()),
            *getattr(whole, "estimators", ()),
        ]:
            if isinstance(step, tuple) and step[1] is part:
                return f"the step {step[0]!r} ({type(part).__name__})"
    return type(part).__name__


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
