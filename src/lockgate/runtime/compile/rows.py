"""Rows to try two engines on: held-out rows, and rows moved to where float32, missing values and new levels show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import length, take
from lockgate.features.pipeline import Floats
from lockgate.records import Column
from lockgate.runtime.compile.forest import floor32
from lockgate.runtime.compile.trace import splits
from lockgate.runtime.predictor import Inputs

MAX_ROWS = 20_000
MAX_SPLITS = 3000
MAX_LEVELS = 2000
_MOST_FEW = 256  # distinct values of a column that thresholds lie halfway between
_UNSEEN = ("lockgate: never seen", "", "Ünsèen ✈")


class Tried(NamedTuple):
    """One kind of rows: "held out", "boundary", "missing", "level", "unseen", "far" or "beyond". columns: by row, the
    place of the input that was moved, -1 for none or several.
    """

    kind: str
    inputs: Inputs
    columns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.columns)


def tried(
    model: Any, held_out: Inputs, inputs: Sequence[Column], order: Sequence[Column], names: Sequence[str], seed: int = 0
) -> Iterator[Tried]:
    """All kinds. inputs: what each input is, in the order in which rows come; order, names: in the model's, by its names."""
    rng = np.random.default_rng(seed)
    some = _some(held_out, MAX_ROWS, rng)
    yield Tried("held out", some, np.full(count(some), -1, dtype=np.int64))
    move = _Mover(held_out, [column.name for column in inputs], rng)
    numbers = [place for place, column in enumerate(inputs) if column.type != "text"]
    open_ended = [place for place in numbers if inputs[place].type != "bool"]
    texts = [place for place, column in enumerate(inputs) if column.type == "text"]
    known = {order[place].name: thresholds for place, thresholds in splits(model, names).items()}
    yield move.kind("boundary", _boundaries(known, move, numbers, inputs))
    yield move.kind("missing", _missing(move, inputs))
    yield move.kind("far", {place: _far(move.values(place)) for place in open_ended})
    if move.is_raw:
        yield move.kind("beyond", {place: [1e300, -1e39] for place in open_ended})
        yield move.kind("level", {place: _levels(move.values(place), inputs[place]) for place in texts})
        yield move.kind("unseen", {place: list(_UNSEEN) for place in texts})


class _Mover:
    """Takes rows at random, and moves one input of each."""

    def __init__(self, inputs: Inputs, names: list[str], rng: np.random.Generator) -> None:
        self._inputs, self._names, self._rng = inputs, names, rng
        self.is_raw = isinstance(inputs, dict)

    def values(self, place: int) -> NDArray[Any]:
        given = self._inputs
        return given[self._names[place]] if isinstance(given, dict) else given[:, place]

    def kind(self, kind: str, moves: dict[int, Any]) -> Tried:
        """moves: by input, the values it is moved to, one row each."""
        places = np.repeat(list(moves), [len(values) for values in moves.values()]).astype(np.int64)
        rows = self._rng.integers(count(self._inputs), size=len(places))
        found = take(self._inputs, rows) if isinstance(self._inputs, dict) else self._inputs[rows]
        for place, values in moves.items():
            _put(found, self._names[place], place, np.flatnonzero(places == place), values)
        return Tried(kind, found, places)


def _put(inputs: Inputs, name: str, place: int, rows: NDArray[Any], values: Any) -> None:
    with np.errstate(over="ignore"):
        if isinstance(inputs, dict):
            inputs[name][rows] = values
        else:
            inputs[rows, place] = values


def _boundaries(known: dict[str, Floats], move: _Mover, numbers: list[int], inputs: Sequence[Column]) -> dict[int, Any]:
    """By input, its thresholds and what lies just beside them; of an input without any, places where some may lie."""
    share = max(2, MAX_SPLITS // max(1, len(numbers)))
    found: dict[int, Any] = {}
    for place in numbers:
        at = known.get(inputs[place].name)
        at = _likely(move.values(place)) if at is None else at
        chosen = at if len(at) <= share else spread(at, share)
        beside = _beside(chosen, is_raw=move.is_raw)
        found[place] = _as_column(beside, inputs[place])
    return found


def spread(values: Floats, count: int) -> Floats:
    """So many of the values, evenly spread in their order."""
    return np.array(values[np.linspace(0, len(values) - 1, count).astype(np.int64)], dtype=np.float64)


def _beside(at: Floats, *, is_raw: bool) -> Floats:
    """The values themselves, and their neighbours in float32; of raw columns also in float64."""
    low = floor32(at)
    with np.errstate(over="ignore"):
        near = [low, np.nextafter(low, np.float32(np.inf)), np.nextafter(low, np.float32(-np.inf))]
    around = [values.astype(np.float64) for values in near]
    if is_raw:
        around += [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
    every = np.concatenate(around)
    return np.unique(every[np.isfinite(every)])


def _as_column(values: Floats, column: Column) -> Floats:
    """What the column can hold: whole numbers of an int, 0 and 1 of a bool."""
    if column.type == "bool":
        return np.array([0.0, 1.0])
    if column.type == "int":
        return np.unique(np.concatenate([np.floor(values), np.ceil(values)]))
    return values


def _likely(values: NDArray[Any]) -> Floats:
    """Its quantiles; where it has few values, also what lies halfway between them."""
    wide = values.astype(np.float64)
    present = np.unique(wide[np.isfinite(wide)])
    if not len(present):
        return np.zeros(1)
    if len(present) <= _MOST_FEW:
        return np.concatenate([present, (present[1:] + present[:-1]) / 2])
    return np.unique(np.quantile(present, np.linspace(0, 1, 20)))


def _missing(move: _Mover, order: Sequence[Column]) -> dict[int, Any]:
    """A few rows for each input; a contract that says it is never missing refuses such rows before they come here."""
    found: dict[int, Any] = {}
    for place, column in enumerate(order):
        if column.is_nullable or not move.is_raw:
            found[place] = [None] * 5 if column.type == "text" else [np.nan] * 5
    return found


def _far(values: NDArray[Any]) -> Floats:
    """Outside what the rows hold: a span further on either side, none at all, and a thousand times the largest."""
    wide = values.astype(np.float64)
    present = wide[np.isfinite(wide)]
    if not len(present):
        return np.zeros(1)
    low, high = float(present.min()), float(present.max())
    most = max(abs(low), abs(high), 1.0)
    span = max(high - low, 1.0)
    return np.array([float(round(value)) for value in (low - span, high + span, 0.0, 1000 * most, -1000 * most)])


def _levels(values: NDArray[Any], column: Column) -> list[str]:
    """Every known level, up to a bound."""
    seen = {value for value in values.tolist() if value is not None}
    return sorted(seen | set(column.levels or ()))[:MAX_LEVELS]


def _some(inputs: Inputs, most: int, rng: np.random.Generator) -> Inputs:
    rows = count(inputs)
    if rows <= most:
        return inputs
    kept = np.sort(rng.choice(rows, most, replace=False))
    return taken(inputs, kept)


def taken(inputs: Inputs, rows: NDArray[Any]) -> Inputs:
    """The rows at these places."""
    return take(inputs, rows) if isinstance(inputs, dict) else inputs[rows]


def count(inputs: Inputs) -> int:
    return length(inputs) if isinstance(inputs, dict) else len(inputs)
