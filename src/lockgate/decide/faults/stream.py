"""Faults of the stream itself: nobody calls, or every row comes twice.

Silence: as many weeks as there are say how many rows this hour of the week has had; half of the fewest are held to be due,
minute by minute, since the last row, and silence is a fault once so many should have come that none or hardly any is no
chance (Poisson).

Doubled: rows that all come twice make every count of every cell even. Given the cells behind it, a cell's count is even
with chance (1 + |1 - 2 r|^T) / 2 at most, r its share of them and T their rows, so the product over the cells of a column
bounds the chance that all are even. Every column and facet must be even; the rarest one is the evidence. Rows doubled under
the same id are one call in the log; these have ids of their own. Half a stream doubled shows in nothing but its rows, and
is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lockgate.decide.faults.fault import STATUS, Fault, Found, fault
from lockgate.decide.faults.hour import HOUR_S, Hour
from lockgate.decide.faults.usual import WEEKS
from lockgate.records.duration import lasted
from lockgate.records.profile import ColumnProfile, Facet, Profile
from lockgate.records.usual import Usual
from lockgate.stats import tails

FEWEST_WEEKS = 3
DUE = 0.5
"""Of the fewest rows that this hour of the week has had: so much less is no fault."""
LONGEST_S = 7 * 24 * HOUR_S
ODDS = 0.5  # a cell's share of the rest may be so much smaller, and its odds so much larger, than the reference has it


class Silence(NamedTuple):
    """since_s: the last row. rows: what came meanwhile; due: what was to come at the least."""

    since_s: float
    until_s: float
    rows: int
    due: float


def silence(usual: Usual, *, since_s: float, until_s: float) -> Silence | None:
    """The stretch that ends at until_s, to which traffic is known; None where no hour of it is known to be steady.

    since_s: the last call, whichever version answered it.
    """
    if until_s <= since_s:
        return None
    due = due_rows(usual, max(since_s, until_s - LONGEST_S), until_s)
    return None if not due else Silence(since_s, until_s, 0, due)


def due_rows(usual: Usual, since_s: float, until_s: float) -> float:
    """Rows that are to come between two moments, at the least."""
    found, at = 0.0, since_s
    while at < until_s:
        end_s = min(until_s, (math.floor(at / HOUR_S) + 1) * HOUR_S)
        held = usual.rows.get(int(at // HOUR_S) % 168, ())
        if len(held) >= FEWEST_WEEKS:
            found += DUE * min(held[-WEEKS:]) * (end_s - at) / HOUR_S
        at = end_s
    return found


def silent(reference: Profile, usual: Usual, *, since_s: float, until_s: float, alpha: float) -> Fault | None:
    """since_s: the last call; until_s: up to when calls are known. alpha: of one look."""
    found = silence(usual, since_s=since_s, until_s=until_s)
    if found is None:
        return None
    log_p = tails.log_at_most_poisson(found.rows, expected=found.due)
    if log_p > math.log(alpha):
        return None
    empty = Hour(found.since_s, _empty(reference, found))
    said = (
        f"No call has come for {lasted(until_s - found.since_s)}: {found.due:,.0f} or more were due by the fewest of the "
        f"last {WEEKS} weeks at these hours, halved"
    )
    seen = Found(
        rows=0,
        bad=0,
        bar=found.due,
        log_p=log_p,
        alpha=alpha,
        method="Poisson tail under half of the fewest",
        guarantee="calibrated",
    )
    return fault("silent", "", empty, seen, said, severity="page", following=STATUS)


def doubled(reference: Profile, hour: Hour, *, alpha: float) -> Fault | None:
    """alpha: of one look."""
    window = hour.window
    if window.rows < 2 or not _is_even(window):
        return None
    by_column = [(_log_even(held, now), now.name) for held, now in zip(reference.columns, window.columns, strict=True)]
    log_p, name = min(by_column)
    if log_p + math.log(len(by_column)) > math.log(alpha):
        return None
    found = Found(
        rows=window.rows,
        bad=window.rows // 2,
        bar=0.5,
        log_p=log_p + math.log(len(by_column)),
        alpha=alpha,
        method="all counts even by chance",
    )
    cells = sum(len(facet.counts) for column in window.columns for facet in column.facets)
    said = (
        f"Every row comes twice: {window.rows:,} rows, and each of {cells:,} counts over {len(window.columns):,} columns is "
        f"even, which chance does at most once in {math.exp(min(600.0, -log_p)):.1g} ({name} alone)"
    )
    return fault("doubled", "", hour, found, said, following=STATUS, fewest=2)


def _empty(reference: Profile, found: Silence) -> Profile:
    """An hour without rows, for its times alone."""
    return Profile(rows=0, columns=(), time=reference.time, since_s=found.since_s, until_s=found.until_s)


def _is_even(window: Profile) -> bool:
    columns = all(not rows % 2 for column in window.columns for rows in (*column.absent, *_all_counts(column.facets)))
    return columns and not any(rows % 2 for pair in window.pairs for rows in pair.counts)


def _all_counts(facets: Sequence[Facet]) -> Iterator[int]:
    for facet in facets:
        yield from facet.counts


def _log_even(held: ColumnProfile, now: ColumnProfile) -> float:
    """Natural log of the chance at most that all cells of the column's best facet are even, if their sum is."""
    return min(
        _log_even_cells(mine.counts, theirs.counts) for mine, theirs in zip(held.facets, now.facets, strict=True)
    )


def _log_even_cells(before: Sequence[int], counts: Sequence[int]) -> float:
    """The largest cells of the reference last, so that what is left of the rows stays large for long."""
    shares = (np.array(before, dtype=np.float64) + 0.5) / (sum(before) + 0.5 * len(before))
    order = np.argsort(shares, kind="stable")
    own, rows = shares[order], np.array(counts, dtype=np.float64)[order]
    left, rest = np.cumsum(own[::-1])[::-1], np.cumsum(rows[::-1])[::-1]
    among = np.clip(own / left, 0.0, 1.0)
    worst = np.maximum(np.abs(1 - 2 * ODDS * among), np.abs(1 - 2 * np.minimum(1.0, among / ODDS)))
    chance = (1 + worst[:-1] ** rest[:-1]) / 2
    return float(np.log(chance).sum())
