"""Some hours of a model's calls, judged for faults: (what was usual, the hours) -> what is usual now, and what is told.

Pure: records go in and come out. A fault is over once later rows, as many as would have shown it, do not; one of another type
after a day without. Silence is over with the next call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lockgate.decide import alarm_life
from lockgate.decide.faults import look, stream
from lockgate.decide.faults.fault import Fault
from lockgate.decide.faults.habits import broken
from lockgate.decide.faults.hour import HOUR_S, Hour, joined
from lockgate.decide.faults.usual import learnt
from lockgate.monitor import alarms
from lockgate.monitor.last_call import Heard
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, AlarmLife, Verdict
from lockgate.records.alarm import SEVERITY
from lockgate.records.duration import UNITS_S, minute
from lockgate.records.profile import Profile
from lockgate.records.usual import Shown, Usual

ENOUGH = 50
"""Rows under which the hours before are counted with an hour, a day of them at most."""
DAY_S = UNITS_S["d"]
CAUSE: Final = "fault"


class Terms(NamedTuple):
    """Whose hours they are, and by what they are judged. alpha: of one test in one look; per_hour: looks at an hour."""

    model: str
    version: str
    reference: Profile
    alpha: float
    per_hour: float


class FaultTurn:
    """One turn over the hours that are not learnt yet. lives: the model's alarms of this cause that are open."""

    def __init__(
        self, terms: Terms, usual: Usual, shown: dict[str, Shown], lives: Iterable[AlarmLife], *, now_s: float
    ) -> None:
        self._of, self._now_s = terms, now_s
        self.usual, self.shown = usual, dict(shown)
        self._open = {life.about: life for life in lives}
        self.verdicts: list[Verdict] = []
        self.alarms: list[Alarm] = []

    @property
    def lives(self) -> tuple[AlarmLife, ...]:
        """Those that are open now."""
        return tuple(self._open.values())

    def judge(self, hours: Sequence[Hour], *, whole_until_s: float) -> None:
        """hours: the last ones in order, at least those of a day, the newest still growing. Those that end by whole_until_s
        are learnt: nothing more comes of them. Raises SpecError where one was counted over other cells.
        """
        of, is_waiting = self._of, False
        for place, hour in enumerate(hours):
            if self.usual.until_s is not None and hour.start_s < self.usual.until_s:
                continue
            paid = look.scores(of.reference, hour)
            found = look.faults(
                of.reference,
                hour,
                self.usual,
                alpha=of.alpha,
                per_hour=of.per_hour,
                paid=paid,
                stretch=_stretch(hours[: place + 1]),
            )
            self._tell(found, hour.start_s)
            self._end(found, hours[: place + 1])
            is_waiting = is_waiting or hour.end_s > whole_until_s
            if not is_waiting:
                self.usual = learnt(self.usual, hour, paid, {**broken(found), **self._unheard(hour)})

    def listen(self, heard: Heard) -> None:
        """Whether calls come at all; after the hours have been judged."""
        life = self._open.get("silent")
        if life is not None and heard.last_s > life.since_s:
            self._over(life, f"Calls come again, the last at {minute(heard.last_s)}.", heard.last_s)
        found = stream.silent(
            self._of.reference, self.usual, since_s=heard.last_s, until_s=heard.until_s, alpha=self._of.alpha
        )
        if found is not None:
            self._tell([found], heard.until_s)

    def _unheard(self, hour: Hour) -> dict[str, frozenset[str]]:
        """The hours before this one are no example of how few rows may come, where their silence was a fault."""
        silent, learnt_s = self.shown.get("silent"), self.usual.until_s
        was_silent = silent is not None and learnt_s is not None and learnt_s <= silent.at_s <= hour.end_s
        return {"": frozenset({"silent"})} if was_silent else {}

    def _tell(self, found: Sequence[Fault], at_s: float) -> None:
        for one in found:
            before, life = self.shown.get(one.about), self._open.get(one.about)
            self.shown[one.about] = Shown(at_s=at_s, fewest=one.fewest)
            if not (_is_new_note(before, at_s) if one.severity == "note" else _is_news(one, life)):
                continue
            item = self._verdict(one)
            said = alarms.of_verdict(
                item, CAUSE, one.severity, following=one.next.format(model=item.model), about=one.about
            )
            self.verdicts.append(item)
            self._say(said)

    def _end(self, found: Sequence[Fault], hours: Sequence[Hour]) -> None:
        standing = {one.about for one in found}
        for life in [life for about, life in self._open.items() if about not in standing and about != "silent"]:
            why = self._past(life, hours)
            if why is not None:
                self._over(life, why, hours[-1].until_s)

    def _past(self, life: AlarmLife, hours: Sequence[Hour]) -> str | None:
        shown = self.shown.get(life.about, Shown(at_s=math.floor(life.last_s / HOUR_S) * HOUR_S, fewest=ENOUGH))
        rows = sum(one.window.rows for one in hours if one.start_s > shown.at_s)
        is_soon = life.about.startswith("type ") and hours[-1].until_s < shown.at_s + DAY_S
        return None if rows < shown.fewest or is_soon else f"{rows:,} rows since then do not show it."

    def _over(self, life: AlarmLife, why: str, at_s: float) -> None:
        self._say(alarm_life.over(life, why, at_s=at_s, now_s=self._now_s))
        if life.about != "silent":
            self.shown.pop(life.about, None)

    def _say(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)
        life = alarm_life.raised(self._open.get(alarm.about), alarm).life
        self._open.pop(alarm.about, None)
        if life is not None and life.is_open:
            self._open[alarm.about] = life

    def _verdict(self, one: Fault) -> Verdict:
        at_s = one.judgement.evidence.until_s
        return verdict(
            one.judgement,
            model=self._of.model,
            subject=(self._of.version, one.column or one.kind),
            rollout=None,
            at_s=self._now_s if at_s is None else at_s,
            now_s=self._now_s,
        )


def _is_new_note(before: Shown | None, at_s: float) -> bool:
    """A note has no life, and no end that somebody waits for: once a day is enough."""
    return before is None or before.at_s < at_s - DAY_S


def _is_news(one: Fault, life: AlarmLife | None) -> bool:
    return life is None or SEVERITY.index(one.severity) > SEVERITY.index(life.severity)


def _stretch(hours: Sequence[Hour]) -> Hour | None:
    """The last hour and so many before it as have enough rows together, of one day; None where it has enough alone."""
    last, rows = hours[-1], 0
    taken: list[Hour] = []
    for one in reversed(hours):
        if rows >= ENOUGH or one.start_s <= last.start_s - DAY_S:
            break
        taken.append(one)
        rows += one.window.rows
    return joined(taken) if len(taken) > 1 else None
