"""Outcomes as callers send them: decoded strictly, late and out of order as they come."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime
from typing import Annotated

import msgspec

from lockgate.errors import ContractError, unknown
from lockgate.records import Outcome
from lockgate.records.spec import Task
from lockgate.records.unit_outcome import is_of_unit, unit_outcome

AHEAD_S = 60.0  # how far the clock of who tells may be ahead of ours
LONGEST_ID = 512  # characters: that of a request and the number of a row, or a prefix and a unit


class _Told(msgspec.Struct, forbid_unknown_fields=True):
    value: float
    id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)] | None = None
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)] | None = None
    metric: str | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    outcomes: list[_Told]


_decoder = msgspec.json.Decoder(_Body)


def decode(body: bytes, *, model: str, task: Task, now_s: float, metrics: Collection[str] = ()) -> list[Outcome]:
    """`{"outcomes": [{"id": "r1-0", "value": 1, "at": "2013-04-02T10:00:00Z"}]}` as records; `at` left out is now. With unit
    and metric in place of id, what came of a unit; metrics: those that the model knows.

    Raises ContractError naming the place where a value cannot be an outcome of the task; msgspec.DecodeError for what
    is no JSON at all.
    """
    try:
        told = _decoder.decode(body).outcomes
    except msgspec.ValidationError as error:
        cure = f"An id has {LONGEST_ID} characters at most." if "length <=" in str(error) else ""
        raise ContractError(str(error), column=_field_in(str(error)), cure=cure) from error
    found: list[Outcome] = []
    for t in told:
        at_s = t.at.timestamp() if t.at else now_s
        if t.id is not None and t.unit is None and t.metric is None:
            found.append(outcome(t.id, t.value, at_s, model=model, task=task, now_s=now_s))
        elif t.id is None and t.unit is not None and t.metric is not None:
            found.append(outcome_of_unit(t.unit, t.metric, t.value, at_s, model=model, metrics=metrics, now_s=now_s))
        else:
            raise ContractError(
                "An outcome names a prediction by its id, or a unit and a metric.",
                column="id" if t.unit is None else "unit",
                cure='Send {"id": ..., "value": ...}, or {"unit": ..., "metric": ..., "value": ...}.',
            )
    return found


def outcome(prediction: str, value: float, at_s: float, *, model: str, task: Task, now_s: float) -> Outcome:
    """One outcome, its value held to the task, and its time to the clock: nothing comes true in the future."""
    if not math.isfinite(value) or (task == "binary" and value not in (0.0, 1.0)):
        wanted = "0 or 1" if task == "binary" else "a finite number"
        raise ContractError(f"The outcome of {prediction!r} is {value:g}, and must be {wanted}.", column="value")
    if is_of_unit(prediction):
        raise ContractError(f"{prediction!r} is no prediction's id.", column="id")
    _refuse_ahead(f"outcome of {prediction!r}", at_s, now_s)
    return Outcome(id=prediction, model=model, value=value, at_s=at_s, received_s=now_s)


def outcome_of_unit(
    unit: str, metric: str, value: float, at_s: float, *, model: str, metrics: Collection[str], now_s: float
) -> Outcome:
    """What came of a unit by a metric of the business. metrics: those that the model knows."""
    if metric not in metrics:
        raise ContractError(
            unknown("metric", metric, metrics),
            column="metric",
            cure=f'Declare it: metrics = ["{metric}"] under [model.{model}.outcomes] in lockgate.toml.',
        )
    if not unit or not math.isfinite(value):
        raise ContractError(
            f"The {metric} of {unit!r} is {value:g}: a unit has a name, and its values are finite numbers.",
            column="value" if unit else "unit",
        )
    _refuse_ahead(f"{metric} of {unit!r}", at_s, now_s)
    return unit_outcome(unit, metric, value, at_s, model=model, received_s=now_s)


def _refuse_ahead(what: str, at_s: float, now_s: float) -> None:
    if not math.isfinite(at_s) or at_s > now_s + AHEAD_S:
        ahead = f"{at_s - now_s:,.0f} s ahead of this machine's clock" if math.isfinite(at_s) else f"{at_s}, no time"
        raise ContractError(
            f"The {what} is stamped {ahead}, and cannot be known yet.",
            column="at",
            cure="Give the time at which it came true, with its zone; or set the clock that stamps it.",
        )


def _field_in(message: str) -> str:
    """The field msgspec's error names: in backticks where it is missing or unknown, else at the end of the path."""
    if "field `" in message:
        return message.split("field `", 1)[1].split("`", 1)[0]
    return message.rpartition("].")[2].rstrip("`") if "]." in message else "outcomes"
