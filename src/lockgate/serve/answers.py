"""The answers of a batch, arm by arm, and the records that are made of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.records import Prediction, Routing, Shadow
from lockgate.records.prediction import Arm
from lockgate.runtime.fallback import Answered
from lockgate.serve.batch import Batch
from lockgate.serve.served import Served


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
