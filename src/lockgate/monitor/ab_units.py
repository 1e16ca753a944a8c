"""An A/B's units: who came first when, by which arm, what they did within their window; folded once they have matured.

A unit is exposed by its first call, belongs to the arm that answered it whatever comes later (intention to treat), and
counts once, with one value a metric: the sum of what was told of it within its window, nothing told being 0, or the mean of
its calls' own outcomes. Units are folded in canonical order, by first call and name, a minute of maturing at a time, behind
the watermark: so the sums at each minute's end are the same however the log came and whenever somebody looked.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from lockgate.decide.ab import stretches
from lockgate.decide.ab_result import Key, cells_of, metrics, spec_of
from lockgate.decide.assign import among
from lockgate.records import AbState, Contract, Outcome, Prediction, Rollout
from lockgate.records.ab import CHAMPION_SCORE, OUTCOME, UnitCell
from lockgate.records.prediction import LogEntry
from lockgate.records.unit_outcome import is_of_unit, of_unit
from lockgate.stats.summary import PairSummary, after_pair

MINUTE_S = 60.0
LEVELS = 50
OTHER = "(other)"
"""The levels of a slice's column beyond so many, together."""


class Unit(msgspec.Struct):
    """One unit that has not matured. calls: its calls' ids and when they were asked, where their outcomes are wanted."""

    first: tuple[float, str]
    version: str
    share: float
    covariate: float | None
    levels: tuple[str, ...]
    calls: dict[str, float] = {}


class Units:
    """One A/B's. `held`: where an earlier process left it; the log is read again from its start then, and what was folded is
    passed over. contract: of the rows as the log has them, for the covariate and the slices.
    """

    def __init__(self, rollout: Rollout, contract: Contract, held: AbState | None) -> None:
        self._rollout, self._spec = rollout, spec_of(rollout)
        names = [column.name for column in contract.asked]
        self._width = len(names)
        covariate = self._spec.covariate
        self._covariate = None if covariate in (None, CHAMPION_SCORE) else names.index(str(covariate))
        self._slices = [(column, names.index(column)) for column in self._spec.slices]
        self._metrics = metrics(rollout)
        self._stretches = stretches(rollout)
        self._waiting: dict[str, Unit] = {}
        self._queue: list[tuple[float, str]] = []
        self._folded: set[str] = set()
        self._has_caught_up = False
        self._told: dict[str, dict[str, Outcome]] = defaultdict(dict)  # by unit, by the outcome's id
        self._of_calls: dict[str, Outcome] = {}
        self._scores: dict[str, float] = {}
        self._levels: dict[str, set[str]] = defaultdict(set)
        state = held or AbState(rollout=rollout.id, model=rollout.model)
        self.cells: dict[Key, PairSummary] = cells_of(state.cells)
        for _, _, _, column, level in self.cells:
            self._levels[column].add(level)
        self._after = None if state.after_s is None else (state.after_s, state.after_id)
        self.until_s, self.uncovered = state.until_s, state.uncovered
        self._late_before = state.late
        # Units folded with a value of the metric that decides.
        self.counted = sum(
            s.n for (_, _, metric, column, _), s in self.cells.items() if metric == self._spec.metric and not column
        )
        self._late: set[str] = set()
        # Counted anew, for the log is read anew.
        self.exposed: dict[tuple[float, str], int] = defaultdict(int)
        self._astray: set[str] = set()

    @property
    def astray(self) -> int:
        """Units that another version answered than their lot says."""
        return len(self._astray)

    @property
    def late(self) -> int:
        return self._late_before + len(self._late)

    def take(self, rollout: Rollout, entries: Iterable[LogEntry]) -> None:
        """More of the log, in any order. rollout: as it stands now, for the arms that have ended."""
        self._rollout, self._stretches = rollout, stretches(rollout)
        for entry in entries:
            if isinstance(entry, Prediction):
                if entry.rollout == rollout.id:
                    self._take_call(entry)
            elif isinstance(entry, Outcome):
                self._take_outcome(entry)
            elif entry.rollout == rollout.id and entry.value is not None:
                self._scores.setdefault(entry.id, entry.value)
        self._has_caught_up = True

    def minutes(self, watermark_s: float) -> Iterator[float]:
        """Fold what has matured, and give the end of each minute in which something has, event time."""
        matured_s = self._spec.matured_s
        while self._queue and self._minute(self._queue[0]) <= watermark_s:
            end_s = self._minute(self._queue[0])
            is_any = False
            while self._queue and self._queue[0][0] + matured_s < end_s:
                first_s, name = heapq.heappop(self._queue)
                unit = self._waiting.get(name)
                if unit is not None and unit.first[0] == first_s:  # else an earlier call came in later
                    self._fold(name, unit)
                    is_any = True
            self.until_s = end_s
            if is_any:
                yield end_s

    def state_cells(self) -> tuple[UnitCell, ...]:
        return tuple(
            UnitCell(share=share, version=version, metric=metric, column=column, level=level, sums=sums)
            for (share, version, metric, column, level), sums in self.cells.items()
        )

    @property
    def after(self) -> tuple[float, str] | None:
        """The last unit folded."""
        return self._after

    def forget(self, watermark_s: float) -> None:
        """What was told of units that never called, so long ago that they would have matured."""
        before_s = watermark_s - self._spec.matured_s - MINUTE_S
        for name in [name for name in self._told if name not in self._waiting]:
            if name in self._folded or all(o.at_s < before_s for o in self._told[name].values()):
                del self._told[name]

    def _minute(self, queued: tuple[float, str]) -> float:
        return (math.floor((queued[0] + self._spec.matured_s) / MINUTE_S) + 1) * MINUTE_S

    def _take_call(self, call: Prediction) -> None:
        self._check_lot(call)
        if call.unit in self._folded:
            return
        first = (call.asked_s, call.id)
        unit = self._waiting.get(call.unit)
        if unit is None:
            if self._after is not None and (call.asked_s, call.unit) <= self._after:
                self._pass_over(call)
                return
            self.exposed[call.share, call.version] += 1
            unit = self._waiting[call.unit] = self._unit(call, first)
            heapq.heappush(self._queue, (call.asked_s, call.unit))
        elif first < unit.first:
            self.exposed[unit.share, unit.version] -= 1
            self.exposed[call.share, call.version] += 1
            calls = unit.calls
            unit = self._waiting[call.unit] = self._unit(call, first)
            unit.calls = calls
            heapq.heappush(self._queue, (call.asked_s, call.unit))
        if OUTCOME in self._metrics:
            unit.calls[call.id] = call.asked_s

    def _pass_over(self, call: Prediction) -> None:
        """Folded by an earlier process, or too late to be: either way it counts no more here, but for the sample ratio."""
        self.exposed[call.share, call.version] += 1
        if (
            self._has_caught_up
        ):  # after a restart the log is read again, and what was folded comes first: it is not late
            self._late.add(call.unit)
        self._folded.add(call.unit)
        self._told.pop(call.unit, None)

    def _unit(self, call: Prediction, first: tuple[float, str]) -> Unit:
        # Where contracts differ, a row holds more: the champion's columns come first all the same.
        fits = len(call.inputs) >= self._width
        levels = tuple(_level(call.inputs[at]) if fits else OTHER for _, at in self._slices)
        covariate: float | None = None
        if self._covariate is not None and fits:
            found = call.inputs[self._covariate]
            covariate = float(found) if isinstance(found, int | float) else None
        elif self._spec.covariate == CHAMPION_SCORE and call.version == self._rollout.champion and call.failure is None:
            covariate = call.value
        return Unit(first, call.version, call.share, covariate, levels, {})

    def _check_lot(self, call: Prediction) -> None:
        live = self._stretches.get(call.share)
        own = None if live is None else among(self._rollout.id, call.unit, live) or self._rollout.champion
        if own != call.version:
            self._astray.add(call.unit)

    def _take_outcome(self, outcome: Outcome) -> None:
        if is_of_unit(outcome.id):
            unit, metric = of_unit(outcome)
            if metric in self._metrics and unit not in self._folded:
                held = self._told[unit].get(outcome.id)
                if held is None or outcome.received_s >= held.received_s:
                    self._told[unit][outcome.id] = outcome
        elif OUTCOME in self._metrics:
            known = self._of_calls.get(outcome.id)
            if known is None or outcome.received_s >= known.received_s:
                self._of_calls[outcome.id] = outcome

    def _fold(self, name: str, unit: Unit) -> None:
        del self._waiting[name]
        self._folded.add(name)
        self._after = (unit.first[0], name)
        values = self._values(name, unit)
        x = self._covariate_of(unit)
        for metric, value in values.items():
            if value is None:
                continue
            self._add((unit.share, unit.version, metric, "", ""), value, x)
            if metric == self._spec.metric:
                self.counted += 1
                for (column, _), level in zip(self._slices, unit.levels, strict=True):
                    self._add((unit.share, unit.version, metric, column, self._known(column, level)), value, x)

    def _values(self, name: str, unit: Unit) -> dict[str, float | None]:
        """By metric; None where a unit's calls have no outcome: it is left out."""
        since_s, until_s = unit.first[0], unit.first[0] + self._spec.window_s
        sums: dict[str, float | None] = {}
        told = self._told.pop(name, {})
        for metric in self._metrics:
            if metric == OUTCOME:
                sums[metric] = self._mean_of_calls(unit, until_s)
                continue
            own = [o for o in told.values() if of_unit(o).metric == metric and since_s <= o.at_s < until_s]
            sums[metric] = math.fsum(o.value for o in own)
        cap, primary = self._spec.cap, self._spec.metric
        if cap is not None and primary is not None and (value := sums[primary]) is not None:
            sums[primary] = min(cap, max(-cap, value))
        return sums

    def _mean_of_calls(self, unit: Unit, until_s: float) -> float | None:
        found = [
            outcome.value
            for call, asked_s in unit.calls.items()
            if (outcome := self._of_calls.pop(call, None)) is not None and asked_s < until_s
        ]
        return math.fsum(found) / len(found) if found else None

    def _covariate_of(self, unit: Unit) -> float:
        """The unit's covariate; where it has none, the mean of those before it, which says nothing of its arm."""
        if self._spec.covariate is None:
            return 0.0
        score = self._scores.pop(unit.first[1], None)
        x = score if unit.covariate is None else unit.covariate
        if x is not None and math.isfinite(x):
            return x
        self.uncovered += 1
        known = [s for (_, _, metric, column, _), s in self.cells.items() if metric == self._spec.metric and not column]
        n = sum(s.n for s in known)
        return math.fsum(s.n * s.mean[1] for s in known) / n if n else 0.0

    def _known(self, column: str, level: str) -> str:
        levels = self._levels[column]
        if level in levels or len(levels) < LEVELS:
            levels.add(level)
            return level
        return OTHER

    def _add(self, key: Key, value: float, covariate: float) -> None:
        self.cells[key] = after_pair(self.cells.get(key, PairSummary()), value, covariate)


def _level(value: object) -> str:
    return "(missing)" if value is None else str(value)
