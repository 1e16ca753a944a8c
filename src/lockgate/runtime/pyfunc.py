"""A version as MLflow calls one: a pandas frame in, predictions out, by the same pipeline, engine and contract.

MLflow finds this module by its name, which stands in every model folder that Lockgate registers: it may not move.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ContractError
from lockgate.features.check import breaks, refuse
from lockgate.features.columns import Columns
from lockgate.records import Column, Contract
from lockgate.runtime import folder
from lockgate.runtime.predictor import Predictor


def needed(contract: Contract, names: tuple[str, ...]) -> tuple[Column, ...]:
    """The contract's columns that a version reads. Raises ContractError where it names no such column."""
    found = {column.name: column for column in contract.columns}
    missing = [name for name in names if name not in found]
    if missing:
        raise ContractError(f"The contract of {contract.model} has no column {missing[0]!r}.", column=missing[0])
    return tuple(found[name] for name in names)


class Scorer:
    """What `mlflow.pyfunc.load_model` hands out for a version."""

    def __init__(self, predictor: Predictor, contract: Contract) -> None:
        self._predictor = predictor
        self._columns = needed(contract, predictor.pipeline.needs)

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002 - MLflow's own signature
        """Shape (n,): the chance of class 1, or the value; a frame with a column for each class of a multiclass task.

        frame: pandas, with the columns the version reads; others are left alone. Raises ContractError naming the column
        where one is missing or a row may not be used, PredictError where the version gives no valid answer.
        """
        columns = from_frame(frame, self._columns)
        refuse(breaks(columns, self._columns), "Set such rows aside first.")
        values = self._predictor.predict(columns).values
        if self._predictor.manifest.task != "multiclass":
            return values
        import pandas as pd

        return pd.DataFrame(values, columns=list(self._predictor.manifest.classes), index=frame.index)


def from_frame(frame: Any, columns: tuple[Column, ...]) -> Columns:
    """A pandas frame's columns as arrays. Times without a zone are taken for UTC, as MLflow writes them.

    Raises ContractError naming the column that is missing, or whose values are not of its type.
    """
    found: Columns = {}
    for column in columns:
        if column.name not in frame.columns:
            raise ContractError(f"The frame has no column {column.name!r}.", column=column.name)
        try:
            found[column.name] = _array(frame[column.name], column)
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"Column {column.name!r} is {frame[column.name].dtype}, and the contract says {column.type}: {error}.",
                column=column.name,
            ) from error
    return found


def _array(series: Any, column: Column) -> NDArray[Any]:
    pd: Any = import_module("pandas")
    is_missing = np.asarray(series.isna(), dtype=bool)
    if column.type == "time":
        return _seconds(series, is_missing)
    if column.type == "text":
        for value in series[~is_missing]:
            if not isinstance(value, str):
                raise TypeError(f"{value!r} is no text")
        out = np.empty(len(series), dtype=object)
        out[:] = [None if missing else value for value, missing in zip(series, is_missing, strict=True)]
        return out
    if series.dtype.kind == "O" and any(isinstance(value, str) for value in series):
        raise TypeError("text is no number")
    values = np.full(len(series), np.nan)
    values[~is_missing] = pd.to_numeric(series[~is_missing]).astype(np.float64)
    if column.type == "int" and (np.floor(values) != values)[~is_missing].any():
        raise ValueError("not all of its numbers are whole")
    return values


def _seconds(series: Any, is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    pd: Any = import_module("pandas")
    if series.dtype.kind in "iufb" and not is_missing.all():
        raise TypeError("a number does not say since when it counts")
    stamps = pd.to_datetime(series, utc=True, format="ISO8601")
    return np.asarray((stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)


def _load_pyfunc(path: str) -> Scorer:  # pyright: ignore[reportUnusedFunction] # MLflow calls it by this name
    """MLflow's door. path: the version's folder, which is named by the version's id, so that its digests are checked."""
    place = Path(path)
    return Scorer(folder.load(place, place.name), folder.read_contract(place))
