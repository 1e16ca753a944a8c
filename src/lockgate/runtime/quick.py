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

from lockgate.features.pipeline import LevelsStep, NumericStep
from lockgate.records import Column
from lockgate.records.prediction import Scalar
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.layout import MISSING
from lockgate.runtime.predictor import Predictor

Row = Sequence[Scalar]
Rows = Sequence[Row]
Fed = dict[str, NDArray[Any]]
Feed = Callable[[Rows], Fed | None]
Pick = Callable[[Row], Row]
"""Some of a row's values, in order."""
_MOST = float(np.finfo(np.float32).max)


class Quick:
    """Answers rows whose values stand in the order of the contract's asked columns; times are seconds since 1970."""

    def __init__(self, predictor: Predictor, engine: Compiled, feed: Feed) -> None:
        self._engine = engine
        self._feed = feed
        self._is_chance = predictor.manifest.task == "binary"

    def __call__(self, rows: Rows) -> list[float] | None:
        """A value for each row; None where any of them is for the long way."""
        try:
            fed = self._feed(rows)
            if fed is None:
                return None
            values: list[float] = self._engine.run(fed).tolist()
        except Exception:  # noqa: BLE001 - the long way finds out what it was, and says so
            return None
        if len(values) != len(rows):
            return None
        if self._is_chance:
            return values if all(0.0 <= value <= 1.0 for value in values) else None
        return values if all(map(math.isfinite, values)) else None


def quick(predictor: Predictor, asked: Sequence[Column]) -> Quick | None:
    """The quick way of a version; None where it has none: a native engine, a step of the user's own, several classes."""
    engine = predictor.engine
    if not isinstance(engine, Compiled) or predictor.manifest.task == "multiclass":
        return None
    places = {column.name: place for place, column in enumerate(asked)}
    if any(name not in places for name in predictor.pipeline.needs):
        return None
    feed = _raw(engine, places) if predictor.pipeline.is_raw else _matrix(predictor, engine, places)
    return None if feed is None else Quick(predictor, engine, feed)


def _raw(engine: Compiled, places: dict[str, int]) -> Feed | None:
    layout, types = engine.layout, engine.dtypes
    if not layout.is_raw:
        return None
    numbers, texts = (_pick([places[name] for name in names]) for names in (layout.numbers, layout.texts))
    never_missing = _pick([places[name] for name in layout.refuses_missing])
    levels = [(places[name], frozenset((*known, None))) for name, known in layout.levels.items()]
    most = _MOST if layout.refuses_beyond else math.inf
    is_narrow = types.get("numbers") is np.float32
    codes = [(places[name], table.get, otherwise) for name, table, otherwise in engine.lookups]

    def feed(rows: Rows) -> Fed | None:
        fed: Fed = {}
        for row in rows:
            if None in never_missing(row) or any(row[place] not in known for place, known in levels):
                return None
        if "numbers" in types:
            found = np.array(
                [(*numbers(row), *[code(row[place], other) for place, code, other in codes]) for row in rows],
                dtype=np.float64,
            )  # None becomes NaN
            if most < math.inf and (np.abs(found) > most).any():
                return None
            fed["numbers"] = _narrowed(found) if is_narrow else found
        if "texts" in types:
            fed["texts"] = np.array([_texts(texts(row)) for row in rows], dtype=object)
        return fed

    return feed


def _texts(values: Row) -> Row:
    return [MISSING if value is None else value for value in values] if None in values else values


def _matrix(predictor: Predictor, engine: Compiled, places: dict[str, int]) -> Feed | None:
    """Of a pipeline whose steps take columns as they are or number their levels, each giving its own columns."""
    makers: dict[str, tuple[int, Callable[[Any], Any] | None]] = {}
    for step in predictor.pipeline.steps:
        if isinstance(step, NumericStep):
            makers |= {name: (places[name], None) for name in step.columns}
        elif isinstance(step, LevelsStep) and step.levels is not None:
            codes = {level: float(code) for code, level in enumerate(step.levels)}
            makers[step.column] = (places[step.column], codes.get)
        else:
            return None
    names = predictor.pipeline.names
    inputs = {column.name: column for column in predictor.manifest.inputs}
    if engine.layout.is_raw or any(not column.is_nullable for column in inputs.values()):
        return None
    made = [(*makers[name], *_range(inputs.get(name))) for name in names]
    never_missing = [int(place) for place in engine.layout.refuses_missing]
    name = next(iter(engine.dtypes))

    def values(row: Row) -> list[Any] | None:
        found: list[Any] = []
        for place, code, low, high in made:
            value: Any = row[place] if code is None else code(row[place])
            # A missing value is in no range, and out of none.
            if value is not None and not low <= value <= high:
                return None
            found.append(value)
        return None if any(found[place] is None for place in never_missing) else found

    def feed(rows: Rows) -> Fed | None:
        found = [values(row) for row in rows]
        # By way of float64, as every pipeline goes: a whole number must not be rounded another way here.
        return None if None in found else {name: np.array(found, dtype=np.float64).astype(np.float32)}

    return feed


def _narrowed(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _range(column: Column | None) -> tuple[float, float]:
    """What a model's input was seen to be, as `features.check` holds it to; never beyond float32."""
    low, high = (None, None) if column is None else (column.low, column.high)
    return (-_MOST if low is None else low), (_MOST if high is None else high)


def _pick(places: list[int]) -> Pick:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)
