"""Somebody's table, whatever it is made of, as arrays by column: pandas, Polars, a mapping of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown

Floats = NDArray[np.float64]
Table = Any  # pandas.DataFrame, polars.DataFrame, Mapping[str, Sequence]: none of them is imported here


def columns(table: Table) -> tuple[str, ...]:
    names = getattr(table, "columns", None)
    if names is None and hasattr(table, "keys"):
        names = table.keys()
    if names is None:
        raise SpecError(
            f"{type(table).__name__} is no table.", cure="Give a pandas or Polars frame, or a mapping of columns."
        )
    return tuple(str(name) for name in names)


def column(table: Table, name: str) -> NDArray[Any]:
    """The column as it is. Raises SpecError for an unknown name, with the nearest known one."""
    if name not in columns(table):
        raise SpecError(unknown("column", name, columns(table)))
    found: Any = table[name]
    zone = getattr(getattr(found, "dt", None), "tz", None)
    if zone is not None:
        # pandas hands out zoned times as objects: as UTC without a zone they are numbers.
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(found)


def numbers(table: Table, name: str) -> Floats:
    """The column as float64. Raises SpecError where it holds something else, or something missing."""
    found = column(table, name)
    try:
        values = found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name} holds {found.dtype}, not numbers.", cure="Make it 0 and 1, or numbers.") from error
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise SpecError(
            f"{name} is missing in row {row} ({int(np.isnan(values).sum())} rows in all).",
            cure="Leave those rows out, and say how many.",
        )
    return values


def times_s(table: Table, name: str) -> Floats:
    """Seconds since 1970, UTC; times without a zone are taken as UTC."""
    found = column(table, name)
    if found.dtype.kind != "M":
        try:
            if found.dtype.kind not in "OUS":
                # A number would be taken for microseconds since 1970, silently.
                raise TypeError
            found = found.astype("datetime64[us]")
        except (TypeError, ValueError) as error:
            raise SpecError(f"{name} holds {found.dtype}, not times.", cure="Parse it as dates first.") from error
    if np.isnat(found).any():
        raise SpecError(f"{name} is missing in row {int(np.flatnonzero(np.isnat(found))[0])}.")
    seconds: Floats = found.astype("datetime64[us]").astype(np.int64) / 1e6
    return seconds


def time_columns(table: Table) -> list[str]:
    """Columns that hold times."""
    return [name for name in columns(table) if column(table, name).dtype.kind == "M"]
