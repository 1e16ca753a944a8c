"""What a feature pipeline gives, as what a model takes: a pandas frame or a matrix, typed as the training table was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.columns import Columns
from lockgate.features.levelled import levels_of
from lockgate.features.pipeline import Floats
from lockgate.records import Column

Cell = Callable[[NDArray[Any]], Any]
"""One column's array, as `Columns` holds it, to what the frame holds."""


def framer(
    names: Sequence[str], order: Sequence[Column], categories: Mapping[str, tuple[Any, ...]], *, strict: bool = False
) -> Callable[[Columns], Any]:
    """A function from columns to a pandas frame, dtypes as `pandas.read_csv` gives them for the same table.

    names: the frame's, for the columns of `order`. Whole numbers are int64, with missing ones float64; text is str with
    NaN; times are UTC. strict: booleans with missing ones are float64 instead of objects, which boosters refuse.
    Raises SpecError where a column's type cannot be among the levels the model knows.
    """
    pandas = import_module("pandas")
    cells = [
        (name, column.name, _category(pandas, column, categories[name]))
        if name in categories
        else (name, column.name, _cell(pandas, column, strict))
        for name, column in zip(names, order, strict=True)
    ]
    make = pandas.DataFrame

    def frame(columns: Columns) -> Any:
        return make({name: cell(columns[source]) for name, source, cell in cells}, copy=False)

    return frame


def stacked(columns: Columns, order: Sequence[Column]) -> Floats:
    """A float64 matrix, shape (n, columns); times are seconds since 1970. Only for columns that are numbers."""
    return np.column_stack([columns[column.name] for column in order]).astype(np.float64, copy=False)


def refuse_text(order: Sequence[Column]) -> None:
    """Raises SpecError where a column of text was to go into a matrix."""
    text = [column.name for column in order if column.type == "text"]
    if text:
        raise SpecError(
            f"The model takes numbers, and {_listed(text)} {'holds' if len(text) == 1 else 'hold'} text.",
            cure="Leave such columns out, turn them into levels in a feature pipeline, or save the model together with "
            "the steps that prepare them, as one scikit-learn Pipeline.",
        )


def _cell(pandas: Any, column: Column, strict: bool) -> Cell:
    if column.type == "text":
        dtype = pandas.StringDtype(na_value=np.nan)
        return lambda values: _texts(pandas, values, dtype) if values.dtype == object else values
    if column.type == "int" and not column.is_nullable:
        return _whole
    if column.type == "bool":
        return _truth_or_float if strict else _truth
    if column.type == "time":
        return lambda values: pandas.DatetimeIndex(_stamps(values), tz="UTC")
    return lambda values: values


def _texts(pandas: Any, values: NDArray[Any], dtype: Any) -> Any:
    known = levels_of(values)
    if known is None:
        return pandas.array(values, dtype=dtype)
    return pandas.array(list(known.levels), dtype=dtype).take(known.codes)


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    is_whole = bool(np.isfinite(values).all()) and bool((np.abs(values) < 2.0**63).all())
    return values.astype(np.int64) if is_whole else values


def _truth(values: NDArray[Any]) -> NDArray[Any]:
    missing = np.isnan(values)
    if not missing.any():
        return np.asarray(values != 0)
    mixed = np.asarray(values != 0).astype(object)
    mixed[missing] = np.nan
    return mixed


def _truth_or_float(values: NDArray[Any]) -> NDArray[Any]:
    return values if np.isnan(values).any() else np.asarray(values != 0)


def _stamps(values: NDArray[Any]) -> NDArray[np.datetime64]:
    """Whole microseconds: a double of seconds since 1970 is no finer than that."""
    micro = np.where(np.isnan(values), np.nan, np.round(values * 1e6))
    stamps = np.full(len(micro), np.datetime64("NaT"), dtype="datetime64[us]")
    known = ~np.isnan(micro)
    stamps[known] = micro[known].astype(np.int64).astype("datetime64[us]")
    return stamps.astype("datetime64[ns]")


def _category(pandas: Any, column: Column, levels: tuple[Any, ...]) -> Cell:
    """Values as categories with the model's own levels; what it never saw is missing to it, as it is to the framework."""
    _check_levels(column, levels)
    dtype = pandas.CategoricalDtype(pandas.Index(list(levels)))
    codes = {level: code for code, level in enumerate(levels)}
    find = codes.get

    def cell(values: NDArray[Any]) -> Any:
        known = levels_of(values)
        each = values.tolist() if known is None else known.levels
        found = np.fromiter((find(value, -1) for value in each), dtype=np.int64, count=len(each))
        found = found if known is None else found[known.codes]
        return pandas.Categorical.from_codes(found, dtype=dtype)

    return cell


def _check_levels(column: Column, levels: tuple[Any, ...]) -> None:
    are_text = all(isinstance(level, str) for level in levels)
    if levels and are_text != (column.type == "text"):
        raise SpecError(
            f"The model knows {column.name!r} by levels such as {levels[0]!r}; the table's column is {column.type}.",
            cure=f"Read {column.name!r} as {'text' if are_text else 'numbers'}, as it was when the model was trained.",
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
