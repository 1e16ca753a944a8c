"""Hard faults in a table of predictions: its hours, one after the other, as the loop judges those of a champion's calls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.faults import look
from lockgate.decide.faults.habits import begun, habits
from lockgate.decide.faults.hour import HOUR_S, Hour, without_pairs
from lockgate.features.columns import Columns
from lockgate.features.profiles import columns as counting
from lockgate.features.profiles import table as profiles
from lockgate.monitor.fault_turn import DAY_S, FaultTurn, Terms
from lockgate.monitor.last_call import Heard
from lockgate.records import AlarmLife, MonitorSpec, Profile, Verdict
from lockgate.records.usual import Shown
from lockgate.workspace.told_rows import columns_of

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]


class Sheet(NamedTuple):
    """Rows in the order of time. value: what was predicted; at_s: when it was asked; shape (n,)."""

    table: pl.DataFrame
    value: Floats
    at_s: Floats


class _Hours:
    """The hours of a sheet that have rows, each counted when it is asked for."""

    def __init__(self, of: Sheet, cells: Profile) -> None:
        self._of, self._cells = of, cells
        self._names = [column.name for column in cells.columns if column.role == "input"]
        starts, first = np.unique(np.floor(of.at_s / HOUR_S), return_index=True)
        self.starts_s: list[float] = (starts * HOUR_S).tolist()
        self._ends: list[int] = [*first.tolist(), of.at_s.size]

    @cached_property
    def _columns(self) -> Columns:
        return columns_of(self._of.table, self._names)

    def hour(self, place: int) -> Hour:
        own = slice(self._ends[place], self._ends[place + 1])
        rows = {name: values[own] for name, values in self._columns.items()}
        return Hour(self.starts_s[place], counting.window(rows, self._cells, predictions=self._of.value[own]))

    def __iter__(self) -> Iterator[Hour]:
        return map(self.hour, range(len(self.starts_s)))


class Faults:
    """Every hour with rows is looked at once, when it is over. What is usual is told by the reference's own hours, where its
    rows have times, and from then on by those that have gone by.
    """

    def __init__(
        self, made: Sheet, normal: Sheet | None, cells: Profile, spec: MonitorSpec, *, model: str, now_s: float
    ) -> None:
        """cells: the reference, counted as `cells_of` does; normal: its rows, None without times."""
        own = without_pairs(cells)
        alpha = look.alpha_of(spec, own, looks_per_year=look.HOURS_PER_YEAR)
        self._terms = Terms(model=model, version="", reference=own, alpha=alpha, per_hour=1.0)
        self._now_s = now_s
        self._usual = begun(habits(own, () if normal is None else _Hours(normal, own), alpha=alpha))
        self._hours, self._place = _Hours(made, own), 0
        self._gone: list[Hour] = []
        self._open: tuple[AlarmLife, ...] = ()
        self._shown: dict[str, Shown] = {}

    @property
    def is_any(self) -> bool:
        """Whether a fault stands."""
        return bool(self._open)

    def until(self, until_s: float) -> tuple[Verdict, ...]:
        """What the hours told that begin before it, and were not told before; notes, which wake nobody, left out."""
        found: list[Verdict] = []
        while self._place < len(self._hours.starts_s) and self._hours.starts_s[self._place] < until_s:
            found += self._judge(self._hours.hour(self._place))
            self._place += 1
        return tuple(found)

    def _judge(self, hour: Hour) -> list[Verdict]:
        before = self._gone[-1] if self._gone else None
        self._gone = [one for one in self._gone if one.start_s > hour.start_s - DAY_S] + [hour]
        turn = FaultTurn(self._terms, self._usual, self._shown, self._open, now_s=self._now_s)
        if before is not None:
            turn.listen(Heard(before.until_s, hour.since_s))
        turn.judge(self._gone, whole_until_s=math.inf)
        self._usual, self._shown, self._open = turn.usual, turn.shown, turn.lives
        told = {alarm.verdict for alarm in turn.alarms if alarm.severity != "note"}
        return [one for one in turn.verdicts if one.id in told]


def cells_of(table: pl.DataFrame, *, prediction: str, time: str | None) -> Profile:
    """The reference in the cells by which hours are counted. time: its column, None where it has none."""
    return profiles.reference(profiles.in_memory(table), profiles.Asked(prediction=prediction, time=time))
