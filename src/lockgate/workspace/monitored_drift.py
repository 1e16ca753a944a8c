"""Drift in a table of predictions: each window by itself, and the judge of all windows so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lockgate.decide.alarm_budget import shares
from lockgate.decide.drifting import judged
from lockgate.decide.drifting.lines import Lines, drawn_up
from lockgate.errors import SpecError
from lockgate.features.profiles import table as counting
from lockgate.monitor.verdicts import verdict
from lockgate.monitor.watch import YEAR_S
from lockgate.records import MonitorSpec, Profile, Ruling, Verdict
from lockgate.records.drift import Drift
from lockgate.stats import score_bet
from lockgate.workspace import profiling
from lockgate.workspace.drifting import DriftJudge, recorded

if TYPE_CHECKING:
    import polars as pl


class Look(NamedTuple):
    """One window: its counts, what they say by themselves, and an alarm that begins or ends with it."""

    counted: Profile
    drift: Drift | None
    alarm: Verdict | None


class Drifting:
    """Held against the reference's profile. notes: why drift is not looked at, or raises no alarm."""

    def __init__(
        self,
        normal: pl.DataFrame,
        inputs: Sequence[str],
        spec: MonitorSpec,
        *,
        prediction: str,
        width_s: float,
        model: str,
        now_s: float,
    ) -> None:
        self._names, self._prediction = [*inputs, prediction], prediction
        self._model, self._now_s = model, now_s
        self.notes: list[str] = []
        self.profile = profiling.profile(normal.select(self._names), prediction=prediction)
        self._lines = self._bets()
        self._judge = None if self._lines is None else self._judging(spec, YEAR_S / width_s)

    def look(self, rows: pl.DataFrame, until_s: float) -> Look:
        """rows: at least one."""
        counted = counting.window(
            counting.in_memory(rows.select(self._names)), self.profile, counting.Asked(prediction=self._prediction)
        )
        if self._lines is None:
            return Look(counted, None, None)
        found = judged.once(
            self.profile, counted, eps=score_bet.EPS, delta=score_bet.DELTA, alpha=0.05, deff=1.0, lines=self._lines
        )
        own = recorded(
            found,
            model=self._model,
            rows=counted.rows,
            before=self.profile,
            notes=(),
            at_s=until_s,
            now_s=self._now_s,
        )
        return Look(counted, own, self._alarm(counted, until_s))

    def _alarm(self, counted: Profile, until_s: float) -> Verdict | None:
        told = None if self._judge is None else self._judge.observe_judgement(counted)
        if told is None:
            return None
        has_begun = told.judgement.ruling is Ruling.FAIL
        subject = tuple(one.name for one in judged.chosen(told.moved)) if has_begun else ()
        return verdict(
            told.judgement, model=self._model, subject=subject, rollout=None, at_s=until_s, now_s=self._now_s
        )

    def _bets(self) -> Lines | None:
        try:
            return drawn_up(self.profile)
        except SpecError as error:
            self.notes.append(f"Drift is not looked at: {error.message}")
            return None

    def _judging(self, spec: MonitorSpec, per_year: float) -> DriftJudge | None:
        budget = shares(spec)["drift"] * spec.false_alarms_per_year
        if per_year <= budget:
            self.notes.append("Drift raises no alarm: a year has no more windows than false alarms are allowed.")
            return None
        return DriftJudge(self.profile, false_alarms_per_year=budget, windows_per_year=per_year, model=self._model)
