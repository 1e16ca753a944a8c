"""Opaque features: a user's own function, handed a frame of Polars or pandas, and the source that it lies in.

No frame library is loaded before a frame is asked for: a version with such a step answers from a child process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError, SpecError
from lockgate.features.columns import Columns
from lockgate.records.contract import ColumnType

Takes = Literal["columns", "polars", "pandas"]


def frame(columns: Columns, types: Mapping[str, ColumnType], kind: Takes) -> Any:
    """Columns as the frame that a function takes, typed as the contract says: whole numbers are Int64, times UTC.

    In pandas whole numbers with missing ones are float64, as `pandas.read_csv` gives them.
    """
    if kind == "polars":
        polars = import_module("polars")
        return polars.DataFrame({name: _series(polars, values, types[name]) for name, values in columns.items()})
    pandas = import_module("pandas")
    return pandas.DataFrame({name: _cells(pandas, values, types[name]) for name, values in columns.items()})


def arrays(found: Any, kind: Takes, gives: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """What a function gave, as float64 with NaN for missing; a name that it did not give is left out."""
    given = set(map(str, found.columns))
    if kind == "polars":
        polars = import_module("polars")
        number = polars.Float64
        return {name: found[name].cast(number).fill_null(np.nan).to_numpy() for name in gives if name in given}
    return {name: found[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in gives if name in given}


def source_digest(function: str) -> str:
    """SHA-256 of the file that holds "module:function", its line ends made one; nothing of the module is run.

    Raises SpecError where the module has no file to read.
    """
    module = function.partition(":")[0]
    try:
        spec = find_spec(module)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(
            f"{function!r} cannot be found: {error}.", cure="It must be importable from the project."
        ) from error
    place = None if spec is None else spec.origin
    if place is None or not Path(place).is_file():
        raise SpecError(
            f"{function!r} lies in no file, so nobody could tell whether it has changed.",
            cure="Put it into a module of the project.",
        )
    return hashlib.sha256(Path(place).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _series(polars: Any, values: NDArray[Any], kind: ColumnType) -> Any:
    if kind == "text":
        return polars.Series(values.tolist(), dtype=polars.String)
    floats = polars.Series(values, dtype=polars.Float64).fill_nan(None)
    if kind == "int":
        return polars.Series(_whole(values), dtype=polars.Float64).fill_nan(None).cast(polars.Int64)
    if kind == "bool":
        return floats != 0.0
    if kind == "time":
        return (floats * 1e6).round().cast(polars.Int64).cast(polars.Datetime("us", "UTC"))
    return floats


def _cells(pandas: Any, values: NDArray[Any], kind: ColumnType) -> Any:
    if kind == "text":
        return pandas.array(values, dtype=pandas.StringDtype(na_value=np.nan))
    if kind == "time":
        micros = pandas.array(np.round(values * 1e6), dtype="Float64")
        return pandas.to_datetime(micros.astype("Int64"), unit="us", utc=True)
    is_known = not bool(np.isnan(values).any())
    if kind == "int" and is_known:
        return _whole(values).astype(np.int64)
    return values != 0 if kind == "bool" and is_known else values


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers that 64 bits hold. The largest of those is 2**63 as a float64, and goes back to one that they hold.

    Raises ContractError for one beyond: a frame would make it null, or another number.
    """
    if (np.abs(values) > 2.0**63).any():
        raise ContractError(
            "A whole number of more than 64 bits goes into no frame.", row=int(np.nanargmax(np.abs(values)))
        )
    return np.where(values == 2.0**63, np.nextafter(2.0**63, 0), values)
