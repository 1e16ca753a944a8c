"""A table of predictions gone through window by window: what each holds, what was realised, what is estimated, what alarms.

All that is said of a window is what was known at its end: its own rows, and the outcomes that had matured by then.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.assess import estimated as estimating
from lockgate.assess.estimated import Estimator, Past
from lockgate.assess.expecting import Asked, Expected, Rows
from lockgate.assess.realising import Outcomes, no_celebration, realised
from lockgate.assess.slicing import levels
from lockgate.decide.alarm_budget import run_length
from lockgate.decide.decay import decay
from lockgate.metrics import Loss
from lockgate.monitor.verdicts import verdict
from lockgate.monitor.watch import YEAR_S
from lockgate.records import MonitorSpec, Profile, Ruling, Verdict
from lockgate.records.drift import Drift
from lockgate.records.duration import UNITS_S
from lockgate.records.monitored import Monitored, MonitoredWindow, Realised
from lockgate.workspace import monitored_blocks, monitored_faults, monitored_tables, told_rows
from lockgate.workspace.monitored_drift import Drifting
from lockgate.workspace.monitored_faults import Faults, Sheet
from lockgate.workspace.monitored_tables import Calls, Named, Window
from lockgate.workspace.told_rows import Told

Floats = NDArray[np.float64]


class Setting(NamedTuple):
    """What is asked. width_s, horizon_s: of `window` and of the horizon, in seconds; now_s: wall time."""

    name: str
    named: Named
    inputs: list[str]
    slices: tuple[str, ...]
    loss: Loss
    asked: Asked
    coverage: float
    window: str
    width_s: float
    horizon_s: float
    spec: MonitorSpec
    now_s: float


class Run:
    """One pass over the windows in the order of time; what is known at a window's end is all that it is told by."""

    def __init__(self, setting: Setting, normal: Told, made: Calls) -> None:
        self._of, self._normal, self._made = setting, normal, made
        self._notes: list[str] = [*normal.notes, *made.notes]
        assert normal.outcome is not None
        self._blocks = monitored_blocks.blocks(made, setting.loss, setting.width_s)
        self._reference = realised(self._outcomes(normal.table, normal.value, normal.outcome))
        if setting.named.time not in normal.table.columns:
            self._notes.append(
                f"The reference has no {setting.named.time!r}: its skill is against one base rate for all of it."
            )
        self._drift = Drifting(
            normal.table,
            setting.inputs,
            setting.spec,
            prediction=setting.named.prediction,
            width_s=setting.width_s,
            model=setting.name,
            now_s=setting.now_s,
        )
        self._notes += self._drift.notes
        self._windows = monitored_tables.windows(made.at_s, setting.width_s)
        self._estimator = self._estimating()
        self._faults = self._watching_faults()
        self._verdicts: list[Verdict] = []
        self._standing: set[str] = set()

    def found(self, reference_name: str) -> Monitored:
        set_, made = self._of, self._made
        windows = tuple(self._each())
        verdicts = tuple(sorted(self._verdicts, key=lambda one: one.at_s))
        has_failed = any(one.ruling is Ruling.FAIL for one in verdicts)
        return Monitored(
            name=set_.name,
            model=set_.name,
            task=self._normal.task,
            classes=("0", "1") if self._normal.task == "binary" else (),
            metric=set_.loss.name,
            columns={key: value for key, value in set_.named._asdict().items() if value is not None},
            window=set_.window,
            horizon_s=set_.horizon_s,
            since_s=float(made.at_s[0]),
            until_s=float(made.at_s[-1]),
            rows=made.at_s.size,
            labelled=int((~np.isnan(made.outcome)).sum()),
            reference_name=reference_name,
            reference_rows=self._normal.value.size,
            reference=self._reference,
            reference_profile=self._drift.profile,
            windows=windows,
            verdicts=verdicts,
            label_ages=monitored_tables.label_ages(made.now_s - made.at_s, ~np.isnan(made.outcome), set_.width_s),
            false_alarms_per_year=set_.spec.false_alarms_per_year,
            ruling=Ruling.FAIL if has_failed else Ruling.UNDECIDED,
            sentence=self._told(windows, verdicts),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _each(self) -> list[MonitoredWindow]:
        matured: list[tuple[float, dict[str, Past]]] = []
        errors = {name: list(values) for name, values in self._estimator.errors.items()}
        found: list[MonitoredWindow] = []
        for window in self._windows:
            while matured and matured[0][0] <= window.until_s:
                estimating.add(errors, matured.pop(0)[1])
            own, expected = self._one(window, errors)
            if own.realised is not None and expected is not None:
                true = estimating.errors_of(self._of.asked, expected, self._rows(window, judged=True))
                matured.append((window.until_s + self._of.horizon_s, true))
            found.append(own)
        return found

    def _one(self, window: Window, errors: dict[str, list[Past]]) -> tuple[MonitoredWindow, Expected | None]:
        set_ = self._of
        rows = self._rows(window)
        outcome = self._made.outcome[window.first : window.last]
        labelled = int((~np.isnan(outcome)).sum())
        is_mature = window.until_s + set_.horizon_s <= self._made.now_s
        notes: list[str] = []
        counted, drift = self._look(window, notes)
        guess = self._estimator.of(rows) if rows.value.size else None
        told = (
            None
            if guess is None
            else estimating.estimated(
                self._estimator, guess, rows=rows.value.size, errors=errors, coverage=set_.coverage
            )
        )
        true = self._realised(window) if is_mature else None
        if not is_mature and labelled:
            notes.append(
                f"{labelled:,} of {outcome.size:,} outcomes are in; it is judged once all are {_age(set_)} old."
            )
        if true is not None:
            notes += no_celebration(true, self._reference, set_.loss.name)
        self._judge_decay(window)
        faults = self._judge_faults(window)
        return (
            MonitoredWindow(
                name=f"{datetime.fromtimestamp(window.since_s, UTC):%Y-%m-%d}",
                since_s=window.since_s,
                until_s=window.until_s,
                rows=window.last - window.first,
                labelled=labelled,
                is_mature=is_mature,
                realised=true,
                estimated=told,
                profile=counted,
                drift=drift,
                faults=faults,
                alarmed=tuple(sorted(self._standing)),
                notes=tuple(notes),
            ),
            guess,
        )

    def _rows(self, window: Window, *, judged: bool = False) -> Rows:
        """Those with a prediction; judged: and an outcome."""
        part = slice(window.first, window.last)
        value, outcome = self._made.value[part], self._made.outcome[part]
        there = ~np.isnan(value) & (~np.isnan(outcome) if judged else True)
        names = () if self._of.asked.method == "CBPE" else self._of.inputs
        table = self._made.table.slice(window.first, window.last - window.first).filter(there)
        return Rows(value[there], told_rows.columns_of(table, names), outcome[there])

    def _outcomes(self, table: Any, value: Floats, outcome: Floats) -> Outcomes:
        cut = {name: levels(told_rows.columns_of(table, [name])[name]) for name in self._of.slices}
        is_timed = self._of.named.time in table.columns
        block = np.floor(told_rows.times_s(table, self._of.named.time) / self._blocks.width_s) if is_timed else None
        return Outcomes(self._normal.task, value, outcome, self._of.loss, self._of.asked.threshold, cut, block)

    def _realised(self, window: Window) -> Realised | None:
        part = slice(window.first, window.last)
        value, outcome = self._made.value[part], self._made.outcome[part]
        there = ~np.isnan(value) & ~np.isnan(outcome)
        if not there.any():
            return None
        table = self._made.table.slice(window.first, window.last - window.first).filter(there)
        return realised(self._outcomes(table, value[there], outcome[there]))

    def _estimating(self) -> Estimator:
        names = () if self._of.asked.method == "CBPE" else self._of.inputs
        full = [one.last - one.first for one in self._windows if one.last > one.first]
        return estimating.estimator(
            self._of.asked, self._normal.rows(names), rows_per_window=int(np.median(full)) if full else 1
        )

    def _look(self, window: Window, notes: list[str]) -> tuple[Profile | None, Drift | None]:
        """The window's counts, and what they say; an alarm of drift stands until the judge finds it over."""
        if window.first == window.last:
            return None, None
        found = self._drift.look(self._made.table.slice(window.first, window.last - window.first), window.until_s)
        notes += found.counted.notes
        if found.alarm is not None:
            self._verdicts.append(found.alarm)
            (self._standing.add if found.alarm.ruling is Ruling.FAIL else self._standing.discard)("drift")
        return found.counted, found.drift

    def _watching_faults(self) -> Faults:
        named, table = self._of.named, self._normal.table
        time = named.time if named.time in table.columns else None
        names = [*self._of.inputs, named.prediction, *([time] if time else [])]
        cells = monitored_faults.cells_of(table.select(names), prediction=named.prediction, time=time)
        normal = None
        if time is not None:
            at_s = told_rows.times_s(table, time)
            known = np.isfinite(at_s)
            normal = Sheet(table.filter(known), self._normal.value[known], at_s[known])
        made = Sheet(self._made.table, self._made.value, self._made.at_s)
        return Faults(made, normal, cells, self._of.spec, model=self._of.name, now_s=self._of.now_s)

    def _judge_faults(self, window: Window) -> tuple[Verdict, ...]:
        """What is told of its hours; one stands until its rows are as they were."""
        found = self._faults.until(window.until_s)
        self._verdicts += found
        (self._standing.add if self._faults.is_any else self._standing.discard)("fault")
        return found

    def _judge_decay(self, window: Window) -> None:
        """Told once: from then on it stands."""
        skill = self._reference.skill.value
        if skill is None or "degradation" in self._standing:
            return
        days = self._blocks.until(min(window.until_s, self._made.now_s) - self._of.horizon_s)
        if days.loss.size < 3:
            return
        spec = self._of.spec
        per_year = YEAR_S / self._blocks.width_s
        item = decay(
            reference_skill=skill,
            tolerance=spec.tolerance,
            loss=days.loss,
            base_loss=days.base,
            champions=2 * run_length(spec, "degradation", 1.0),
            days=2 * run_length(spec, "degradation", per_year),
            starts_s=(days.ends_s - days.width_s).tolist(),
            metric=self._of.loss.name,
            block="1d" if self._blocks.width_s == UNITS_S["d"] else self._of.window,
        )
        if item.ruling is Ruling.FAIL:
            self._verdicts.append(
                verdict(
                    item,
                    model=self._of.name,
                    subject=(self._of.name,),
                    rollout=None,
                    at_s=window.until_s,
                    now_s=self._of.now_s,
                )
            )
            self._standing.add("degradation")

    def _told(self, windows: tuple[MonitoredWindow, ...], verdicts: tuple[Verdict, ...]) -> str:
        judged_ = sum(one.realised is not None for one in windows)
        begun = [one for one in verdicts if one.ruling is Ruling.FAIL]
        rows = f"{self._made.at_s.size:,} predictions in {len(windows)} windows, {judged_} with outcomes that are in"
        if not begun:
            return f"Nothing is shown to be wrong: {rows}."
        causes = ", ".join(f"{one.gate.name} on {datetime.fromtimestamp(one.at_s, UTC):%Y-%m-%d}" for one in begun)
        return f"{len(begun)} alarm{'s' if len(begun) > 1 else ''} ({causes}): {rows}."


def _age(of: Setting) -> str:
    return f"{of.horizon_s / UNITS_S['d']:g} days"
