"""The champion's calls, watched for drift: windows of its hours go to a judge, in order, and what it finds becomes alarms.

How far it came is a record, written in one transaction with what it raised. What is held here is a cache of the log and of
that record: a restart, and another leader, go on to the same bits.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from lockgate.decide.alarm_budget import run_length
from lockgate.decide.drifting.judge import DriftJudge
from lockgate.errors import SpecError
from lockgate.monitor import alarms
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_turn import Turn, is_over
from lockgate.monitor.hours import HOUR_S, LATE_S, Hours, Taken
from lockgate.records import Alarm, Contract, MonitorSpec
from lockgate.records.drift import CountedDay, DriftFound, DriftStanding
from lockgate.records.duration import UNITS_S, lasted, seconds
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile
from lockgate.records.record import ready
from lockgate.store.ports import Records, Written

YEAR_S = 365 * UNITS_S["d"]
NEVER_S = -1e15  # before every call
FEWEST_WINDOWS = 2.0  # to a false alarm: under that a judge would alarm at anything
_log = logging.getLogger("lockgate.loop")
ready(CountedDay, DriftFound, DriftStanding)  # the pages read them beside the loop


class Reign(NamedTuple):
    """A champion, and since when, in event time; -inf where it was always."""

    version: str
    since_s: float


class DriftWatch:
    """One model's."""

    def __init__(self, model: str, spec: MonitorSpec, records: Records) -> None:
        self._model, self._spec, self._records = model, spec, records
        self._hours: dict[str, Hours] = {}
        self._unread: dict[str, list[Window]] = {}
        self._reign: Reign | None = None
        self._standing = _begun(model, Reign("", -math.inf))
        self._stored: DriftStanding | None = None  # as it was last read or written
        self._judge: DriftJudge | None = None

    @property
    def forgotten_until_s(self) -> float:
        """Until when windows are of no use any more; -inf before the first was taken."""
        return -math.inf if self._stored is None else self._stored.until_s - LATE_S

    @property
    def taken_until_s(self) -> float:
        """The hour up to which windows were taken of the champion: of those before nothing is waited for."""
        return self._standing.until_s

    def take_read(self, version: str) -> list[tuple[Window, Profile]]:
        """The champion's windows that were read since they were last asked for here: to be judged for faults too."""
        hours = self._hours.setdefault(version, Hours())
        found, hours.fresh = hours.fresh, []
        return found

    def feed(self, came: Batch) -> None:
        for window in came.windows:
            self._unread.setdefault(window.version, []).append(window)
        if came.calls is None:
            return
        served_by = came.calls.of("served_by")
        asked_s, answered_s = came.calls.floats("asked_s"), came.calls.floats("answered_s")
        versions = set(served_by)
        for version in versions:
            own = slice(None) if len(versions) == 1 else np.array([by == version for by in served_by])
            self._hours.setdefault(version, Hours()).feed_calls(asked_s[own], answered_s[own])

    def look(
        self,
        reign: Reign,
        reference: Profile | None,
        *,
        event_s: float,
        now_s: float,
        contract: Contract | None = None,
    ) -> list[Alarm]:
        """Take the hours that are whole, and judge the windows that end with them. Returns the alarms that a person is told.

        reference: the champion's, None where there is none to judge by. event_s, now_s: event time and wall time. contract:
        the champion's, by which a column is known to be computed of events.
        """
        self._pass_over_others(reign, event_s)
        if reference is None:
            self._unread.pop(reign.version, None)
            return []
        hours = self._hours.setdefault(reign.version, Hours())
        for problem in hours.feed_windows(self._unread.pop(reign.version, ()), reference):
            _log.warning("A window is left out of the judgement of drift: %s", problem)
        try:
            return self._look(reign, reference, hours, contract, event_s, now_s)
        except Exception:
            self._reign = None  # what could not be written is judged again, from what is
            raise

    def _look(
        self,
        reign: Reign,
        reference: Profile,
        hours: Hours,
        contract: Contract | None,
        event_s: float,
        now_s: float,
    ) -> list[Alarm]:
        if reign != self._reign:
            self._take_up(reign)
        if not self._due(hours, event_s, now_s):
            return []
        if self._records.get(DriftStanding, self._standing.key) != self._stored:  # another leader was here meanwhile
            self._take_up(reign)
        judge = self._judged_by(reference)
        upstream = {} if contract is None else sources(contract)
        turn = Turn(judge, self._spec, self._standing, sources=upstream, now_s=now_s)
        for hour in self._take(hours, event_s, now_s):
            turn.take(hour)
        turn.close(event_s, hours.next_s(turn.until_s))
        after = turn.standing
        told = self._write(after, turn)
        self._standing = self._stored = after
        hours.forget(after.until_s, {one.who: one for one in after.read})
        return told

    def _pass_over_others(self, reign: Reign, event_s: float) -> None:
        """Of versions that are not champion the last hours are kept, in which one may become it."""
        since_s = event_s - 2 * HOUR_S
        for version, windows in self._unread.items():
            if version != reign.version:
                self._unread[version] = [window for window in windows if window.until_s > since_s]
        for version, hours in self._hours.items():
            if version != reign.version:
                hours.forget(since_s, {})

    def _take_up(self, reign: Reign) -> None:
        """How far this reign was judged. What was said of an earlier one of the same version is over; only its windows are
        still read.
        """
        fresh = _begun(self._model, reign)
        held = self._records.get(DriftStanding, fresh.key)
        is_same = held is not None and held.began_s == fresh.began_s
        self._standing = held if held is not None and is_same else fresh
        self._stored, self._reign, self._judge = held, reign, None

    def _due(self, hours: Hours, event_s: float, now_s: float) -> bool:
        """Whether there is something to judge; hours of which nothing was counted are passed over here."""
        taken = self._take(hours, event_s, now_s)
        if not any(hour.profile for hour in taken):
            until_s = max((hour.until_s for hour in taken), default=self._standing.until_s)
            if self._standing.taken is None:
                self._standing = msgspec.structs.replace(self._standing, until_s=until_s)
                return False
        standing = self._standing
        is_ended = standing.taken is not None and is_over(standing, self._spec, event_s, hours.next_s(standing.until_s))
        return bool(taken) or is_ended

    def _take(self, hours: Hours, event_s: float, now_s: float) -> list[Taken]:
        standing = self._standing
        read = {one.who: one for one in standing.read}
        began_s = -math.inf if standing.began_s is None else standing.began_s
        return hours.take(standing.until_s, read, began_s=began_s, event_s=event_s, now_s=now_s)

    def _judged_by(self, reference: Profile) -> DriftJudge:
        if self._judge is None:
            self._judge = _judge(self._model, self._spec, reference, self._standing.judge)
        return self._judge

    def _write(self, standing: DriftStanding, turn: Turn) -> list[Alarm]:
        said = turn.said
        verdicts = [one.verdict for one in said]
        found = [one.found for one in said if one.found is not None]
        raised: list[Alarm] = []
        for one in said:
            raised += self._ended(one.alarm, raised) if one.alarm.is_over else [one.alarm]
        days = [self._day(standing, start_s, profile) for start_s, profile in turn.days.items()]
        beside: list[Written] = [standing, *days, *verdicts, *found]
        return alarms.tell(self._records, *beside, alarms=raised)

    def _day(self, standing: DriftStanding, start_s: float, profile: Profile) -> CountedDay:
        """With what was taken of it before; one that was counted over other cells begins anew."""
        day = CountedDay(model=self._model, version=standing.version, start_s=start_s, profile=profile)
        held = self._records.get(CountedDay, day.key)
        before = None if held is None else held.profile
        if isinstance(before, Profile) and before.cells == profile.cells:
            return msgspec.structs.replace(day, profile=before + profile)
        return day

    def _ended(self, over: Alarm, raised: Sequence[Alarm]) -> list[Alarm]:
        """The end of each alarm that is open about it; one note where none is."""
        lives = [life.about for life in alarms.opened(self._records, self._model) if life.cause == "drift"]
        abouts = dict.fromkeys([*lives, *(one.about for one in raised if one.severity == "ticket" and not one.is_over)])
        return [
            msgspec.structs.replace(over, id=over.id if not place else f"{over.id}-{place}", about=about)
            for place, about in enumerate(abouts or [over.about])
        ]


def sources(contract: Contract) -> dict[str, str]:
    """Of what the columns are computed that no caller sends: the upstream of a drift."""
    found: dict[str, str] = {}
    for column in contract.asked:
        made = column.aggregate
        if made is not None:
            of = f"{made.kind} of {made.column}" if made.column else made.kind
            over = "" if made.window_us is None else f" over {lasted(made.window_us / 1e6)}"
            by = f" by {', '.join(made.by)}" if made.by else ""
            found[column.name] = f"{of}{over} of the source {made.source}{by}"
    return found


def _begun(model: str, reign: Reign) -> DriftStanding:
    """Before its first hour."""
    if math.isinf(reign.since_s):
        return DriftStanding(model=model, version=reign.version, began_s=None, until_s=NEVER_S)
    return DriftStanding(
        model=model,
        version=reign.version,
        began_s=reign.since_s,
        until_s=math.floor(reign.since_s / HOUR_S) * HOUR_S,
    )


def _judge(model: str, spec: MonitorSpec, reference: Profile, state: str | None) -> DriftJudge:
    """One that goes on where it was; a new one where the settings are others by now, or another engine wrote it."""
    windows = YEAR_S / seconds(spec.window)
    judge = DriftJudge(
        reference,
        false_alarms_per_year=windows / max(FEWEST_WINDOWS, run_length(spec, "drift", windows)),
        windows_per_year=windows,
        model=model,
    )
    if state is not None:
        try:
            judge.load(state)
        except SpecError as error:
            _log.warning("Drift is judged anew: %s", error)
    return judge
