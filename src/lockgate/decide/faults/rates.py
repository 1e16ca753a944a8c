"""Too many rows of a column are bad in a way that can be counted: missing, infinite, unseen, late, refused; or of another
type.

A share is a fault where an exact binomial tail says that no bar explains it. The bar is the highest of what the reference's
rows allow, and of what an hour of that time of day has had without a fault, and room beside: half as much again, and ROOM.
So a share may wander, swing with the hours and the seasons, and double where it is small, and is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache

from lockgate.decide.faults.counted import Counted, bad_rows, newest_s, stands_still, strange_rows
from lockgate.decide.faults.fault import STATUS, Fault, Found, Kind, fault, part, urgency
from lockgate.decide.faults.hour import Hour, pairs
from lockgate.decide.faults.usual import PREDICTION, highest_share, name_of
from lockgate.records.duration import lasted, minute
from lockgate.records.profile import ColumnProfile, Profile
from lockgate.records.usual import ColumnUsual, Usual
from lockgate.stats import tails

DELTA = 0.01
"""The chance that a reference misleads one share; the room makes it smaller still."""
RATIO = 1.5
ROOM: Mapping[Counted, float] = {"missing": 0.05, "infinite": 0.005, "unseen": 0.005, "late": 0.05, "contract": 0.05}
NEARLY_ALL = 0.9
A_FEW = 0.05
SHOWN = 3


@lru_cache(maxsize=4096)
def _of_reference(reference: ColumnProfile, what: Counted) -> float:
    rows = reference.rows
    return tails.highest(rows, bad_rows(reference).get(what, 0), delta=DELTA) if rows else 0.0


def bar(reference: ColumnProfile | None, usual: ColumnUsual, what: Counted, hour: Hour) -> float:
    """The share of rows that may be bad in this hour and is no fault; up to 1, where nothing can be told."""
    of_reference = 0.0 if reference is None else _of_reference(reference, what)
    highest = max(of_reference, *(highest_share(usual, what, of_day) for of_day in hour.of_days))
    return min(1.0, max(highest + ROOM[what], RATIO * highest))


def judged(reference: Profile, hour: Hour, usual: Usual, *, alpha: float) -> Iterator[Fault]:
    """alpha: of one test."""
    for held, now in pairs(reference, hour):
        name = name_of(held)
        yield from _of_type(reference, held, now, hour, name)
        for what, bad in bad_rows(now).items():
            if not bad:
                continue
            highest = bar(held, usual.column(name), what, hour)
            log_p = tails.log_at_least(now.rows, bad, bar=highest)
            if log_p <= math.log(alpha):
                found = Found(
                    rows=now.rows, bad=bad, bar=highest, log_p=log_p, alpha=alpha, method="binomial tail over the bar"
                )
                yield _told(reference, held, now, hour, what, found, usual.column(name))
    yield from _refused(hour, usual, alpha)


def _of_type(reference: Profile, held: ColumnProfile, now: ColumnProfile, hour: Hour, name: str) -> Iterator[Fault]:
    """A fact: one row is enough to see it, and it draws on no budget."""
    bad, before = strange_rows(now), strange_rows(held)
    if not bad or before:
        return
    found = Found(rows=now.rows, bad=bad, bar=0.0, log_p=0.0, alpha=0.0, method="a value of another type was seen")
    yield fault(
        "type",
        name,
        hour,
        found,
        f"{name} is no {held.kind} any more in {part(bad, now.rows)}, which hold a value of another type; "
        f"none of the reference's {held.rows:,} did",
        severity=urgency(reference, held.name, breaks=bad >= A_FEW * now.rows),
    )


def _told(
    reference: Profile,
    held: ColumnProfile,
    now: ColumnProfile,
    hour: Hour,
    what: Counted,
    found: Found,
    usual: ColumnUsual,
) -> Fault:
    name = name_of(held)
    before = bad_rows(held).get(what, 0) / max(1, held.rows)
    allowed = f"{before:.2%} of the reference's, and up to {found.bar:.0%} may be"
    how = part(found.bad, found.rows)
    kind: Kind = "missing"
    is_nearly_all = found.bad >= NEARLY_ALL * found.rows
    if what == "missing":
        said = f"{name} is {'gone: ' if is_nearly_all else ''}missing in {how}; it was in {allowed}"
    elif what == "infinite":
        kind, said = "infinite", f"{name} is infinite in {how}; it was in {allowed}"
    elif what == "unseen":
        kind = "unseen"
        said = f"{name} has levels that the reference never had in {how}{_levels(hour, name)}; {allowed}"
    else:
        kind, said = _late(held, now, hour, how, usual)
    return fault(
        kind,
        name,
        hour,
        found,
        said,
        severity=urgency(reference, held.name, breaks=what == "missing" and is_nearly_all),
        fewest=_fewest(found),
    )


def _fewest(found: Found) -> int:
    """Rows in which a share as high would be seen again: half of it at least as sure."""
    needed = tails.fewest_rows(found.bar, max(found.alpha, 1e-12))
    share = found.bad / found.rows
    return found.rows if math.isinf(needed) else min(found.rows, math.ceil(needed / max(share, 0.1)))


def _levels(hour: Hour, name: str) -> str:
    seen = hour.strange.get(name, {})
    shown = sorted(seen, key=lambda level: (-seen[level], level))[:SHOWN]
    more = f" and {len(seen) - SHOWN:,} more" if len(seen) > SHOWN else ""
    return f" ({', '.join(f'{level!r} {seen[level]:,}' for level in shown)}{more})" if shown else ""


def _late(held: ColumnProfile, now: ColumnProfile, hour: Hour, how: str, usual: ColumnUsual) -> tuple[Kind, str]:
    """It is late where its newest moment goes on with the clock, and stale where that stands still over the hours."""
    lag = held.facet("lag")
    edge = lag.edges[-1] if lag is not None and lag.edges else 0.0
    mean, before = now.mean or 0.0, held.mean or 0.0
    own = newest_s(now, hour)
    is_still = stands_still(now, hour) and own is not None and usual.newest_s is not None
    if is_still and own is not None and usual.newest_s is not None and abs(own - usual.newest_s) <= 1.0:
        return "stale", (
            f"{held.name} has stood at {minute(own)} for {lasted(hour.until_s - own)}: {how} lie further than "
            f"{lasted(edge)} behind their own time, where the reference's lie {lasted(before)} behind on average"
        )
    return "late", (
        f"{held.name} comes late: {how} lie further than {lasted(edge)} behind their own time, {lasted(mean)} on average "
        f"and not {lasted(before)} as in the reference"
    )


def _refused(hour: Hour, usual: Usual, alpha: float) -> Iterator[Fault]:
    """Rows that the contract did not let in: no window holds them."""
    for name, bad in _by_most(hour.refused):
        rows = bad + hour.window.rows
        highest = bar(None, usual.column(name), "contract", hour)
        log_p = tails.log_at_least(rows, bad, bar=highest)
        if log_p > math.log(alpha):
            continue
        found = Found(rows=rows, bad=bad, bar=highest, log_p=log_p, alpha=alpha, method="binomial tail over the bar")
        yield fault(
            "contract",
            name,
            hour,
            found,
            f"The contract refused {part(bad, rows)} for {name}; up to {highest:.0%} may be",
            severity="page" if name != PREDICTION and bad >= rows / 2 else "ticket",
            following=STATUS,
            fewest=_fewest(found),
        )


def _by_most(refused: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(((name, rows) for name, rows in refused.items() if rows), key=lambda one: (-one[1], one[0]))
