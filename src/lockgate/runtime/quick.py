"""The quick way: rows as a request brings them, straight into a compiled graph, without arrays by column in between.

It answers what is plain and leaves everything else to the long way, which decides: a value that the model refuses, an input
out of its range, an answer that is none. So whatever it does answer, the long way answers alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.features.pipeline_row import one_row
from lockgate.records import Column
from lockgate.records.prediction import Scalar
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.layout import MISSING
from lockgate.runtime.predictor import Predictor

Row = Sequence[Scalar]
Rows = Sequence[Row]
Numbers = Sequence[Any]
Take = Callable[[Row], Numbers | None]
"""A row's numbers as the graph takes them, None or NaN for what is missing; None where the row is for the long way."""
Pick = Callable[[Row], Row]
"""Some of a row's values, in order."""
_MOST = float(np.finfo(np.float32).max)


class Quick:
    """Answers rows whose values stand in the order of the contract's asked columns; for one thread. Times are seconds since
    1970.
    """

    def __init__(self, predictor: Predictor, engine: Compiled, take: Take, texts: Pick | None = None) -> None:
        self._run, self._one = engine.run, engine.one_row()
        self._take, self._texts = take, texts
        self._numbers = next((name for name, dtype in engine.dtypes.items() if dtype is not None), "")
        self._dtype = engine.dtypes.get(self._numbers)
        self._is_chance = predictor.manifest.task == "binary"

    def __call__(self, rows: Rows) -> list[float] | None:
        """A value for each row; None where any of them is for the long way."""
        try:
            values = self._values(rows)
        except Exception:  # noqa: BLE001 - the long way finds out what it was, and says so
            return None
        if values is None or len(values) != len(rows):
            return None
        if self._is_chance:
            return values if all(0.0 <= value <= 1.0 for value in values) else None
        return values if all(map(math.isfinite, values)) else None

    def _values(self, rows: Rows) -> list[float] | None:
        if self._one is not None and len(rows) == 1:
            taken = self._take(rows[0])
            return None if taken is None else [self._one(taken)]
        taken_rows = [self._take(row) for row in rows]
        if None in taken_rows:
            return None
        fed: dict[str, NDArray[Any]] = {}
        if self._numbers:
            # By way of float64, as every pipeline goes: a whole number must not be rounded another way here.
            fed[self._numbers] = np.array(taken_rows, dtype=np.float64).astype(self._dtype, copy=False)
        if self._texts is not None:
            fed["texts"] = np.array([_texts(self._texts(row)) for row in rows], dtype=object)
        values: list[float] = self._run(fed).tolist()
        return values


def quick(predictor: Predictor, asked: Sequence[Column]) -> Quick | None:
    """The quick way of a version; None where it has none: a native engine, a step of the user's own, several classes."""
    engine = predictor.engine
    if not isinstance(engine, Compiled) or predictor.manifest.task == "multiclass":
        return None
    places = {column.name: place for place, column in enumerate(asked)}
    if any(name not in places for name in predictor.pipeline.needs):
        return None
    take = _raw(engine, places) if predictor.pipeline.is_raw else _matrix(predictor, engine, places)
    if take is None:
        return None
    texts = _pick([places[name] for name in engine.layout.texts]) if "texts" in engine.dtypes else None
    return Quick(predictor, engine, take, texts)


def _raw(engine: Compiled, places: dict[str, int]) -> Take | None:
    layout = engine.layout
    if not layout.is_raw:
        return None
    numbers, never_missing = (
        _pick([places[name] for name in names]) for names in (layout.numbers, layout.refuses_missing)
    )
    levels = [(places[name], frozenset((*known, None))) for name, known in layout.levels.items()]
    codes: list[tuple[int, Callable[[Any, float], float], float]] = [
        (places[name], table.get, otherwise) for name, table, otherwise in engine.lookups
    ]
    is_bounded = layout.refuses_beyond or engine.dtypes.get("numbers") is np.float32

    def take(row: Row) -> Numbers | None:
        if None in never_missing(row) or any(row[place] not in known for place, known in levels):
            return None
        found: list[Any] = [*numbers(row), *[code(row[place], otherwise) for place, code, otherwise in codes]]
        if is_bounded and any(value is not None and abs(value) > _MOST for value in found):
            return None
        return found

    return take


def _texts(values: Row) -> Row:
    return [MISSING if value is None else value for value in values] if None in values else values


def _matrix(predictor: Predictor, engine: Compiled, places: dict[str, int]) -> Take | None:
    """Of a pipeline without steps of the user's own."""
    inputs = {column.name: column for column in predictor.manifest.inputs}
    if engine.layout.is_raw or any(not column.is_nullable for column in inputs.values()):
        return None
    names = predictor.pipeline.names
    return one_row(
        predictor.pipeline,
        places,
        ranges={name: _range(inputs.get(name)) for name in names},
        never_missing=frozenset(names[int(place)] for place in engine.layout.refuses_missing),
    )


def _range(column: Column | None) -> tuple[float, float]:
    """What a model's input was seen to be, as `features.check` holds it to once it is a float32; never beyond float32."""
    low, high = (None, None) if column is None else (column.low, column.high)
    return (-_MOST if low is None else -_rounded(-low)), (_MOST if high is None else _rounded(high))


def _rounded(high: float) -> float:
    """The largest float64 that surely rounds to a float32 of at most `high`: a ratio that is its feature's most in training,
    .3 say, lies beside the float32 that it becomes.
    """
    narrow = np.float32(high)
    if float(narrow) != high or abs(high) >= _MOST:
        return high
    halfway = (high + float(np.nextafter(narrow, np.float32(np.inf)))) / 2
    return math.nextafter(halfway, -math.inf)


def _pick(places: list[int]) -> Pick:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)
