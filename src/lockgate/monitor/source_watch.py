"""The watch over sources: one that stops is one alarm, which names who reads it, and ends by itself when events flow again.

It stops where `stale_after` has passed between its newest event and the newest question of a model that reads it, as event
time has it, or where it never had an event at all: from there on what is computed of it is flagged `stale`. So an alarm and
its end lie `stale_after` apart at least, and no source can raise them more often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from lockgate.records import Alarm, SourceSpec
from lockgate.records.alarm import Severity
from lockgate.records.duration import second, seconds
from lockgate.records.silence import Silence

Readers = Mapping[str, tuple[str, ...]]
"""By model its columns that are computed of a source."""


class Told(NamedTuple):
    """To be written together."""

    silence: Silence
    alarm: Alarm


def look(
    source: str,
    spec: SourceSpec,
    held: Silence | None,
    readers: Readers,
    *,
    newest_s: float | None,
    event_s: float,
    now_s: float,
) -> Told | None:
    """What is new of a source: that it stopped, or that this is over; None where nothing is.

    held: its last silence; newest_s: when the newest event happened of those known at event_s, the newest question.
    """
    is_silent = bool(readers) and _has_stopped(spec, newest_s, event_s)
    lasts = held is not None and held.until_s is None
    if is_silent and not lasts:
        silence = Silence(
            id=f"asource{now_s * 1000:.0f}-{source}",
            source=source,
            since_s=newest_s,
            noticed_s=event_s,
            readers=dict(readers),
            sentence=_stopped(source, spec, readers, newest_s),
            next=f"lockgate data events {source} {spec.table or 'TABLE'}",
        )
        return Told(silence, _alarm(silence, silence.id, "page", silence.sentence, at_s=event_s, now_s=now_s))
    if held is not None and lasts and not is_silent:
        over = msgspec.structs.replace(held, until_s=event_s)
        said = _over(held, newest_s if readers else None)
        return Told(over, _alarm(over, f"{held.id}-over", "note", said, at_s=event_s, now_s=now_s))
    return None


def _has_stopped(spec: SourceSpec, newest_s: float | None, event_s: float) -> bool:
    if newest_s is None:
        return True
    return spec.stale_after is not None and event_s - newest_s > seconds(spec.stale_after)


def _stopped(source: str, spec: SourceSpec, readers: Readers, newest_s: float | None) -> str:
    """Which source, since when, who reads it, what becomes of their calls, and what to do."""
    since = "has told nothing yet" if newest_s is None else f"has told nothing since {second(newest_s)}"
    expected = f" (a newer event was to come within {spec.stale_after})" if newest_s is not None else ""
    read = "; ".join(f"{model}: {', '.join(columns)}" for model, columns in sorted(readers.items()))
    fed = f"the job that writes {spec.table}" if spec.table else f"whoever posts to /events/{source}"
    return (
        f"The source {source} {since}{expected}. Computed of it are, for {read}. Calls are answered from what was known "
        f"before, and flagged. Look after {fed}; what was missed may be sent late, and this ends by itself once events come."
    )


def _over(silence: Silence, newest_s: float | None) -> str:
    since = "from its first question on" if silence.since_s is None else f"from {second(silence.since_s)} on"
    if newest_s is None:
        return f"No model that serves is computed of the source {silence.source} any more; it was silent {since}."
    return (
        f"The source {silence.source} tells again: it was silent {since}, and its newest event is of {second(newest_s)}. "
        "Calls in between were answered from what was known then; their flags stay."
    )


def _alarm(silence: Silence, name: str, severity: Severity, said: str, *, at_s: float, now_s: float) -> Alarm:
    return Alarm(
        id=name,
        model=silence.model,
        cause="source",
        severity=severity,
        sentence=said,
        next=silence.next if severity == "page" else "lockgate status",
        verdict=None,
        at_s=at_s,
        written_s=now_s,
        about=silence.source,
        is_over=silence.until_s is not None,
    )
