"""What was found out about the drift of one window, or of windows in sequence, against a reference profile."""

from __future__ import annotations

from lockgate.records.evidence import Ruling, Verdict
from lockgate.records.profile import Role
from lockgate.records.record import Record


class Moved(Record, frozen=True, kw_only=True):
    """One column, or a pair of columns of numbers, with its evidence and its effect.

    is_listed: it stands among the columns that moved, at the verdict's alpha. log_e: natural log of its evidence, an e-value
    of one window, or M of windows in sequence (then M over the windows seen is what the list is made of). distance: total
    variation to the reference in [0, 1], over all its cells; shift: how far its values moved, in standard deviations of
    normal scores of the reference (Wasserstein), None where cells have no order. importance: the model's, in [0, 1].
    since: the window, counted from 1, in which the evidence that stands now began. says: what changed most, for a person.
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
    """All a drift judge must remember between windows. reference: digest of the profile it was begun on."""

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
    schema: int = 1
