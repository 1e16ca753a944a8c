"""An alarm: a verdict that a person should see, that the log those rest on has holes, or that a source has stopped."""

from __future__ import annotations

from typing import Literal

from lockgate.records.record import Record

Severity = Literal["page", "ticket", "note"]


class Alarm(Record, frozen=True, kw_only=True):
    """`severity`: page wakes somebody, ticket waits for the day, note is only listed. `next`: the command to run.

    One about the log concerns every model, `-`; one about a source those that it names, `-` too. No verdict stands behind
    either, nor behind one about a retraining.
    """

    id: str
    model: str
    cause: Literal["drift", "degradation", "contract", "fallback", "log", "skew", "source", "retraining"]
    severity: Severity
    sentence: str
    next: str
    verdict: str | None
    at_s: float
    written_s: float
    schema: int = 1
