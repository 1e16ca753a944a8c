"""What outcomes said of a champion's own last calls, out of the log: its calibration, its slices, how outcomes come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.assess.realising import MEASURED, Outcomes, realised, slices_of
from lockgate.assess.slicing import chosen, levels
from lockgate.features.columns import Columns
from lockgate.metrics import loss
from lockgate.records import Block, Column, ModelSpec, Outcome, Prediction, SliceLoss
from lockgate.records.duration import UNITS_S
from lockgate.records.monitored import LabelAge, Realised
from lockgate.records.prediction import LogEntry
from lockgate.report.monitored.of_model import LastCalls
from lockgate.workspace.logged_inputs import Readers, Row, columns, matured
from lockgate.workspace.monitored_tables import label_ages
from lockgate.workspace.wire import Wiring

Floats = NDArray[np.float64]

LAST_DAYS = 28
MOST_CALLS = 200_000
DAY_S = UNITS_S["d"]


def last_calls(wiring: Wiring, model: str, spec: ModelSpec, *, event_s: float) -> LastCalls | None:
    """Of the newest champion's closed days, the last 28 and no more than hold 200,000 calls: what it answered itself and has
    an outcome. Slices are `gate.slices`, else columns of few levels and the numbers that its answers follow most.

    None where no day has closed. Of several classes an answer is no one number: nothing is realised then.
    """
    blocks = wiring.records.all(Block, model)
    if not blocks:
        return None
    days = _last(blocks)
    entries = wiring.log.calls(model, since_s=days[0].start_s)
    until_s = days[-1].end_s
    rows = [
        (call, came)
        for call, came in matured(entries)[0]
        if call.served_by == days[-1].champion and call.asked_s < until_s
    ]
    found = _realised(wiring, spec, rows) if rows and spec.task in MEASURED else None
    return LastCalls(days[0].start_s, until_s, found, _ages(entries, event_s))


def _last(blocks: Sequence[Block]) -> list[Block]:
    """The newest day's champion's, oldest first; the newest day always."""
    own = [block for block in blocks if block.champion == blocks[-1].champion][-LAST_DAYS:]
    calls = np.cumsum([block.calls for block in reversed(own)])
    return own[-max(1, int(np.searchsorted(calls, MOST_CALLS, side="right"))) :]


def _realised(wiring: Wiring, spec: ModelSpec, rows: Sequence[Row]) -> Realised:
    """Each row's skill is held against its own day's base rate, as closed days are."""
    days = np.floor(np.array([call.asked_s for call, _ in rows]) / DAY_S)
    of = Outcomes(
        task=spec.task,
        value=np.array([call.value for call, _ in rows]),
        outcome=np.array([came.value for _, came in rows]),
        loss=loss(spec.judged_by, spec.task),
        block=days,
    )
    whole = realised(of)
    parts = _slices(wiring, spec, rows)
    return whole if parts is None else msgspec.structs.replace(whole, slices=parts)


def _slices(wiring: Wiring, spec: ModelSpec, rows: Sequence[Row]) -> tuple[SliceLoss, ...] | None:
    """Of the rows whose inputs were logged, and read by the newest call's contract: another may not know a column."""
    readers = Readers(wiring)
    asked = readers.of(rows[-1][0])
    if asked is None:
        return None
    own = [row for row in rows if readers.of(row[0]) == asked and len(row[0].inputs) == len(asked)]
    if not own:
        return None
    held = columns(asked, [call for call, _ in own])
    value = np.array([call.value for call, _ in own])
    outcome = np.array([came.value for _, came in own])
    return slices_of(_cut(spec, asked, held, value), loss(spec.judged_by, spec.task).of(value, outcome))


def _cut(spec: ModelSpec, asked: Sequence[Column], held: Columns, value: Floats) -> Mapping[str, NDArray[Any]]:
    if spec.gate.slices:
        return {name: levels(held[name]) for name in spec.gate.slices if name in held}
    left_out = {spec.unit, spec.time, *(column.name for column in asked if column.type == "time")}
    return chosen({name: values for name, values in held.items() if name not in left_out}, value)


def _ages(entries: Sequence[LogEntry], event_s: float) -> tuple[LabelAge, ...]:
    """How many of the predictions of an age have an outcome, of all that are looked at and younger."""
    asked_s = {entry.id: entry.asked_s for entry in entries if isinstance(entry, Prediction)}
    told = {entry.id for entry in entries if isinstance(entry, Outcome)}
    if not asked_s:
        return ()
    is_told = np.fromiter((id_ in told for id_ in asked_s), dtype=np.bool_, count=len(asked_s))
    age_s = np.maximum(0.0, event_s - np.fromiter(asked_s.values(), dtype=np.float64, count=len(asked_s)))
    return label_ages(age_s, is_told, DAY_S)
