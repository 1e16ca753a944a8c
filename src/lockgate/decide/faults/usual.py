"""(what the hours have been like, one more hour) -> what they have been like. Nothing is forgotten but a month of rows.

Rows of one hour hang together: a station is silent for all of them, a morning has no delays yet. No reference of rows shows
that, and every test that takes rows for independent is wrong about it. So what hours were without a fault raises the bar: a
share is a fault only above the highest that hours of that time of day have had on two days (one day may be the beginning of
a fault), a run of one value only when twice as long as the longest, a jump only when twice as far as any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lockgate.decide.faults.counted import alike_rows, bad_rows, newest_s, only_value, sure_mean
from lockgate.decide.faults.hour import HOUR_S, Hour
from lockgate.records.profile import ColumnProfile
from lockgate.records.usual import ColumnUsual, Usual
from lockgate.stats import tails

WEEKS = 4
STEP_HOURS = 3
SURE = 0.05
"""An hour's share counts as the least it may have been, but for this chance: few rows raise no bar."""
NEIGHBOURS = (-1, 0, 1)  # hours of the day that are like this one, as clocks change and schedules shift
PREDICTION = "the prediction"
ALIKE = "alike"  # in the fullest cell: what is learnt of it beside the shares that are faults
CARRIED = frozenset({"zeros", "shuffled"})
BETS = frozenset({"unit", "zeros", "shuffled"})
"""Faults that are bet on. CARRIED go on from hour to hour (a Page sum in logs, whose run length to a false alarm is 1 / alpha
hours or more); a unit shows in one.
"""
_NEVER = (0.0, 0.0)

Broken = Mapping[str, frozenset[str]]
"""By column, its faults in the hour."""


def name_of(column: ColumnProfile) -> str:
    return column.name if column.role == "input" else PREDICTION


def highest_share(usual: ColumnUsual, what: str, of_day: int) -> float:
    """That hours of about this time of day were sure to have had on two days, without a fault; 0 where they were not."""
    held = usual.shares.get(what, {})
    return max(held.get((of_day + step) % 24, _NEVER)[1] for step in NEIGHBOURS)


def running(usual: ColumnUsual, column: ColumnProfile) -> int:
    """Rows in a row that all had the value which this hour's all have; 0 where its own differ."""
    value = only_value(column)
    if value is None:
        return 0
    return column.there + (usual.run if usual.value == value else 0)


def learnt(usual: Usual, hour: Hour, scores: Mapping[str, Mapping[str, float]], broken: Broken) -> Usual:
    """One more hour, which is over; hours come in order, and one that came before is passed over.

    scores: by column and bet what the hour's bets paid; broken: what raises no bar, for it was a fault.
    """
    if usual.until_s is not None and hour.start_s < usual.until_s:
        return usual
    columns = dict(usual.columns)
    for column in hour.window.columns:
        name = name_of(column)
        columns[name] = _column(usual.column(name), column, hour, scores.get(name, {}), broken.get(name, frozenset()))
    for name, rows in hour.refused.items():
        if "contract" not in broken.get(name, ()):
            held = columns.get(name, ColumnUsual())
            columns[name] = _raised(held, "contract", rows + hour.window.rows, rows, hour)
    return Usual(
        columns=columns,
        rows=_rows(usual, hour) if "silent" not in broken.get("", ()) else usual.rows,
        since_s=hour.start_s if usual.since_s is None else usual.since_s,
        until_s=hour.end_s,
    )


def _column(
    usual: ColumnUsual, column: ColumnProfile, hour: Hour, scores: Mapping[str, float], broken: frozenset[str]
) -> ColumnUsual:
    found = usual
    if column.rows:
        for what, rows in bad_rows(column).items():
            if what not in broken and not (what == "late" and "stale" in broken):
                found = _raised(found, what, column.rows, rows, hour)
        if not broken & {"stuck", "constant"}:
            found = _raised(found, ALIKE, column.rows, alike_rows(column), hour)
        found = msgspec.structs.replace(found, hours=found.hours + (not broken))
        found = found if broken & BETS else _paid(found, scores)
    found = msgspec.structs.replace(found, **_run(found, column, hour, is_fault=bool(broken & {"stuck", "constant"})))
    newest = newest_s(column, hour)
    if newest is not None:
        found = msgspec.structs.replace(found, newest_s=newest)
    if broken & {"unit", "type"}:
        # What it was before stands for as long as the fault lasts: every hour of it is held against that.
        return msgspec.structs.replace(found, means=_moved_on(found, hour))
    return _stepped(found, column, hour)


def _raised(usual: ColumnUsual, what: str, rows: int, bad: int, hour: Hour) -> ColumnUsual:
    if not bad:
        return usual
    held = usual.shares.get(what, {})
    before = held.get(hour.of_day, _NEVER)
    if bad / rows <= before[1]:  # what is sure of it is less still
        return usual
    first, second, _ = sorted((*before, tails.lowest(rows, bad, delta=SURE)), reverse=True)
    return msgspec.structs.replace(usual, shares=usual.shares | {what: held | {hour.of_day: (first, second)}})


def _run(usual: ColumnUsual, column: ColumnProfile, hour: Hour, *, is_fault: bool) -> dict[str, Any]:
    if not column.there:
        return {}
    value, run = only_value(column), running(usual, column)
    since_s = usual.run_since_s if value is not None and value == usual.value else hour.since_s
    goes_on = value is not None and value == usual.value
    # A run counts once it has ended: few rows an hour would each time raise the bar that they have to pass.
    longest = usual.longest if goes_on or usual.is_stuck else max(usual.longest, usual.run)
    return {
        "value": value,
        "run": run,
        "run_since_s": None if value is None else since_s,
        "longest": longest,
        "is_stuck": is_fault or (goes_on and usual.is_stuck),
    }


def _stepped(usual: ColumnUsual, column: ColumnProfile, hour: Hour) -> ColumnUsual:
    mean = sure_mean(column)
    if mean is None:
        return usual
    steps = list(usual.step)
    for lag, before in recent_means(usual, hour):
        steps[lag - 1] = max(steps[lag - 1], abs(mean - before))
    last = tuple(one for one in usual.means if one[0] < hour.start_s)[1 - STEP_HOURS :]
    return msgspec.structs.replace(
        usual, means=(*last, (hour.start_s, mean)), step=tuple(steps), steps=usual.steps + bool(last)
    )


def _moved_on(usual: ColumnUsual, hour: Hour) -> tuple[tuple[float, float], ...]:
    by_s = 0.0 if not usual.means else hour.start_s - usual.means[-1][0]
    return tuple((start_s + by_s, mean) for start_s, mean in usual.means)


def _paid(usual: ColumnUsual, scores: Mapping[str, float]) -> ColumnUsual:
    totals = {name: carried(usual, name, log_e) for name, log_e in scores.items()}
    highest = usual.scores | {name: max(one, usual.scores.get(name, one)) for name, one in totals.items() if one > 0}
    on = {name: one for name, one in totals.items() if one > 0 and name in CARRIED}
    return msgspec.structs.replace(usual, scores=highest, carried=on)


def carried(usual: ColumnUsual, name: str, log_e: float) -> float:
    """What a bet has paid since it last had nothing: over the hours together where hours are bet on one after the other."""
    return log_e + usual.carried.get(name, 0.0)


def recent_means(usual: ColumnUsual, hour: Hour) -> list[tuple[int, float]]:
    """(hours ago, mean) of the hours just before, three at the most."""
    lags = [(round((hour.start_s - start_s) / HOUR_S), mean) for start_s, mean in usual.means]
    return [(lag, mean) for lag, mean in lags if 1 <= lag <= STEP_HOURS]


def _rows(usual: Usual, hour: Hour) -> dict[int, tuple[int, ...]]:
    """The hours that nobody called in since the last one had no rows."""
    found = dict(usual.rows)
    start_s = hour.start_s if usual.until_s is None else max(usual.until_s, hour.start_s - WEEKS * 7 * 24 * HOUR_S)
    while start_s < hour.start_s:
        of_week = int(start_s // HOUR_S) % 168
        found[of_week] = (*found.get(of_week, ()), 0)[-WEEKS:]
        start_s += HOUR_S
    found[hour.of_week] = (*found.get(hour.of_week, ()), hour.window.rows)[-WEEKS:]
    return found
