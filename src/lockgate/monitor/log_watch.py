"""The watch over the prediction log itself: what processes tell of it becomes one alarm a stretch, closed when it is well.

A stretch begins when a process has entries waiting, lost some, or left a segment, or when the compactor has stood still;
it ends after a quiet minute. A page where calls are being lost or may be; a ticket where nothing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lockgate.records import Alarm
from lockgate.records.alarm import Severity
from lockgate.records.duration import second
from lockgate.records.log_trouble import TOGETHER, Counted, LogNotice, LogTrouble
from lockgate.store.ports import Told

QUIET_S = 60.0
STUCK_S = 300.0
WRITE_EVERY_S = 5.0
CALLS_GO_ON = "Calls are answered as before; what is lost is missing from every verdict."


class Looked(NamedTuple):
    """trouble: to be written, None where nothing has changed; alarms: new ones, to be written with it; gone: processes
    that have ended and are counted, to be forgotten after that.
    """

    trouble: LogTrouble | None
    alarms: list[Alarm]
    gone: list[str]


class Backlog:
    """How long the same segment has been the oldest that waits to be compacted."""

    def __init__(self) -> None:
        self._oldest: str | None = None
        self._since_s = 0.0

    def look(self, oldest: str | None, refusal: str | None, now_s: float) -> str | None:
        """A sentence once the compactor has stood still for too long. To be asked after each of its turns.

        oldest: the segment that waits longest; refusal: why the last turn failed, None where it did not.
        """
        if oldest is None or oldest != self._oldest:
            self._oldest, self._since_s = oldest, now_s
        if oldest is None or now_s - self._since_s < STUCK_S:
            return None
        why = refusal or "Somebody else holds its lock."
        return (
            f"The compactor has moved nothing since {second(self._since_s)}: the segment {oldest} still waits. {why} "
            "Segments pile up, and tables miss what is in them; nothing is lost."
        )


def look(held: LogTrouble | None, told: Sequence[Told], stuck: str | None, *, place: str, now_s: float) -> Looked:
    """held: the record as it was last written; stuck: what Backlog says; place: the log's folder."""
    before = held.counted if held else {}
    lost, poisoned = _news(before, told)
    living = [item.notice for item in told if not item.is_gone]
    waiting = sum(sum(notice.waiting.values()) for notice in living)
    problems = tuple(dict.fromkeys(p for p in (*(notice.problem for notice in living), stuck) if p is not None))
    gone = [item.notice.process for item in told if item.is_gone]
    counted = {item.notice.process: _counted(item) for item in told}
    is_bad = bool(lost or poisoned or waiting or problems)
    if held is None or held.until_s is not None:
        if not is_bad:
            return Looked(None, [], gone)
        since_s = min([now_s, *(n.since_s for n in living if n.since_s is not None)])
        held = LogTrouble(id=f"alog{now_s * 1000:.0f}", since_s=since_s, seen_s=now_s)
    trouble = msgspec.structs.replace(
        held,
        seen_s=now_s if is_bad else held.seen_s,
        until_s=held.seen_s if not is_bad and now_s - held.seen_s >= QUIET_S else None,
        lost=dict(Counter(held.lost) + lost),
        waiting=waiting,
        poisoned=held.poisoned + poisoned,
        problems=problems,
        counted=counted,
    )
    trouble, alarms = _spoken(trouble, place, now_s)
    is_due = alarms or gone or lost or poisoned or problems != held.problems or now_s - held.seen_s >= WRITE_EVERY_S
    return Looked(trouble if is_due else None, alarms, gone)


def _news(before: Mapping[str, Counted], told: Sequence[Told]) -> tuple[Counter[str], int]:
    """What was lost, and how many segments were left, since it was last counted."""
    lost: Counter[str] = Counter()
    poisoned = 0
    for item in told:
        known, now = before.get(item.notice.process, Counted()), _counted(item)
        lost += _more(known.lost, now.lost)
        poisoned += now.poisoned - known.poisoned
    return lost, poisoned


def _more(before: Mapping[str, int], now: Mapping[str, int]) -> Counter[str]:
    """What was lost meanwhile: by model, or together where the notice has told it so, then or now."""
    if TOGETHER not in before and TOGETHER not in now:
        return Counter(now) - Counter(before)
    return +Counter({TOGETHER: sum(now.values()) - sum(before.values())})


def _counted(item: Told) -> Counted:
    notice: LogNotice = item.notice
    lost: Counter[str] = Counter(notice.dropped)
    if item.is_gone:
        lost.update(notice.waiting)
    return Counted(lost=dict(lost), poisoned=notice.poisoned)


def _spoken(trouble: LogTrouble, place: str, now_s: float) -> tuple[LogTrouble, list[Alarm]]:
    """With its sentence as it is now, and the alarm where one is due: as it begins, gets worse, or is over."""
    if trouble.until_s is not None:
        said, following = _over(trouble), "lockgate status"
        trouble = msgspec.structs.replace(trouble, sentence=said, next=following)
        return trouble, [_alarm(trouble, f"{trouble.id}-over", "note", now_s)]
    severity: Severity = "page" if trouble.lost or trouble.waiting else "ticket"
    following = f"df -h {place}" if severity == "page" or trouble.problems else "dmesg --level=err,warn"
    is_new = trouble.told is None or (trouble.told == "ticket" and severity == "page")
    name = trouble.id if trouble.told is None else f"{trouble.id}-page"
    trouble = msgspec.structs.replace(
        trouble, sentence=_lasts(trouble, place), next=following, told=severity if is_new else trouble.told
    )
    return trouble, [_alarm(trouble, name, severity, now_s)] if is_new else []


def _alarm(trouble: LogTrouble, name: str, severity: Severity, now_s: float) -> Alarm:
    return Alarm(
        id=name,
        model=trouble.model,
        cause="log",
        severity=severity,
        sentence=trouble.sentence,
        next=trouble.next,
        verdict=None,
        at_s=now_s,
        written_s=now_s,
        is_over=trouble.until_s is not None,
    )


def _lasts(trouble: LogTrouble, place: str) -> str:
    """What is wrong, since when, what was lost, what becomes of the rest, and what to do."""
    parts = [f"Since {second(trouble.since_s)}:"]
    parts += trouble.problems or (f"the prediction log in {place} could not be written for a while.",)
    if trouble.lost:
        parts.append(f"{_lost(trouble.lost, 'so far')}.")
    if trouble.waiting:
        parts.append(f"{trouble.waiting:,} wait in memory and are written by themselves once there is room.")
    if trouble.lost or trouble.waiting:
        parts.append(CALLS_GO_ON)
    elif trouble.poisoned:
        many = "1 segment was" if trouble.poisoned == 1 else f"{trouble.poisoned} segments were"
        if trouble.problems:
            parts.append(f"{many} left; what was not safe is written again as soon as the disk takes it.")
        else:
            parts.append(f"{many} left and written again elsewhere; nothing is lost. Look after the disk.")
    return " ".join(parts)


def _over(trouble: LogTrouble) -> str:
    until_s = trouble.since_s if trouble.until_s is None else trouble.until_s
    stretch = f"The prediction log is well again: it was not from {second(trouble.since_s)} to {second(until_s)}."
    if not trouble.lost:
        return f"{stretch} Nothing was lost."
    return f"{stretch} {_lost(trouble.lost, 'for good')}; verdicts over that time miss them."


def _lost(lost: Mapping[str, int], how: str) -> str:
    each = ", ".join(f"{model} {count:,}" for model, count in sorted(lost.items(), key=lambda item: -item[1])[:5])
    total = sum(lost.values())
    return f"{total:,} {'entry is' if total == 1 else 'entries are'} lost {how} ({each})"
