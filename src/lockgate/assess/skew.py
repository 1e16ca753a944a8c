"""Two ways to one value compared, call by call: where they part, by how much, and how the one follows from the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns
from lockgate.records import Column
from lockgate.records.contract import ColumnType
from lockgate.records.prediction import Scalar
from lockgate.records.skew import Skewed, SkewKind

CLOSE = 1e-6
"""Numbers are the same within so much of the larger: a table may hold them in float32."""
MOMENT_S = 1e-3
FEWEST_FITTED = 5
ENGINE_TOLERANCE = 1e-5
"""Answers are the same within so much, as for a compiled model beside its native one."""

Bools = NDArray[np.bool_]


def answers(
    version: str,
    name: str,
    ids: Sequence[str],
    logged: NDArray[np.float64],
    again: NDArray[np.float64],
    *,
    unit: float = 1.0,
) -> Skewed | None:
    """What a version said of calls, and what it says of them all at once. again: NaN where it gives no valid answer.

    name: what people call it. unit: what a difference is measured by, 1 for chances. The calls are in the order of time.
    """
    apart = np.abs(logged - again) / np.maximum(unit, np.abs(logged))
    differs = ~(apart <= ENGINE_TOLERANCE)
    found = _found("answer", "answer", version, ids, logged, again, differs, "float")
    if found is None:
        return None
    sentence = (
        f"{name} answers {_of(found)} logged calls otherwise when they come in a table{_by(found)}; the first is "
        f"{found.first}: {_said(found.logged)} then, {_said(found.table)} now."
    )
    return _with(found, sentence)


def features(
    version: str, name: str, inputs: Sequence[str], ids: Sequence[str], alone: Any, together: Any
) -> list[Skewed]:
    """What a version's features are of each call alone, and of all of them in a table. Shapes (n, k), NaN for missing."""
    found: list[Skewed] = []
    for place, column in enumerate(inputs):
        one, all_ = alone[:, place].astype(np.float64), together[:, place].astype(np.float64)
        differs = ~((one == all_) | (np.isnan(one) & np.isnan(all_)))
        own = _found("feature", column, version, ids, one, all_, differs, "float")
        if own is not None:
            sentence = (
                f"The feature {column!r} of {name} depends on the other rows: {_of(own)} logged calls get another value in a "
                f"table than alone{_by(own)}; the first is {own.first}: {_said(own.logged)} alone, {_said(own.table)} in it."
            )
            found.append(_with(own, sentence))
    return found


def columns(
    asked: Sequence[Column], ids: Sequence[str], logged: Columns, table: Columns, *, where: str
) -> list[Skewed]:
    """What calls were asked with, and what a table has of the same, in the columns it has. where: the table, in words."""
    found: list[Skewed] = []
    for column in (column for column in asked if column.name in table):
        own, other = logged[column.name], table[column.name]
        one = _found("column", column.name, None, ids, own, other, ~_same(column.type, own, other), column.type)
        if one is not None:
            follows = f" {one.relation[0].upper()}{one.relation[1:]}." if one.relation else ""
            sentence = (
                f"Column {column.name!r} was something else than {where} has in {_of(one)} calls{_by(one)}; the first is "
                f"{one.first}: {_said(one.logged)} when it was asked, {_said(one.table)} there.{follows}"
            )
            found.append(_with(one, sentence))
    return found


def _same(kind: ColumnType, logged: NDArray[Any], table: NDArray[Any]) -> Bools:
    if kind == "text":
        return np.array([one == other for one, other in zip(logged.tolist(), table.tolist(), strict=True)], dtype=bool)
    both_missing = np.isnan(logged) & np.isnan(table)
    if kind == "time":
        close = np.abs(logged - table) <= MOMENT_S
    elif kind == "float":
        with np.errstate(invalid="ignore"):
            near = np.abs(logged - table) <= CLOSE * np.maximum(np.abs(logged), np.abs(table))
        close = (logged == table) | (near & np.isfinite(logged) & np.isfinite(table))
    else:
        close = logged == table
    return np.array(close | both_missing, dtype=bool)


def _found(
    kind: SkewKind,
    column: str,
    version: str | None,
    ids: Sequence[str],
    logged: NDArray[Any],
    table: NDArray[Any],
    differs: Bools,
    type_: ColumnType,
) -> Skewed | None:
    """Without its sentence; None where nothing differs."""
    places = np.flatnonzero(differs)
    if not places.size:
        return None
    first = int(places[0])
    largest, relation = None, ""
    if type_ != "text":
        size = np.abs(logged[places] - table[places])
        largest = float(np.nanmax(size)) if np.isfinite(size).any() else None
        relation = _relation(logged[places], table[places]) if kind == "column" and type_ in ("int", "float") else ""
    return Skewed(
        kind=kind,
        column=column,
        version=version,
        calls=len(ids),
        differ=int(places.size),
        first=ids[first],
        logged=_scalar(logged[first]),
        table=_scalar(table[first]),
        largest=largest,
        relation=relation,
        sentence="",
    )


def _relation(logged: NDArray[np.float64], table: NDArray[np.float64]) -> str:
    """A line that every pair of values lies on: another unit, most often. Nothing where there is none."""
    is_known = np.isfinite(logged) & np.isfinite(table)
    if not is_known.all():
        missing = "has no value when it was asked" if np.isnan(logged).all() else ""
        return f"it {missing}" if missing else ""
    if np.unique(logged).size == 1 and np.unique(table).size > 1:
        return f"it was {logged[0]:g} in each of them"
    if np.unique(table).size < min(FEWEST_FITTED, table.size) or table.size < FEWEST_FITTED:
        return ""
    slope, shift = np.polyfit(table, logged, 1)
    if not (np.abs(slope * table + shift - logged) <= CLOSE * np.maximum(1.0, np.abs(logged))).all():
        return ""
    if abs(shift) <= CLOSE * max(1.0, float(np.abs(logged).max())):
        return f"what was asked = {slope:.6g} x the table's"
    sign, times = "-" if shift < 0 else "+", "" if abs(slope - 1) <= CLOSE else f"{slope:.6g} x "
    return f"what was asked = {times}the table's {sign} {abs(shift):.6g}"


def _with(found: Skewed, sentence: str) -> Skewed:
    return msgspec.structs.replace(found, sentence=sentence)


def _of(found: Skewed) -> str:
    return f"{found.differ:,} of {found.calls:,}"


def _by(found: Skewed) -> str:
    return "" if found.largest is None else f", by up to {found.largest:.3g}"


def _scalar(value: Any) -> Scalar:
    plain = cast("Scalar", value.item() if isinstance(value, np.generic) else value)
    return None if plain != plain else plain


def _said(value: Scalar) -> str:
    if value is None:
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
