"""Many calls as one line of the log, and back: what comes out are the predictions that would have gone in, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, row_tuples
from lockgate.features.levelled import levelled, levels_of, present
from lockgate.records import Column, Contract, Prediction
from lockgate.records.prediction import Calls, Levelled, LogLine, LogRow

_FLOAT, _WHOLE = np.dtype("<f8"), np.dtype("<i8")


def packed(columns: Columns, contract: Contract) -> tuple[bytes | list[str | None] | Levelled, ...]:
    """The inputs as `Calls` holds them."""
    return tuple(
        _texts(columns[column.name]) if column.type == "text" else number_bytes(columns[column.name])
        for column in contract.asked
    )


def _texts(values: NDArray[np.object_]) -> list[str | None] | Levelled:
    known = levels_of(values)
    few = None if known is None else present(known)
    if few is None or 2 * len(few.levels) > len(few.codes):  # nearly as many texts as rows
        texts: list[str | None] = values.tolist()
        return texts
    codes = few.codes.astype(few.codes.dtype.newbyteorder("<"), copy=False)
    return Levelled(levels=few.levels, codes=codes.tobytes())


def number_bytes(values: NDArray[np.float64]) -> bytes:
    return values.astype(_FLOAT, copy=False).tobytes()


def place_bytes(places: NDArray[np.intp]) -> bytes:
    return places.astype(_WHOLE, copy=False).tobytes()


def entries(lines: Sequence[LogLine]) -> Sequence[LogRow]:
    """With each line of many calls as its predictions."""
    if Calls not in set(map(type, lines)):  # nearly always
        return lines  # type: ignore[return-value] # the line above has looked
    found: list[LogRow] = []
    for line in lines:
        if isinstance(line, Calls):
            found += predictions(line)
        else:
            found.append(line)
    return found


def predictions(calls: Calls) -> list[Prediction]:
    """One for each row, in order."""
    numbers: list[int] = np.frombuffer(calls.places, _WHOLE).tolist()
    asked_s: list[float] = np.frombuffer(calls.asked_s, _FLOAT).tolist()
    values: list[float] = np.frombuffer(calls.values, _FLOAT).tolist()
    order = [Column(name=str(place), type=kind) for place, kind in enumerate(calls.kinds)]
    inputs = row_tuples(dict(zip((column.name for column in order), map(_array, calls.inputs), strict=True)), order)
    inputs = inputs if order else [()] * len(numbers)
    found: list[Prediction] = []
    for row, (number, at_s, value, given) in enumerate(zip(numbers, asked_s, values, inputs, strict=True)):
        own = f"{calls.prefix}-{number}"
        named = None if calls.unit_at is None else given[calls.unit_at]
        found.append(
            Prediction(
                id=own,
                model=calls.model,
                unit=(None if named is None else str(named)) or own,
                asked_s=at_s,
                answered_s=calls.answered_s,
                arm=calls.arm,
                version=calls.version,
                served_by=calls.served_by.get(row, calls.version),
                value=value,
                latency_ms=calls.latency_ms,
                share=calls.share,
                rollout=calls.rollout,
                failure=calls.failures.get(row),
                flags=calls.flags.get(row, ()),
                inputs=given,
            )
        )
    return found


def _array(values: bytes | list[str | None] | Levelled) -> NDArray[np.float64] | NDArray[np.object_]:
    if isinstance(values, bytes):
        return np.frombuffer(values, _FLOAT)
    if isinstance(values, Levelled):
        kind = np.min_scalar_type(max(len(values.levels) - 1, 0)).newbyteorder("<")
        return levelled(values.levels, np.frombuffer(values.codes, kind))
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
