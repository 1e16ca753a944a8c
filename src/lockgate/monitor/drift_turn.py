"""Some hours of a version's calls, judged: (how far it came, the hours) -> how far it is now, and what a person is told.

Pure: records go in and come out. Hours are put together to windows as long as `monitor.window`; a window is judged when it
is over and none of its hours is waited for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from lockgate.decide.drifting import judged
from lockgate.decide.drifting.judge import DriftJudge
from lockgate.monitor import alarms
from lockgate.monitor.hours import GRACE_S, HOUR_S, Taken, also_read
from lockgate.monitor.verdicts import verdict
from lockgate.records import Alarm, MonitorSpec, Ruling, Verdict
from lockgate.records.drift import DriftFound, DriftStanding, Moved
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.profile import Profile, read_profile
from lockgate.records.record import encode

DAY_S = UNITS_S["d"]
MOST_KEPT = 100  # columns and pairs that are kept beside a verdict


class Said(NamedTuple):
    """What is to be written of one window. found: None where a drift is over."""

    verdict: Verdict
    found: DriftFound | None
    alarm: Alarm


class Turn:
    """One turn over the hours that can be taken. sources: of columns that are computed of events, of what. days: what was
    taken, by the beginning of its day.
    """

    def __init__(
        self,
        judge: DriftJudge,
        spec: MonitorSpec,
        standing: DriftStanding,
        *,
        sources: Mapping[str, str],
        now_s: float,
    ) -> None:
        self._judge, self._spec, self._now_s, self._sources = judge, spec, now_s, sources
        self._span_s = seconds(spec.window)
        self._standing = standing
        self._read = {one.who: one for one in standing.read}
        self._taken = None if standing.taken is None else read_profile(standing.taken, "What was taken of the calls")
        self._told = standing.told
        self.said: list[Said] = []
        self.days: dict[float, Profile] = {}

    @property
    def standing(self) -> DriftStanding:
        """How far it is now."""
        return msgspec.structs.replace(
            self._standing,
            judge=self._judge.state(),
            taken=None if self._taken is None else encode(self._taken).decode(),
            read=tuple(self._read.values()),
            told=self._told,
        )

    @property
    def until_s(self) -> float:
        return self._standing.until_s

    def take(self, hour: Taken) -> None:
        """Hours in order."""
        if self._taken is not None and hour.until_s > self._end_s:
            self._observe(self._taken)
        held = self._standing
        if held.first_s is None and hour.profile is not None:
            held = msgspec.structs.replace(held, first_s=hour.until_s - HOUR_S)
        self._read = also_read(self._read, hour.windows, until_s=hour.until_s)
        if hour.profile is not None:
            self._taken = hour.profile if self._taken is None else self._taken + hour.profile
            day_s = math.floor((hour.until_s - HOUR_S) / DAY_S) * DAY_S
            self.days[day_s] = hour.profile if day_s not in self.days else self.days[day_s] + hour.profile
        self._standing = msgspec.structs.replace(
            held,
            until_s=hour.until_s,
            calls=held.calls + hour.calls,
            counted=held.counted + hour.counted,
            late=held.late + hour.late,
        )

    def close(self, event_s: float, next_s: float) -> None:
        """Judge the window that is over. next_s: where the next hour begins that has calls."""
        if self._taken is not None and is_over(self._standing, self._spec, event_s, next_s):
            self._observe(self._taken)

    @property
    def _end_s(self) -> float:
        return end_s(self._standing, self._spec)

    def _observe(self, taken: Profile) -> None:
        until_s = self._end_s
        window = msgspec.structs.replace(taken, since_s=until_s - self._span_s, until_s=until_s)
        self._taken = None
        found = self._judge.observe_judgement(window)
        if found is not None and found.judgement.ruling is Ruling.FAIL:
            self._raise(found, judged.chosen(found.moved), until_s)
        elif found is not None:
            self._end(found, until_s)
        elif self._judge.is_alarmed:
            self._look_beside(window, until_s)

    def _look_beside(self, window: Profile, until_s: float) -> None:
        """While a drift stands, another column may begin to move; it is told where the model leans on it."""
        fresh = self._judge.alone() - set(self._told)
        if not fresh:
            return
        found = self._judge.judgement(window)
        moved = [one for one in found.moved if one.name in fresh and one.distance > self._judge.eps]
        leaned = [one for one in moved if self._is_leaned_on(one)]
        if leaned and found.judgement.ruling is Ruling.FAIL:
            self._raise(found, leaned, until_s)

    def _raise(self, found: judged.Found, moved: Sequence[Moved], until_s: float) -> None:
        leaned = [one for one in moved if self._is_leaned_on(one)]
        named = tuple(one.name for one in moved)
        self._told = tuple(dict.fromkeys((*self._told, *named)))
        said = f"{found.judgement.sentence} {_tail(moved, leaned)}"
        made = self._verdict(found, said, named, until_s)
        # A column that begins beside a drift that stands is another cause.
        about = (leaned or moved)[0].name
        self.said.append(
            Said(
                made,
                self._found(found, made, moved, until_s),
                self._alarm(made, "ticket" if leaned else "note", about, is_over=False),
            )
        )

    def _end(self, found: judged.Found, until_s: float) -> None:
        made = self._verdict(found, found.judgement.sentence, self._told, until_s)
        about = self._told[0] if self._told else ""
        self._told = ()
        self.said.append(Said(made, None, self._alarm(made, "note", about, is_over=True)))

    def _verdict(self, found: judged.Found, sentence: str, named: tuple[str, ...], until_s: float) -> Verdict:
        held, evidence = self._standing, found.judgement.evidence
        detail = {**evidence.detail, "calls": float(held.calls), "counted": float(held.counted)}
        judgement = msgspec.structs.replace(
            found.judgement, sentence=sentence, evidence=msgspec.structs.replace(evidence, detail=detail)
        )
        return verdict(
            judgement,
            model=held.model,
            subject=(held.version, *named),
            rollout=None,
            at_s=until_s,
            now_s=self._now_s,
        )

    def _found(self, found: judged.Found, made: Verdict, moved: Sequence[Moved], until_s: float) -> DriftFound:
        held = self._standing
        since = [one.since_s for one in moved if one.since_s is not None]
        named = set(judged.chosen(found.moved)) | set(moved)
        kept = tuple(one for one in found.moved if one.other is None or one in named)[:MOST_KEPT]
        columns = {name for one in kept for name in (one.column, one.other)}
        return DriftFound(
            id=made.id,
            model=held.model,
            version=held.version,
            moved=kept,
            sources={name: what for name, what in self._sources.items() if name in columns},
            since_s=min(since, default=None),
            until_s=until_s,
            calls=held.calls,
            counted=held.counted,
        )

    @staticmethod
    def _alarm(made: Verdict, severity: Literal["ticket", "note"], about: str, *, is_over: bool) -> Alarm:
        following = f"lockgate why {made.id}"
        return alarms.of_verdict(made, "drift", severity, following=following, about=about, is_over=is_over)

    def _is_leaned_on(self, one: Moved) -> bool:
        """What a model says is what is used of it: where that moves far, it matters whatever moved it."""
        weight = one.distance if one.role == "prediction" else one.weight
        return weight >= self._spec.drift_at


def end_s(standing: DriftStanding, spec: MonitorSpec) -> float:
    """Where the window ends that the last hour taken lies in; -inf before the first hour."""
    if standing.first_s is None:
        return -math.inf
    span_s = seconds(spec.window)
    return standing.first_s + (math.floor((standing.until_s - HOUR_S - standing.first_s) / span_s) + 1) * span_s


def is_over(standing: DriftStanding, spec: MonitorSpec, event_s: float, next_s: float) -> bool:
    """Whether nothing more will come to that window. next_s: where the next hour with calls begins."""
    end = end_s(standing, spec)
    return next_s >= end and event_s >= end + GRACE_S


def _tail(moved: Sequence[Moved], leaned: Sequence[Moved]) -> str:
    if leaned:
        return f"The champion leans on {', '.join(one.name for one in leaned[: judged.MOST_NAMED])}: look at the calls."
    if not any(one.importance for one in moved):
        return "The champion does not use it, so nobody is called."
    return "Too little for the champion to matter, so nobody is called."
