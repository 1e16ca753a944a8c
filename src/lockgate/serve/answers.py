"""The answers of a batch, arm by arm, and the records that are made of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lockgate.features import many_calls
from lockgate.features.columns import take
from lockgate.records import Prediction, Routing, Shadow
from lockgate.records.prediction import Arm, Calls, LogLine
from lockgate.runtime.fallback import Answered
from lockgate.serve.batch import Batch
from lockgate.serve.served import Served

T = TypeVar("T")


class ArmAnswers(NamedTuple):
    """The rows of a batch that one version was chosen for, answered by its chain. rows: shape (k,), their places."""

    rows: NDArray[np.intp]
    arm: Arm
    version: str
    answered: Answered
    latency_ms: float


class Scored(NamedTuple):
    """A batch whose rows have their answers, and which is not logged yet. served: what it was answered with."""

    served: Served
    batch: Batch
    answers: list[ArmAnswers]
    shadows: list[Shadow]


def arms(answers: Sequence[ArmAnswers], batch: Batch) -> list[Arm | None]:
    """The arm of each row."""
    found: list[Arm | None] = [None] * len(batch)
    for part in answers:
        for row in part.rows.tolist():
            found[row] = part.arm
    return found


def recorded(routing: Routing, batch: Batch, answers: Sequence[ArmAnswers]) -> list[Prediction]:
    """The records of the answered rows, in the order of the batch."""
    if len(answers) == 1:
        return _of_arm(routing, batch, answers[0])
    found: dict[int, Prediction] = {}
    for part in answers:
        found.update(zip(part.rows.tolist(), _of_arm(routing, batch, part), strict=True))
    return [found[row] for row in range(len(batch))]


def _of_arm(routing: Routing, batch: Batch, part: ArmAnswers) -> list[Prediction]:
    """Field by field over all rows: a table's rows come by the ten million."""
    answered, answered_s = part.answered, time.time()
    is_whole = part.rows.size == len(batch)
    asked_s: list[float] = (batch.asked_s if is_whole else batch.asked_s[part.rows]).tolist()
    numbers: list[int] = [] if is_whole else part.rows.tolist()
    ids, units, row_flags, inputs = (
        own if is_whole else [own[row] for row in numbers]
        for own in (batch.ids, batch.units, batch.flags, batch.inputs)
    )
    values: list[float] = answered.values.tolist()
    rows = zip(
        ids,
        units,
        asked_s,
        answered.served_by,
        values,
        answered.failures,
        row_flags,
        answered.flags,
        inputs,
        strict=True,
    )
    return [
        Prediction(
            id=own,
            model=routing.model,
            unit=unit,
            asked_s=at_s,
            answered_s=answered_s,
            arm=part.arm,
            version=part.version,
            served_by=by,
            value=value,
            latency_ms=part.latency_ms,
            share=routing.share,
            rollout=routing.rollout,
            failure=failure,
            flags=own_flags + input_flags,
            inputs=given,
        )
        for own, unit, at_s, by, value, failure, own_flags, input_flags, given in rows
    ]


def lines(scored: Scored, *, prefix: str, places: NDArray[np.intp]) -> list[LogLine]:
    """What the log keeps of the rows, a line for each arm's, then the other arm's say. places: shape (n,), in the table, from
    which their ids are made.
    """
    batch, routing, contract = scored.batch, scored.served.routing, scored.served.contract
    found: list[LogLine] = []
    for part in scored.answers:
        is_whole, answered = part.rows.size == len(batch), part.answered
        numbers: list[int] = [] if is_whole else part.rows.tolist()
        flags = batch.flags if is_whole else [batch.flags[row] for row in numbers]
        found.append(
            Calls(
                prefix=prefix,
                model=routing.model,
                places=many_calls.place_bytes(places[part.rows]),
                unit_at=scored.served.who.unit,
                asked_s=many_calls.number_bytes(batch.asked_s[part.rows]),
                answered_s=time.time(),
                arm=part.arm,
                version=part.version,
                values=many_calls.number_bytes(answered.values),
                latency_ms=part.latency_ms,
                share=routing.share,
                rollout=routing.rollout,
                served_by=_but(part.version, answered.served_by),
                failures={row: why for row, why in _but(None, answered.failures).items() if why is not None},
                flags=_flags(flags, answered.flags),
                kinds=tuple(column.type for column in contract.asked),
                inputs=many_calls.packed(batch.columns if is_whole else take(batch.columns, part.rows), contract),
            )
        )
    return [*found, *scored.shadows]


def _but(usual: T, values: Sequence[T]) -> dict[int, T]:
    """By row, what is not as usual: nothing in most stretches, which is soon known of the whole."""
    if values.count(usual) == len(values):
        return {}
    return {row: value for row, value in enumerate(values) if value != usual}


def _flags(of_rows: Sequence[tuple[str, ...]], of_inputs: Sequence[tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    rows = {row for flags in (of_rows, of_inputs) for row in compress(range(len(flags)), flags)}
    return {row: of_rows[row] + of_inputs[row] for row in sorted(rows)}
