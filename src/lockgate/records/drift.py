"""What was found out about the drift of one window, or of windows in sequence, against a reference profile."""

from __future__ import annotations

from lockgate.records.evidence import Ruling, Verdict
from lockgate.records.profile import OlderProfile, Profile, Role
from lockgate.records.record import Record


class Moved(Record, frozen=True, kw_only=True):
    """One column, or a pair of columns of numbers, with its evidence and its effect.

    is_listed: it stands among the columns that moved, at the verdict's alpha. log_e: natural log of its evidence, an e-value
    of one window, or M of windows in sequence (then M over the windows seen is what the list is made of). distance: total
    variation to the reference in [0, 1], over all its cells; shift: how far its values moved, in standard deviations of
    normal scores of the reference (Wasserstein), None where cells have no order. importance: the model's, in [0, 1].
    since: the window, counted from 1, in which the evidence that stands now began; since_s: when that window did, None where
    it said no time. says: what changed most, for a person.
    """

    column: str
    other: str | None = None
    role: Role = "input"
    is_listed: bool
    log_e: float
    distance: float
    shift: float | None = None
    importance: float = 0.0
    since: int | None = None
    since_s: float | None = None
    says: str

    @property
    def name(self) -> str:
        return self.column if self.other is None else f"{self.column} with {self.other}"

    @property
    def weight(self) -> float:
        """Its effect on the model, as far as can be told without outcomes: distance times importance."""
        return self.distance * self.importance


class Drift(Record, frozen=True, kw_only=True):
    """A verdict about drift and what it rests on. moved: every column and pair, the most consequential first. rows: of the
    window, or of all windows; reference_rows: what it was held against. notes: what the reference is too small to show, and
    what was not looked at.
    """

    verdict: Verdict
    moved: tuple[Moved, ...]
    rows: int
    reference_rows: int
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def ruling(self) -> Ruling:
        return self.verdict.ruling

    @property
    def sentence(self) -> str:
        return self.verdict.sentence

    @property
    def listed(self) -> tuple[Moved, ...]:
        """Those that moved."""
        return tuple(one for one in self.moved if one.is_listed)


class Foreseen(Record, frozen=True, kw_only=True):
    """How soon a change of one column would be shown. change: what is supposed to happen; windows: until then, None where it
    stays invisible at this eps and size of the reference, however long one waits.
    """

    column: str
    change: str
    windows: float | None


class LineState(Record, frozen=True, kw_only=True):
    """Evidence on one set of cells: log M of each bet, the window in which it began, the rows since then by cell."""

    log_m: tuple[float, ...]
    since: int
    pooled: tuple[int, ...]


class DriftState(Record, frozen=True, kw_only=True):
    """All a drift judge must remember between windows. reference: digest of the profile it was begun on; dates: of the
    windows in which evidence began that stands now, when they did.
    """

    engine: int
    reference: str
    model: str
    eps: float
    delta: float
    deff: float
    windows_per_year: float
    false_alarms_per_year: float
    windows: int
    rows: int
    is_alarmed: bool
    lines: tuple[LineState, ...]
    dates: tuple[tuple[int, float], ...] = ()
    schema: int = 1


class CountedDay(Record, frozen=True, kw_only=True):
    """A day of a champion's calls, counted over the cells of its reference; it grows by its hours as they are taken, outcomes
    or none. start_s: event time, a whole day (UTC).
    """

    model: str
    version: str
    start_s: float
    profile: Profile | OlderProfile
    schema: int = 1

    @property
    def key(self) -> str:
        return f"{self.model}/{self.version}/{self.start_s:.0f}"


class WindowsRead(Record, frozen=True, kw_only=True):
    """Of one process's windows of a version: those that were judged, as ranges of their numbers [first, behind the last), and
    when the latest of them ended.
    """

    who: str
    ranges: tuple[tuple[int, int], ...]
    until_s: float


class DriftStanding(Record, frozen=True, kw_only=True):
    """How far the drift of a version has been judged while it was champion, so that a restart goes on to the same bits.

    began_s: when it took over, as far back as windows are taken. until_s: the hour up to which windows were taken; first_s:
    where the first of them began, from which the windows to be judged are cut. judge: its judge, as it keeps itself, before
    the first window None. taken: the profile, as JSON text, of the hours since the last
    window that was judged, None where there is none. read: which windows of which process are in it, of the last day.
    calls, counted, late: over all hours, the calls that the log has, those that windows counted, and of these the ones that
    came after their hour had been taken. told: the columns and pairs that were named since the drift that stands began.
    """

    model: str
    version: str
    began_s: float | None
    until_s: float
    first_s: float | None = None
    judge: str | None = None
    taken: str | None = None
    read: tuple[WindowsRead, ...] = ()
    calls: int = 0
    counted: int = 0
    late: int = 0
    told: tuple[str, ...] = ()
    schema: int = 1

    @property
    def key(self) -> str:
        return f"{self.model}/{self.version}"


class DriftFound(Record, frozen=True, kw_only=True):
    """What a verdict about drift found, column by column. id: the verdict's. moved: every column and pair with evidence, the
    most consequential first; sources: of those that are computed of events, by column, of what. since_s, until_s: of the
    windows it was found in, event time. calls, counted: how many calls the log has of the version's hours so far, and how
    many of them windows counted; what a killed worker had not written is missing.
    """

    id: str
    model: str
    version: str
    moved: tuple[Moved, ...]
    sources: dict[str, str] = {}
    since_s: float | None
    until_s: float
    calls: int
    counted: int
    schema: int = 1

    @property
    def listed(self) -> tuple[Moved, ...]:
        """Those that moved."""
        return tuple(one for one in self.moved if one.is_listed)
