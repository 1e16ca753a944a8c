"""What a champion's hours are like before its first call: those of its own table, and those of the champion before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from lockgate.decide.faults import look
from lockgate.decide.faults.fault import Fault
from lockgate.decide.faults.hour import HOUR_S, Hour
from lockgate.decide.faults.usual import PREDICTION, Broken, learnt
from lockgate.records.profile import Profile
from lockgate.records.usual import ColumnUsual, Usual

WARM_UP_S: Final = 14 * 24 * HOUR_S
"""From then on an hour at fault raises no bar; before, nobody knows what one is."""


def habits(reference: Profile, hours: Iterable[Hour], *, alpha: float) -> Usual:
    """Of hours that are over, of which nobody is told. alpha: of one test in one look.

    Raises SpecError where one was counted over other cells than the reference.
    """
    found = Usual()
    per_hour = look.LOOKS_PER_YEAR / look.HOURS_PER_YEAR
    for hour in sorted(hours, key=lambda one: one.start_s):
        paid = look.scores(reference, hour)
        is_warm = found.since_s is not None and hour.start_s - found.since_s >= WARM_UP_S
        faults = look.faults(reference, hour, found, alpha=alpha, per_hour=per_hour, paid=paid) if is_warm else ()
        found = learnt(found, hour, paid, broken(faults))
    return found


def begun(of_table: Usual) -> Usual:
    """What the first call is held against. How many rows a table has says nothing of traffic, and what its last hours were
    goes on in no call.
    """
    columns = {name: _ended(own) for name, own in of_table.columns.items()}
    return Usual(columns=columns)


def succeeded(before: Usual, of_table: Usual) -> Usual:
    """Another champion: its cells and answers are others, and its inputs are what they were; its own table has shown what
    they may be too.
    """
    kept = {name: own for name, own in before.columns.items() if name != PREDICTION}
    names = dict.fromkeys((*kept, *of_table.columns))
    return msgspec.structs.replace(
        before, columns={name: _both(kept.get(name), _ended(of_table.column(name))) for name in names}
    )


def broken(found: Iterable[Fault]) -> Broken:
    """By column, of what kinds."""
    by_column: dict[str, set[str]] = {}
    for one in found:
        by_column.setdefault(one.column, set()).add(one.kind)
    return {column: frozenset(kinds) for column, kinds in by_column.items()}


def _ended(own: ColumnUsual) -> ColumnUsual:
    return msgspec.structs.replace(
        own,
        carried={},
        value=None,
        run=0,
        run_since_s=None,
        is_stuck=False,
        longest=own.longest if own.is_stuck else max(own.longest, own.run),
        means=(),
        newest_s=None,
    )


def _both(live: ColumnUsual | None, own: ColumnUsual) -> ColumnUsual:
    """The live hours go on; the higher bar of both counts. Bets are on the own cells alone."""
    if live is None:
        return own
    first, second, third = (max(pair) for pair in zip(live.step, own.step, strict=True))
    return msgspec.structs.replace(
        live,
        hours=max(live.hours, own.hours),
        shares=_higher(live, own),
        scores=own.scores,
        carried={},
        longest=max(live.longest, own.longest),
        step=(first, second, third),
        steps=max(live.steps, own.steps),
    )


def _higher(live: ColumnUsual, own: ColumnUsual) -> dict[str, dict[int, tuple[float, float]]]:
    """Days may be the same in both, so that no two of them are counted as two."""
    found = dict(live.shares)
    for what, by_hour in own.shares.items():
        held = found.get(what, {})
        found[what] = held | {
            of_day: (max(pair[0], held.get(of_day, pair)[0]), max(pair[1], held.get(of_day, pair)[1]))
            for of_day, pair in by_hour.items()
        }
    return found
