"""Outcomes as callers send them: decoded strictly, late and out of order as they come."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

import msgspec

from lockgate.errors import ContractError
from lockgate.records import Outcome
from lockgate.records.spec import Task

AHEAD_S = 60.0  # how far the clock of who tells may be ahead of ours
LONGEST_ID = 512  # characters: that of a request and the number of a row, or a prefix and a unit


class _Told(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
    value: float
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    outcomes: list[_Told]


_decoder = msgspec.json.Decoder(_Body)


def decode(body: bytes, *, model: str, task: Task, now_s: float) -> list[Outcome]:
    """`{"outcomes": [{"id": "r1-0", "value": 1, "at": "2013-04-02T10:00:00Z"}]}` as records; `at` left out is now.

    Raises ContractError naming the place where a value cannot be an outcome of the task; msgspec.DecodeError for what
    is no JSON at all.
    """
    try:
        told = _decoder.decode(body).outcomes
    except msgspec.ValidationError as error:
        cure = f"An id has {LONGEST_ID} characters at most." if "length <=" in str(error) else ""
        raise ContractError(str(error), column=_field_in(str(error)), cure=cure) from error
    return [
        outcome(t.id, t.value, t.at.timestamp() if t.at else now_s, model=model, task=task, now_s=now_s) for t in told
    ]


def outcome(prediction: str, value: float, at_s: float, *, model: str, task: Task, now_s: float) -> Outcome:
    """One outcome, its value held to the task, and its time to the clock: nothing comes true in the future."""
    if not math.isfinite(value) or (task == "binary" and value not in (0.0, 1.0)):
        wanted = "0 or 1" if task == "binary" else "a finite number"
        raise ContractError(f"The outcome of {prediction!r} is {value:g}, and must be {wanted}.", column="value")
    if not math.isfinite(at_s) or at_s > now_s + AHEAD_S:
        ahead = f"{at_s - now_s:,.0f} s ahead of this machine's clock" if math.isfinite(at_s) else f"{at_s}, no time"
        raise ContractError(
            f"The outcome of {prediction!r} is stamped {ahead}, and cannot be known yet.",
            column="at",
            cure="Give the time at which it came true, with its zone; or set the clock that stamps it.",
        )
    return Outcome(id=prediction, model=model, value=value, at_s=at_s, received_s=now_s)


def _field_in(message: str) -> str:
    """The field msgspec's error names: in backticks where it is missing or unknown, else at the end of the path."""
    if "field `" in message:
        return message.split("field `", 1)[1].split("`", 1)[0]
    return message.rpartition("].")[2].rstrip("`") if "]." in message else "outcomes"
