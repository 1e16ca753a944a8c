"""Rows while several contracts are in force: told apart by who may answer them, and flagged where the assigned version may
not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from lockgate.errors import PredictError
from lockgate.features.columns import Columns
from lockgate.features.request import Held
from lockgate.records import Routing
from lockgate.runtime.fallback import Answered, Bounds, CanPredict
from lockgate.runtime.predictor import Answer


class Barred:
    """A version that its contract keeps a row from: the row's call fails for it, and what lies behind it answers."""

    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, columns: Columns) -> Answer:  # noqa: ARG002 - the shape of a predictor
        raise PredictError("The contract leaves this row to the fallback.", reason="contract")

    def predict_by(self, columns: Columns, until: float) -> Answer:  # noqa: ARG002 - the shape of one that keeps time
        return self.predict(columns)


class Way(NamedTuple):
    """Who is asked, and in which order."""

    routing: Routing
    predictors: Mapping[str, CanPredict]
    bounds: Mapping[str, Bounds]


def told_apart(
    by_version: Mapping[str, Held], rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], frozenset[str]]]:
    """The rows in stretches, each with the versions that may not answer it."""
    if not by_version:
        yield rows, frozenset()
        return
    versions = list(by_version)
    kept_out = np.array([by_version[version].left[rows] for version in versions])
    patterns, which = np.unique(kept_out, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        yield rows[which.reshape(-1) == number], frozenset(np.array(versions, dtype=object)[pattern].tolist())


def without(way: Way, version: str, barred: frozenset[str]) -> Way:
    """The way of rows that some versions may not answer: they are left out of the chain, but for the assigned one, whose
    failure it is. Where the champion is among them the one before it stands in, as long as the routing names it, for callers
    change their rows later than we do our champion; but not one that was rolled back.
    """
    if not barred:
        return way
    routing = way.routing
    previous = None if routing.previous in (routing.withdrawn, *routing.ended) else routing.previous
    predictors = {name: found for name, found in way.predictors.items() if name not in barred}
    if routing.champion in barred and previous is not None and previous in predictors:
        routing = replace(routing, chain=(previous, *routing.chain))
    if version in barred:
        predictors[version] = Barred(version)
    # What a contract keeps out says nothing of how a version answers: its breaker does not hear of it.
    return Way(routing, predictors, {name: own for name, own in way.bounds.items() if name not in barred})


def flagged(answered: Answered, held: Held | None, rows: NDArray[np.intp]) -> Answered:
    """With what the version's own contract says of these rows of the batch."""
    if held is None:
        return answered
    numbers: list[int] = rows.tolist()
    return answered._replace(flags=[(*held.flags[row], *own) for row, own in zip(numbers, answered.flags, strict=True)])
