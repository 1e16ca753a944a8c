"""Where every alarm is written: one for each cause, told once for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lockgate.decide import alarm_life
from lockgate.errors import Conflict
from lockgate.records import Alarm, AlarmLife, Routing, Verdict
from lockgate.records.alarm import Cause, Severity
from lockgate.records.alarm_life import cause_key
from lockgate.store.ports import Records, Written

T = TypeVar("T")
TRIES = 5  # a person may say something of an alarm at the same moment


def of_verdict(
    item: Verdict, cause: Cause, severity: Severity, *, following: str, about: str = "", is_over: bool = False
) -> Alarm:
    """What a person is told of a verdict, about the version that is its subject's first; none where that is empty."""
    return Alarm(
        id=f"a{item.id[1:]}",
        model=item.model,
        cause=cause,
        severity=severity,
        sentence=item.sentence,
        next=following,
        verdict=item.id,
        at_s=item.at_s,
        written_s=item.written_s,
        about=about,
        version=item.subject[0] or None,
        is_over=is_over,
    )


def tell(records: Records, *beside: Written, alarms: Sequence[Alarm]) -> list[Alarm]:
    """Write these and what becomes of the alarms in one transaction. Returns the alarms that a person is told.

    alarms: as the watchers found them, in order. Raises Conflict and StoreError as `write` does; nothing is written then.
    """
    return tried(lambda: _told(records, beside, alarms))


def settle(records: Records, routing: Routing, *, at_s: float, now_s: float) -> list[Alarm]:
    """End the alarms about versions that get no calls any more, and those about a retrained version that is tried."""
    return end(records, routing.model, lambda life: _past(life, routing), at_s=at_s, now_s=now_s)


def end(
    records: Records, model: str, past: Callable[[AlarmLife], str | None], *, at_s: float, now_s: float
) -> list[Alarm]:
    """past: why an alarm that is open is over, a sentence; None where it lasts. Raises as `tell` does."""

    def ended() -> list[Alarm]:
        found = [(life, why) for life in opened(records, model) if (why := past(life)) is not None]
        told = [(life, alarm_life.ended(life, why, at_s=at_s, now_s=now_s)) for life, why in found]
        return _written(records, (), [(life, over.life, over.alarm) for life, over in told])

    return tried(ended)


def wake(records: Records, *, now_s: float) -> list[Alarm]:
    """Those that last although their snooze has run out, told once more. Raises Conflict where a person said something of one
    meanwhile.
    """
    told = [(life, alarm_life.woken(life, now_s=now_s)) for life in records.all(AlarmLife)]
    return _written(records, (), [(life, again.life, again.alarm) for life, again in told if again is not None])


def opened(records: Records, model: str | None = None) -> list[AlarmLife]:
    """Those that are open, of one model or of all, the oldest first."""
    return sorted((life for life in records.all(AlarmLife, model) if life.is_open), key=lambda life: life.since_s)


def _told(records: Records, beside: Sequence[Written], alarms: Sequence[Alarm]) -> list[Alarm]:
    read: dict[str, AlarmLife | None] = {}
    now: dict[str, AlarmLife | None] = {}
    spoken: list[Alarm] = []
    for alarm in alarms:
        key = cause_key(alarm.model, alarm.cause, alarm.about)
        if key not in read:
            read[key] = now[key] = records.get(AlarmLife, key)
        told = alarm_life.raised(now[key], alarm)
        now[key] = told.life or now[key]
        spoken += [] if told.alarm is None else [told.alarm]
    _write(records, beside, spoken, [(read[key], life) for key, life in now.items()])
    return spoken


def _written(
    records: Records, beside: Sequence[Written], changes: Sequence[tuple[AlarmLife, AlarmLife | None, Alarm | None]]
) -> list[Alarm]:
    spoken = [alarm for _, _, alarm in changes if alarm is not None]
    _write(records, beside, spoken, [(before, after) for before, after, _ in changes])
    return spoken


def _write(
    records: Records,
    beside: Sequence[Written],
    spoken: Sequence[Alarm],
    lives: Sequence[tuple[AlarmLife | None, AlarmLife | None]],
) -> None:
    changed = [(before, after) for before, after in lives if after is not None and after != before]
    if not (beside or spoken or changed):
        return
    over = [before for before, _ in changed if before is not None]
    records.write(*beside, *spoken, *(after for _, after in changed), over=over)


def tried(act: Callable[[], T]) -> T:
    """Again where somebody else wrote first; what the last try raises is raised."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except Conflict:
            continue
    return act()


def _past(life: AlarmLife, routing: Routing) -> str | None:
    is_called = life.version in (routing.champion, *routing.challengers)
    if life.version is None or is_called != (life.cause == "retraining"):
        return None
    return "The version is tried." if is_called else "Another version has the traffic now."
