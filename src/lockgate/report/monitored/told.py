"""What a monitoring report says, wherever it is from: the page draws this, and asks nothing else. Times are event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lockgate.records import Bin, Ruling, SliceLoss


class Point(NamedTuple):
    """One figure of a stretch of time [since_s, until_s). low, high: its interval at 95 %, None where it has none."""

    since_s: float
    until_s: float
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def middle_s(self) -> float:
        return (self.since_s + self.until_s) / 2


class Stretch(NamedTuple):
    """Calls asked in [since_s, until_s), and how many of them have an outcome. is_mature: it may be judged."""

    since_s: float
    until_s: float
    rows: int
    labelled: int
    is_mature: bool = True


class Course(NamedTuple):
    """A figure over time. realised: on outcomes; estimated: without them, if P(Y|X) is unchanged. before: what it was on the
    reference. better: where better lies.
    """

    name: str
    better: Literal["up", "down", ""]
    realised: tuple[Point, ...] = ()
    estimated: tuple[Point, ...] = ()
    before: float | None = None
    says: str = ""

    @property
    def is_any(self) -> bool:
        return bool(self.realised or self.estimated)


class DriftRow(NamedTuple):
    """One column or pair: how far it lies from the reference, in [0, 1], now and over time; what changed most."""

    name: str
    is_pair: bool
    says: str
    is_listed: bool
    distance: float
    shift: float | None
    importance: float
    history: tuple[float, ...] = ()


class Raised(NamedTuple):
    """An alarm, or a verdict that fails. severity: page, ticket, note, or empty of a verdict alone. following: a command."""

    at_s: float
    severity: str
    cause: str
    sentence: str
    following: str = ""
    is_over: bool = False


class Age(NamedTuple):
    """Predictions of an age, and how many of them have an outcome."""

    said: str
    rows: int
    labelled: int


@dataclass(frozen=True, kw_only=True)
class Told:
    """metric: judged by, as people say it. courses: the metric judged by first; skill: against each stretch's own base rate.
    bins, slope: calibration; slices: mean loss in parts of the rows, the worst first. false_alarms_per_year: the budget, None
    where there is none. takeovers: when another version became champion, and its name.
    """

    name: str
    about: str
    ruling: Ruling
    sentence: str
    since_s: float
    until_s: float
    metric: str
    facts: tuple[tuple[str, str], ...]
    traffic: tuple[Stretch, ...]
    predictions: Course
    courses: tuple[Course, ...]
    skill: Course
    drift: tuple[DriftRow, ...]
    drift_says: str
    bins: tuple[Bin, ...] = ()
    calibration_says: str = ""
    slices: tuple[SliceLoss, ...] = ()
    raised: tuple[Raised, ...] = ()
    ages: tuple[Age, ...] = ()
    false_alarms_per_year: float | None = None
    following: str = ""
    takeovers: tuple[tuple[float, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def span(self) -> tuple[float, float]:
        """From the first stretch's beginning to the last one's end, which may lie around the calls."""
        since_s = min((one.since_s for one in self.traffic), default=self.since_s)
        return min(since_s, self.since_s), max((one.until_s for one in self.traffic), default=self.until_s)

    @property
    def years(self) -> float:
        return max(0.0, self.until_s - self.since_s) / (365 * 86400)

    @property
    def pages(self) -> int:
        return sum(one.severity == "page" and not one.is_over for one in self.raised)
