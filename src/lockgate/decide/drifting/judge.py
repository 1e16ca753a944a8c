"""A judge of drift: evidence over windows in sequence, with one budget of false alarms a year for all its columns.

The same windows in the same order give the same bits, whatever the number of stops and resumptions between them.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from lockgate.decide.drifting import judged
from lockgate.decide.drifting.ahead import foreseen
from lockgate.decide.drifting.lines import counted, drawn_up
from lockgate.decide.judgement import Judgement
from lockgate.errors import SpecError
from lockgate.records import Evidence, Gate, Ruling
from lockgate.records.drift import DriftState, Foreseen, LineState, Moved
from lockgate.records.duration import minute
from lockgate.records.evidence import ENGINE
from lockgate.records.profile import Profile
from lockgate.records.record import decode, digest, encode
from lockgate.stats import onset, score_bet


class DriftJudge:
    """Evidence on one stream of windows against one reference. The reference never learns from the windows: to take a new
    normal, begin a new judge on it.
    """

    def __init__(
        self,
        reference: Profile,
        *,
        false_alarms_per_year: float,
        windows_per_year: float,
        eps: float = score_bet.EPS,
        delta: float = score_bet.DELTA,
        deff: float = 1.0,
        model: str = "-",
    ) -> None:
        self.reference, self.model = reference, model
        self.eps, self.delta, self.deff = eps, delta, deff
        self.false_alarms_per_year, self.windows_per_year = false_alarms_per_year, windows_per_year
        self._line = math.log(
            onset.windows_to_alarm(windows_per_year=windows_per_year, false_alarms_per_year=false_alarms_per_year)
        )
        self._lines = drawn_up(reference, eps, delta)
        self._bets, self._weights = self._lines.bets, self._lines.weights
        self._onset = onset.start(self._bets)
        self._rows, self._is_alarmed = 0, False
        self._dates: dict[int, float] = {}

    @property
    def is_alarmed(self) -> bool:
        """Whether an alarm stands: raised, and its evidence not gone since."""
        return self._is_alarmed

    @property
    def windows(self) -> int:
        return self._onset.windows

    @property
    def log_evidence(self) -> float:
        """Log of the average of M; an alarm is raised at the log of `windows_per_year / false_alarms_per_year`."""
        return onset.log_mean(self._each(), self._weights)

    def observe_judgement(self, window: Profile) -> judged.Found | None:
        """One more window; what it found where an alarm begins or is over, else None.

        Raises SpecError where the window was counted over other cells; it then counts for nothing.
        """
        self._onset = onset.after(self._onset, self._bets, counted(self._lines, self.reference, window), deff=self.deff)
        self._rows += window.rows
        self._date(window.since_s)
        log_m = self.log_evidence
        if self._is_alarmed:
            if log_m > 0:
                return None
            self._is_alarmed = False
            return self.judgement(window, was_alarmed=True)
        if log_m < self._line:
            return None
        found = self.judgement(window)
        self._is_alarmed = found.judgement.ruling is Ruling.FAIL
        return found if self._is_alarmed else None

    def judgement(self, window: Profile, *, was_alarmed: bool = False) -> judged.Found:
        """How it stands now. window: the last one, for words about means."""
        columns = self._onset.columns
        seen = judged.Seen(self._each(), [c.pooled for c in columns], window, [c.since for c in columns])
        ranked = judged.rank(
            self._lines, self.reference, seen, alpha=judged.LIST_ALPHA, windows=max(1, self._onset.windows)
        )
        moved = tuple(msgspec.structs.replace(one, since_s=self._dates.get(one.since or 0)) for one in ranked)
        log_m = onset.log_mean(seen.log_e, self._weights)
        has_drifted = log_m >= self._line and judged.has_effect(moved, self.eps)
        return judged.Found(
            Judgement(
                ruling=Ruling.FAIL if has_drifted else Ruling.UNDECIDED,
                gate=self._gate(),
                evidence=self._evidence(window, moved, log_m),
                sentence=self._told(moved, log_m, has_drifted=has_drifted, was_alarmed=was_alarmed),
            ),
            moved,
        )

    def _told(self, moved: tuple[Moved, ...], log_m: float, *, has_drifted: bool, was_alarmed: bool) -> str:
        """Of a drift that stands: since when, and of the rows since then; of one that is over, that it is."""
        if has_drifted:
            leading = int(self._each().argmax())
            held = self._onset.columns[leading]
            said = judged.told(
                moved, log_m, self._line, rows=int(held.pooled.sum()), before=self.reference.rows, eps=self.eps
            )
            return f"{said[:-1]}, since {self._when(held.since)}."
        said = judged.told((), log_m, self._line, rows=self._rows, before=self.reference.rows, eps=self.eps)
        return f"The drift is over. {said}" if was_alarmed else said

    def alone(self) -> frozenset[str]:
        """The columns and pairs whose own evidence would raise the alarm, whatever the others show. Over all of them together
        that happens by chance no more often than an alarm does.
        """
        each, found = self._each(), dict[str, float]()
        for line, log_m in zip(self._lines.lines, each, strict=True):
            name = judged.named(self._lines.items[line.item])
            found[name] = np.logaddexp(found.get(name, -math.inf), float(log_m) + math.log(line.weight))
        return frozenset(name for name, log_m in found.items() if log_m >= self._line)

    def notes(self) -> tuple[str, ...]:
        return judged.notes(self.reference, self._lines)

    def foreseen(self, *, rows: int) -> tuple[Foreseen, ...]:
        """How soon changes would be shown in windows of so many rows, column by column."""
        return foreseen(self._lines, rows=rows, log_line=self._line, deff=self.deff)

    def state(self) -> str:
        """All of it but the reference, as JSON text."""
        return encode(
            DriftState(
                engine=ENGINE,
                reference=digest(self.reference),
                model=self.model,
                eps=self.eps,
                delta=self.delta,
                deff=self.deff,
                windows_per_year=self.windows_per_year,
                false_alarms_per_year=self.false_alarms_per_year,
                windows=self._onset.windows,
                rows=self._rows,
                is_alarmed=self._is_alarmed,
                lines=tuple(
                    # JSON has no infinity: what began at nought is written as far below every line.
                    LineState(
                        log_m=tuple(np.maximum(column.log_m, -1e300).tolist()),
                        since=column.since,
                        pooled=tuple(column.pooled.tolist()),
                    )
                    for column in self._onset.columns
                ),
                dates=tuple(sorted(self._dates.items())),
            )
        ).decode()

    def load(self, state: str | bytes) -> None:
        """Go on where `state` was written. Raises SpecError for another engine's or another reference's, StoreError for a
        damaged one.
        """
        held = decode(DriftState, state)
        if held.engine != ENGINE:
            raise SpecError(
                f"This state of a drift judge was written by engine {held.engine}; this is engine {ENGINE}.",
                cure="Begin a new judge on the same reference.",
            )
        mine = msgspec.structs.asdict(held)
        known = ("eps", "delta", "deff", "windows_per_year", "false_alarms_per_year", "model")
        if held.reference != digest(self.reference) or any(mine[name] != getattr(self, name) for name in known):
            raise SpecError(
                "This state of a drift judge belongs to another reference, or other settings.",
                cure="Resume it on the profile that it was begun on, or begin a new judge.",
            )
        self._onset = onset.Onset(
            held.windows,
            tuple(
                onset.Column(np.array(line.log_m), line.since, np.array(line.pooled, dtype=np.int64))
                for line in held.lines
            ),
        )
        self._rows, self._is_alarmed, self._dates = held.rows, held.is_alarmed, dict(held.dates)

    def _date(self, since_s: float | None) -> None:
        """Of the windows in which evidence began that stands now, when they did."""
        if since_s is not None:
            self._dates[self._onset.windows] = since_s
        standing = {column.since for column in self._onset.columns}
        self._dates = {number: at_s for number, at_s in self._dates.items() if number in standing}

    def _when(self, since: int) -> str:
        at_s = self._dates.get(since)
        if at_s is None:
            return f"window {since} of {self.windows}"
        return minute(at_s)

    def _each(self) -> judged.Floats:
        """Log M of every line."""
        both = zip(self._bets, self._onset.columns, strict=True)
        return np.array([onset.log_evidence(bets, column.log_m) for bets, column in both])

    def _gate(self) -> Gate:
        return Gate(
            name="drift",
            question="harm",
            claim="drifted",
            measure="inputs and predictions",
            method=f"score bets into an e-detector, {len(self._lines.items)} columns and pairs averaged; at most "
            f"{self.false_alarms_per_year:g} false alarms a year of {self.windows_per_year:g} windows",
            margin=self.eps,
            alpha=None,
            guarantee="calibrated",
        )

    def _evidence(self, window: Profile, moved: tuple[Moved, ...], log_m: float) -> Evidence:
        return Evidence(
            estimate=max((one.distance for one in moved), default=0.0),
            log_e=log_m,
            n=(self.reference.rows, self._rows),
            blocks=self._onset.windows,
            block="window",
            design_effect=self.deff,
            since_s=window.since_s,
            until_s=window.until_s,
            detail={
                "line": self._line,
                "eps": self.eps,
                "delta": self.delta,
                "false_alarms_per_year": self.false_alarms_per_year,
            },
        )
