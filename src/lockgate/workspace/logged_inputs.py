"""What the inputs of a logged call are: the columns of the contract that it was read by, and their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.errors import LockgateError
from lockgate.features.columns import Columns
from lockgate.features.typed import polars_type
from lockgate.records import Column, Outcome, Prediction, Rollout
from lockgate.records.prediction import LogEntry
from lockgate.workspace.wire import Wiring

if TYPE_CHECKING:
    import polars as pl

Row = tuple[Prediction, Outcome]


class Readers:
    """The columns of any call's inputs: of the contract that the champion of that time was trained under."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._by_version: dict[tuple[str, str | None], tuple[Column, ...] | None] = {}

    def of(self, call: Prediction) -> tuple[Column, ...] | None:
        """None where that version is not here."""
        key = (call.version, call.rollout)
        if key not in self._by_version:
            rollout = None if call.rollout is None else self._wiring.records.get(Rollout, call.rollout)
            try:
                reader = call.version if rollout is None else rollout.champion
                self._by_version[key] = self._wiring.contract(reader).asked
            except LockgateError:
                self._by_version[key] = None
        return self._by_version[key]


def matured(entries: Sequence[LogEntry]) -> tuple[list[Row], Counter[str]]:
    """Each prediction once, oldest first, with the outcome that was received last; what was left out, by why."""
    told: dict[str, Outcome] = {}
    asked: dict[str, Prediction] = {}
    for entry in entries:
        if isinstance(entry, Prediction):
            asked.setdefault(entry.id, entry)
        elif isinstance(entry, Outcome):
            before = told.get(entry.id)
            if before is None or (before.received_s, before.value) <= (entry.received_s, entry.value):
                told[entry.id] = entry
    left_out: Counter[str] = Counter()
    missing = sum(id_ not in told for id_ in asked)
    if missing:
        left_out["without an outcome"] += missing
    rows = [(call, told[id_]) for id_, call in asked.items() if id_ in told]
    return sorted(rows, key=lambda row: (row[0].asked_s, row[0].id)), left_out


def columns(asked: Sequence[Column], calls: Sequence[Prediction]) -> Columns:
    """Inputs of calls that were all read by these columns, at least one: text as objects, all else as float64."""
    held = zip(*(call.inputs for call in calls), strict=True)
    return {
        column.name: np.array(values, dtype=object if column.type == "text" else np.float64)
        for column, values in zip(asked, held, strict=True)
    }


def series(column: Column, values: list[Any]) -> pl.Series:
    """Logged values in the type of their column; a time is logged as seconds since 1970."""
    import polars as pl

    if column.type == "time":
        micros = [None if value is None or value != value else round(value * 1e6) for value in values]
        return pl.Series(column.name, micros, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    return pl.Series(column.name, values, dtype=polars_type(column.type), strict=True)
