"""All faults of one hour, at one alpha for each test, so that the budget of false alarms holds over a year of looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgate.decide.alarm_budget import run_length
from lockgate.decide.faults import cells, rates, stream, stuck, units
from lockgate.decide.faults.counted import bad_rows
from lockgate.decide.faults.fault import Fault, heard
from lockgate.decide.faults.hour import Hour, pairs
from lockgate.decide.faults.usual import name_of
from lockgate.records import MonitorSpec
from lockgate.records.profile import Profile, refuse_other_cells
from lockgate.records.usual import Usual

HOURS_PER_YEAR = 365.0 * 24
LOOKS_PER_YEAR = 60 * HOURS_PER_YEAR
"""One a minute: windows are shipped by the minute."""
WHOLE_STREAM = 2  # tests of no column: silence, doubled rows
BESIDE = 3  # tests of a column that count nothing: unit, stuck, cells that changed places
Paid = Mapping[str, Mapping[str, float]]


def tests(reference: Profile) -> int:
    """How many tests that can be wrong one look holds at the most; a refusing contract is one a column more."""
    return WHOLE_STREAM + sum(len(bad_rows(column)) + BESIDE + 1 for column in reference.columns)


def alpha_of(spec: MonitorSpec, reference: Profile, *, looks_per_year: float = LOOKS_PER_YEAR) -> float:
    """Of one test in one look: the union over tests and looks of a year is the share of the budget. Raises SpecError."""
    return 1 / run_length(spec, "fault", looks_per_year * tests(reference))


def scores(reference: Profile, hour: Hour) -> dict[str, dict[str, float]]:
    """By column what the hour's bets paid, as log e; what `usual.learnt` and `faults` take. Raises SpecError where the hour
    was counted over other cells.
    """
    refuse_other_cells(reference, hour.window)
    found: dict[str, dict[str, float]] = {}
    for held, now in pairs(reference, hour):
        if held.role != "input":
            continue
        paid = units.scores(held, now) | cells.scores(held, now)
        if paid:
            found[name_of(held)] = paid
    return found


def faults(
    reference: Profile,
    hour: Hour,
    usual: Usual,
    *,
    alpha: float,
    per_hour: float = 1.0,
    paid: Paid | None = None,
    stretch: Hour | None = None,
) -> tuple[Fault, ...]:
    """What is wrong with the rows of this hour, the gravest first; silence is judged by `stream.silent`.

    alpha: of one test in one look. per_hour: looks at an hour while it grows; bets are worth their alpha over all of them
    together (Ville). paid: what `scores` gives. stretch: the hour and some before it, where it has too few rows alone to
    count shares. Raises SpecError where the hour was counted over other cells.
    """
    own = scores(reference, hour) if paid is None else paid
    longer = hour if stretch is None else stretch
    twice = stream.doubled(reference, longer, alpha=alpha)
    found = [
        *rates.judged(reference, longer, usual, alpha=alpha),
        *units.judged(reference, hour, usual, own, alpha=per_hour * alpha),
        *stuck.judged(reference, hour, usual, alpha=alpha),
        *cells.judged(reference, hour, usual, own, alpha=per_hour * alpha),
        *([] if twice is None else [twice]),
    ]
    told = [heard(one, reference) for one in _plain(found)]
    return tuple(sorted(told, key=lambda one: (one.severity != "page", one.about)))


def _plain(found: Iterable[Fault]) -> list[Fault]:
    """One word for one thing: of a column that is gone, or of another type, nothing else is said."""
    listed = list(found)
    gone = {one.column for one in listed if one.kind in ("missing", "type")}
    return [one for one in listed if one.kind in ("missing", "type", "contract") or one.column not in gone]
