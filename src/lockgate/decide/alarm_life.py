"""The life of an alarm: (how its cause stands, what was raised) -> how it stands now, and what a person is told of it.

It is open from its first alarm on; a person acknowledges it or snoozes it; it is over once. The same cause raised again
while it is open is counted and told nobody, unless it got graver: then it is told, also where somebody had acknowledged it.
Raised after it was over, it opens anew.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lockgate.errors import Conflict
from lockgate.records import Acknowledgement, Alarm, AlarmLife
from lockgate.records.alarm import SEVERITY
from lockgate.records.duration import lasted, minute


class Told(NamedTuple):
    """To be written together. life: None where nothing of it changes; alarm: None where nobody is told."""

    life: AlarmLife | None
    alarm: Alarm | None


def raised(held: AlarmLife | None, alarm: Alarm) -> Told:
    """What a watcher found, laid beside how its cause stands. held: None where there never was one.

    A note opens nothing; one that ends something ends what is open, and is but a note where nothing is.
    """
    is_open = held is not None and held.is_open
    if alarm.is_over and held is not None and is_open:
        return _ended(held, alarm)
    if alarm.severity == "note" or alarm.is_over:
        return Told(None, msgspec.structs.replace(alarm, is_over=False))
    if held is None or not is_open:
        return Told(_opened(alarm), alarm)
    return _again(held, alarm)


def ended(life: AlarmLife, why: str, *, at_s: float, now_s: float) -> Told:
    """It is over by itself. why: a sentence."""
    return _ended(life, over(life, why, at_s=at_s, now_s=now_s))


def over(life: AlarmLife, why: str, *, at_s: float, now_s: float) -> Alarm:
    """What a watcher says that finds it over, to be laid beside how its cause stands by then."""
    return Alarm(
        id=f"{life.id}-over",
        model=life.model,
        cause=life.cause,
        severity="note",
        sentence=f"{why} It was: {life.sentence}",
        next="lockgate status",
        verdict=None,
        at_s=at_s,
        written_s=now_s,
        about=life.about,
        version=life.version,
        is_over=True,
    )


def woken(life: AlarmLife, *, now_s: float) -> Told | None:
    """What is told where a snooze has run out and the alarm lasts; None where it has not. now_s: wall time."""
    snooze = life.acknowledged
    if not life.is_open or snooze is None or snooze.until_s is None or now_s < snooze.until_s:
        return None
    told = Alarm(
        id=f"{life.id}-{snooze.id}",
        model=life.model,
        cause=life.cause,
        severity=life.severity,
        sentence=f"It lasts, and {snooze.by}'s snooze of it ran out at {minute(snooze.until_s)}: {life.sentence}",
        next=life.next,
        verdict=None,
        at_s=max(life.last_s, snooze.at_s),
        written_s=now_s,
        about=life.about,
        version=life.version,
        of=life.id,
    )
    return Told(msgspec.structs.replace(life, acknowledged=None), told)


def acknowledged(life: AlarmLife, said: Acknowledgement) -> AlarmLife:
    """The later word counts. Raises Conflict where it is over."""
    if not life.is_open:
        raise Conflict(f"The alarm {life.id} is over.", cure="See those that are open: lockgate alarms")
    return msgspec.structs.replace(life, acknowledged=said)


def _opened(alarm: Alarm) -> AlarmLife:
    return AlarmLife(
        id=alarm.id,
        model=alarm.model,
        cause=alarm.cause,
        about=alarm.about,
        version=alarm.version,
        severity=alarm.severity,
        sentence=alarm.sentence,
        next=alarm.next,
        since_s=alarm.at_s,
        last_s=alarm.at_s,
    )


def _again(held: AlarmLife, alarm: Alarm) -> Told:
    life = msgspec.structs.replace(
        held,
        sentence=alarm.sentence,
        next=alarm.next,
        version=alarm.version,
        last_s=max(held.last_s, alarm.at_s),
        times=held.times + 1,
    )
    if SEVERITY.index(alarm.severity) <= SEVERITY.index(held.severity):
        return Told(life, None)
    graver = msgspec.structs.replace(life, severity=alarm.severity, acknowledged=None)
    return Told(graver, msgspec.structs.replace(alarm, of=held.id))


def _ended(held: AlarmLife, note: Alarm) -> Told:
    sentence = f"{note.sentence} Over after {lasted(note.at_s - held.since_s)}."
    life = msgspec.structs.replace(held, until_s=note.at_s)
    return Told(life, msgspec.structs.replace(note, sentence=sentence, of=held.id, is_over=True))
