"""The watch over hard faults: hours of a model's calls are judged as they grow; each fault is one alarm, until it is over.

A fault is over once later rows, as many as would have shown it, do not; one of another type after a day without. Silence is
over with the next call. Event time goes on with the wall clock while nobody calls, from the newest row on: so silence is
seen where time is told by calls alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from lockgate.decide.faults import look, stream
from lockgate.decide.faults.fault import Fault
from lockgate.decide.faults.hour import HOUR_S, Hour, joined
from lockgate.decide.faults.look import Paid
from lockgate.decide.faults.usual import PREDICTION, learnt
from lockgate.monitor import alarms
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, AlarmLife, MonitorSpec, Verdict
from lockgate.records.alarm import SEVERITY
from lockgate.records.profile import Profile
from lockgate.records.usual import Usual
from lockgate.store.ports import Records

ENOUGH = 50
"""Rows under which the hours before are counted with an hour, a day of them at most."""
GRACE_S = 600.0
"""So long after its end an hour is taken to be whole, and is learnt."""
WARM_UP_S = 14 * 24 * HOUR_S
DAY_S = 24 * HOUR_S
CAUSE: Final = "fault"


class _Seen(NamedTuple):
    """at_s: the beginning of the last hour that showed it. fewest: rows without it that end it."""

    at_s: float
    fewest: int


class FaultWatch:
    """One model's. usual: what its hours have been like, as `state` gave it; what was told stands in the records.

    Judged are hours that come after those learnt: those of the training rows, or kept of the log, are given to `learn`
    first, so that what a morning is like is known before it is judged.
    """

    def __init__(
        self,
        model: str,
        spec: MonitorSpec,
        records: Records,
        *,
        usual: Usual | None = None,
        looks_per_year: float = look.LOOKS_PER_YEAR,
    ) -> None:
        self._model, self._spec, self._records = model, spec, records
        self._usual = usual or Usual()
        self._looks = looks_per_year
        self._version: str | None = None
        self._seen: dict[str, _Seen] = {}
        self._newest_s, self._newest_wall_s = -math.inf, -math.inf

    @property
    def state(self) -> Usual:
        return self._usual

    def learn(self, reference: Profile, hours: Iterable[Hour]) -> None:
        """Hours that are over, of which nobody is told. After a fortnight those at fault raise no bar. Raises SpecError where
        one was counted over other cells than the reference.
        """
        alpha = look.alpha_of(self._spec, reference, looks_per_year=self._looks)
        for hour in sorted(hours, key=lambda one: one.start_s):
            paid = look.scores(reference, hour)
            since_s = self._usual.since_s
            is_warm = since_s is not None and hour.start_s - since_s >= WARM_UP_S
            found = self._faults(reference, hour, alpha, paid, None) if is_warm else ()
            self._usual = learnt(self._usual, hour, paid, _broken(found))

    def look(self, version: str, reference: Profile, hours: Sequence[Hour], *, now_s: float) -> list[Alarm]:
        """Judge what has come. Returns the alarms that a person is told; they are written already.

        version: the champion; reference: its own profile; hours: its last ones, at least those of a day, the newest still
        growing. now_s: wall time. Raises SpecError for other cells; what could not be written is told at the next look.
        """
        if version != self._version:
            self._usual, self._version = _of_another(self._usual, self._version), version
        own = sorted((one for one in hours if one.window.rows or one.refused), key=lambda one: one.start_s)
        alpha = look.alpha_of(self._spec, reference, looks_per_year=self._looks)
        until_s = self._until(own, now_s)
        told: list[Alarm] = []
        for place, hour in enumerate(own):
            if self._usual.until_s is not None and hour.start_s < self._usual.until_s:
                continue
            paid = look.scores(reference, hour)
            stretch = _stretch(own[: place + 1])
            found = self._faults(reference, hour, alpha, paid, stretch)
            told += self._tell(found, hour.start_s, now_s) + self._end(found, own[: place + 1], now_s)
            if until_s >= hour.end_s + GRACE_S:
                self._usual = learnt(self._usual, hour, paid, _broken(found) | self._unheard(hour))
        silent = stream.silent(reference, self._usual, own, until_s=until_s, alpha=alpha)
        return told + self._tell([] if silent is None else [silent], until_s, now_s)

    def _faults(
        self, reference: Profile, hour: Hour, alpha: float, paid: Paid, stretch: Hour | None
    ) -> tuple[Fault, ...]:
        per_hour = max(1.0, self._looks / look.HOURS_PER_YEAR)
        return look.faults(reference, hour, self._usual, alpha=alpha, per_hour=per_hour, paid=paid, stretch=stretch)

    def _until(self, hours: Sequence[Hour], now_s: float) -> float:
        """The moment up to which traffic is known."""
        newest_s = max((one.until_s for one in hours), default=self._newest_s)
        if newest_s > self._newest_s:
            self._newest_s, self._newest_wall_s = newest_s, now_s
        return self._newest_s + max(0.0, now_s - self._newest_wall_s)

    def _unheard(self, hour: Hour) -> dict[str, frozenset[str]]:
        """The hours before this one are no example of how few rows may come, where their silence was a fault."""
        silent, learnt_s = self._seen.get("silent"), self._usual.until_s
        was_silent = silent is not None and learnt_s is not None and learnt_s <= silent.at_s <= hour.end_s
        return {"": frozenset({"silent"})} if was_silent else {}

    def _tell(self, found: Sequence[Fault], at_s: float, now_s: float) -> list[Alarm]:
        open_now = {life.about: life for life in alarms.opened(self._records, self._model) if life.cause == CAUSE}
        fresh = [one for one in found if _is_news(one, open_now.get(one.about))]
        told: list[Alarm] = []
        if fresh:
            verdicts = [self._verdict(one, now_s) for one in fresh]
            raised = [_alarm(one, item) for one, item in zip(fresh, verdicts, strict=True)]
            unwritten = [item for item in verdicts if self._records.get(Verdict, item.id) is None]
            told = alarms.tell(self._records, *unwritten, alarms=raised)
        # Last: a write that failed is tried again at the next look.
        self._seen |= {one.about: _Seen(at_s, one.fewest) for one in found}
        return told

    def _end(self, found: Sequence[Fault], hours: Sequence[Hour], now_s: float) -> list[Alarm]:
        standing = {one.about for one in found}

        def past(life: AlarmLife) -> str | None:
            if life.cause != CAUSE or life.about in standing:
                return None
            return self._over(life, hours)

        return alarms.end(self._records, self._model, past, at_s=hours[-1].until_s, now_s=now_s)

    def _over(self, life: AlarmLife, hours: Sequence[Hour]) -> str | None:
        if life.about == "silent":
            came = hours[-1].until_s > life.since_s
            return f"Calls come again: {hours[-1].window.rows:,} in the last hour." if came else None
        seen = self._seen.get(life.about, _Seen(math.floor(life.last_s / HOUR_S) * HOUR_S, ENOUGH))
        later = [one for one in hours if one.start_s > seen.at_s]
        rows = sum(one.window.rows for one in later)
        if rows < seen.fewest or (life.about.startswith("type ") and hours[-1].until_s < seen.at_s + DAY_S):
            return None
        return f"{rows:,} rows since then do not show it."

    def _verdict(self, one: Fault, now_s: float) -> Verdict:
        at_s = one.judgement.evidence.until_s
        return verdict(
            one.judgement,
            model=self._model,
            subject=(self._version or "", one.column or one.kind),
            rollout=None,
            at_s=now_s if at_s is None else at_s,
            now_s=now_s,
        )


def _alarm(one: Fault, item: Verdict) -> Alarm:
    following = one.next.format(model=item.model)
    return alarms.of_verdict(item, CAUSE, one.severity, following=following, about=one.about)


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


def _broken(found: Iterable[Fault]) -> dict[str, frozenset[str]]:
    by_column: dict[str, set[str]] = {}
    for one in found:
        by_column.setdefault(one.column, set()).add(one.kind)
    return {column: frozenset(kinds) for column, kinds in by_column.items()}


def _of_another(usual: Usual, before: str | None) -> Usual:
    """Another version has other cells and other answers; its inputs are what they were."""
    if before is None:
        return usual
    kept = {name: msgspec.structs.replace(own, scores={}) for name, own in usual.columns.items() if name != PREDICTION}
    return msgspec.structs.replace(usual, columns=kept)
