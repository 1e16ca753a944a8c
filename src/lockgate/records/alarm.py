"""An alarm: a verdict that a person should see, that the log those rest on has holes, or that a source has stopped."""

from __future__ import annotations

from typing import Literal

from lockgate.records.record import Record

Severity = Literal["page", "ticket", "note"]
Cause = Literal[
    "drift", "degradation", "contract", "fallback", "log", "skew", "source", "retraining", "approval", "fault"
]
SEVERITY: tuple[Severity, ...] = ("note", "ticket", "page")  # the gravest last


class Alarm(Record, frozen=True, kw_only=True):
    """`severity`: page wakes somebody, ticket waits for the day, note is only listed. `next`: the command to run.

    One about the log concerns every model, `-`; one about a source those that it names, `-` too. No verdict stands behind
    either, nor behind one about a retraining or an approval.

    about: what of the model, a column, a source or a step, empty where the cause says all; model, cause and about together
    are what is told once for as long as it lasts. version: whom it is about, so that it ends when that version gets no calls
    any more; None where it ends otherwise. of: the alarm that it goes on with, or ends; is_over: whether it ends that.
    """

    id: str
    model: str
    cause: Cause
    severity: Severity
    sentence: str
    next: str
    verdict: str | None
    at_s: float
    written_s: float
    about: str = ""
    version: str | None = None
    of: str | None = None
    is_over: bool = False
    schema: int = 1
