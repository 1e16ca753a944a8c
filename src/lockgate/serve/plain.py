"""Plain rows, answered the quick way: one pass from values to predictions, where nothing needs a second look."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from itertools import count, islice

from lockgate.decide.assign import Drawn, draw
from lockgate.features.request import Plain
from lockgate.records import Prediction, Routing
from lockgate.records.prediction import Scalar
from lockgate.runtime.fallback import Bounds
from lockgate.serve.batch import FUTURE_S
from lockgate.serve.served import Served

Row = tuple[Scalar, ...]


class Ids:
    """Ids for requests that bring none: one process's own word and a number, drawn anew after a fork."""

    def __init__(self) -> None:
        self._pid = 0
        self._word = ""
        self._numbers = count()

    def next(self) -> str:
        if os.getpid() != self._pid:
            self._pid, self._word = os.getpid(), secrets.token_hex(6)
        return f"{self._word}{next(self._numbers):x}"


ids = Ids()


def answer(served: Served, asked: Sequence[Plain], *, now_s: float) -> list[list[Prediction] | None]:
    """For each request a prediction for every row, as the long way gives it; None for those that it has to answer."""
    if any(bounds.breaker.is_open for bounds in _bounds(served)):
        return [None] * len(asked)
    until = time.perf_counter() + served.routing.deadline_ms / 1000
    found = _answered(served, asked, now_s)
    if found is not None:
        return found
    if len(asked) == 1:
        return [None]
    alone: list[list[Prediction] | None] = []
    for one in asked:  # whoever spoils the batch goes alone, as long as the loop may be held
        answered = _answered(served, [one], now_s) if time.perf_counter() < until else None
        alone += answered or [None]
    return alone


def _bounds(served: Served) -> list[Bounds]:
    """Of the versions that calls are routed to."""
    routing = served.routing
    versions = (routing.champion, *(routing.challengers if routing.share else ()))
    return [served.bounds[version] for version in versions if version in served.bounds]


def _answered(served: Served, asked: Sequence[Plain], now_s: float) -> list[list[Prediction] | None] | None:
    """None where a row has no value this way; None for each request where the values came too late, for a second run would
    come no sooner.
    """
    routing = served.routing
    rows = [row for one in asked for row in one.rows]
    at = served.who.time
    if at is not None and any((row[at] or 0.0) > now_s + FUTURE_S for row in rows):  # type: ignore[operator] # a time is a float
        return None
    names = [
        [f"{request}-{place}" for place in range(len(one.rows))]
        for one in asked
        for request in (one.id or one.drawn or ids.next(),)
    ]
    units = [unit for one, own in zip(asked, names, strict=True) for unit in _units(one, served.who.unit, own)]
    lots = _lots(routing, units)
    began = time.perf_counter()
    values = _values(served, rows, lots)
    latency_ms = (time.perf_counter() - began) * 1000
    if values is None:
        return None
    if latency_ms > routing.deadline_ms:
        return [None for _ in asked]
    answered_s = time.time()
    for version in {lot.version for lot in lots}:
        if (bounds := served.bounds.get(version)) is not None:
            bounds.breaker.saw(None)
    every = zip((own for of_one in names for own in of_one), units, lots, values, rows, strict=True)
    found = [
        Prediction(
            id=own,
            model=routing.model,
            unit=unit,
            asked_s=now_s if at is None or row[at] is None else row[at],  # type: ignore[arg-type] # a time is a float
            answered_s=answered_s,
            arm=lot.arm,
            version=lot.version,
            served_by=lot.version,
            value=value,
            latency_ms=latency_ms,
            share=routing.share,
            rollout=routing.rollout,
            inputs=row,
        )
        for own, unit, lot, value, row in every
    ]
    if len(asked) == 1:
        return [found]
    stretches = iter(found)
    return [list(islice(stretches, len(own))) for own in names]


def _units(asked: Plain, place: int | None, ids: list[str]) -> list[str]:
    if place is None:
        return [asked.unit] * len(ids) if asked.unit else ids
    named = (None if row[place] is None else str(row[place]) for row in asked.rows)
    return [name or asked.unit or own for name, own in zip(named, ids, strict=True)]


def _lots(routing: Routing, units: list[str]) -> list[Drawn]:
    if routing.challenger is None or not routing.share:
        return [Drawn("champion", routing.champion)] * len(units)
    return [draw(routing, unit) for unit in units]


def _values(served: Served, rows: Sequence[Row], lots: Sequence[Drawn]) -> list[float] | None:
    """Each arm's rows by its version's quick way; None where one has none, or leaves a row to the long way."""
    versions = dict.fromkeys(lot.version for lot in lots)
    if len(versions) == 1:
        only = served.quick.get(lots[0].version)
        return only(rows) if only else None
    found: dict[int, float] = {}
    for version in versions:
        by = served.quick.get(version)
        places = [place for place, lot in enumerate(lots) if lot.version == version]
        values = by([rows[place] for place in places]) if by else None
        if values is None:
            return None
        found.update(zip(places, values, strict=True))
    return [found[place] for place in range(len(rows))]
