"""Cells that changed places: zeros that stand where values were missing, and codes that stand for other levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from lockgate.decide.faults import bets
from lockgate.decide.faults.fault import SURE, Fault, Found, fault, part
from lockgate.decide.faults.hour import Hour, pairs
from lockgate.decide.faults.usual import carried, highest_share
from lockgate.records.profile import ColumnProfile, Profile
from lockgate.records.usual import ColumnUsual, Usual
from lockgate.stats import tails

FEWEST_MISSING = 0.02
"""Of the reference, under which there is little that zeros could take the place of."""
FEWER = 0.25  # of its share of missing values is left, at most
RATIO, ROOM = 1.5, 0.05
"""Of the zeros that there were and of what was missing: where more are, something else made them, as an hour of one value."""
FEWEST = 30
SHOWN = 3
ZEROS, SHUFFLED = "zeros", "shuffled"


def scores(reference: ColumnProfile, now: ColumnProfile) -> dict[str, float]:
    """What the bets on either reached in this hour, as log e, or minus it."""
    found: dict[str, float] = {}
    if reference.kind == "number" and _can_be_zeros(reference):
        found[ZEROS] = float(_zero_scores(reference) @ _with_missing(now))
    if reference.kind == "category" and reference.there and now.there:
        found[SHUFFLED] = _shuffled(reference, np.array(now.facets[0].counts, dtype=np.float64))
    return found


def judged(
    reference: Profile, hour: Hour, usual: Usual, paid: Mapping[str, Mapping[str, float]], *, alpha: float
) -> Iterator[Fault]:
    """paid: by column what `scores` gave. alpha: of one test."""
    for held, now in pairs(reference, hour):
        own = paid.get(held.name, {})
        if held.role != "input" or not own or now.rows < FEWEST:
            continue
        before = usual.column(held.name)
        for name, told in ((ZEROS, _zeros), (SHUFFLED, _codes)):
            log_e = carried(before, name, own.get(name, 0.0))
            if log_e < bets.line(alpha, before.scores.get(name, 0.0)):
                continue
            if name == SHUFFLED or _were_missing(held, now, before, hour):
                yield told(held, now, hour, log_e, alpha)


def _were_missing(held: ColumnProfile, now: ColumnProfile, before: ColumnUsual, hour: Hour) -> bool:
    """Whether nearly nothing is missing any more, and no more zeros came than that accounts for."""
    missing = held.missing / held.rows
    if now.missing > FEWER * missing * now.rows:
        return False
    cell = _zero_cell(held)
    at_most = max(missing, *(highest_share(before, "missing", of_day) for of_day in hour.of_days))
    spike = tails.lowest(now.rows, now.facets[0].counts[cell], delta=SURE)
    return spike <= RATIO * (held.facets[0].counts[cell] / held.rows + at_most) + ROOM


def _zeros(held: ColumnProfile, now: ColumnProfile, hour: Hour, log_e: float, alpha: float) -> Fault:
    cell = _zero_cell(held)
    missing, spike = held.missing / held.rows, now.facets[0].counts[cell]
    usual = held.facets[0].counts[cell] / held.rows
    found = Found(
        rows=now.rows,
        bad=spike,
        bar=usual + bets.EPS,
        log_p=-log_e,
        alpha=alpha,
        method="bet on zeros for missing values",
    )
    said = (
        f"{held.name} has zeros where values were missing: {now.missing:,} of {now.rows:,} rows are missing, "
        f"{missing:.1%} of the reference's were; {part(spike, now.rows)} lie in the cell of 0, and {usual:.1%} did"
    )
    return fault("zeros", held.name, hour, found, said, fewest=FEWEST)


def _codes(held: ColumnProfile, now: ColumnProfile, hour: Hour, log_e: float, alpha: float) -> Fault:
    counts = np.array(now.facets[0].counts, dtype=np.float64)
    before = np.array(held.facets[0].counts, dtype=np.float64)
    moved = counts / counts.sum() - before / before.sum()
    levels = (*held.facets[0].levels, "the rare ones")
    farthest = [cell for cell in np.argsort(-np.abs(moved), kind="stable").tolist() if counts[cell] or before[cell]]
    shown = ", ".join(
        f"{levels[cell]} {before[cell] / before.sum():.0%} to {counts[cell] / counts.sum():.0%}"
        for cell in farthest[:SHOWN]
    )
    found = Found(
        rows=now.rows,
        bad=round(float(np.abs(moved).sum() / 2 * now.there)),
        bar=bets.EPS,
        log_p=-log_e,
        alpha=alpha,
        method="bet on the reference's shares in another order",
    )
    said = f"The levels of {held.name} look shuffled: the same shares stand at other levels ({shown}) over {now.rows:,} rows"
    return fault("shuffled", held.name, hour, found, said, fewest=FEWEST)


@lru_cache(maxsize=1024)
def _can_be_zeros(held: ColumnProfile) -> bool:
    return bool(held.there) and held.missing >= FEWEST_MISSING * held.rows


def _zero_cell(held: ColumnProfile) -> int:
    return int(np.searchsorted(held.facets[0].edges, 0.0))


def _with_missing(column: ColumnProfile) -> bets.Floats:
    """The column's cells, and those that are missing behind them."""
    return np.array([*column.facets[0].counts, column.missing], dtype=np.float64)


@lru_cache(maxsize=1024)
def _zero_scores(held: ColumnProfile) -> bets.Floats:
    before = _with_missing(held)
    changed = before / before.sum()
    changed[_zero_cell(held)] += changed[-1]
    changed[-1] = 0.0
    return bets.log_scores(before, changed)


def _shuffled(held: ColumnProfile, counts: bets.Floats) -> float:
    """Log e of the mean over all orders of the levels, from below: the orders that have the commonest level at the highest
    share, and so on down, and the levels that nobody asked about in any order; each by the C of the worst of these.
    """
    before = np.array(held.facets[0].counts, dtype=np.float64)
    shares = (before + 0.5) / (before + 0.5).sum()
    upper = _upper(held)
    order, asked = np.argsort(-counts, kind="stable"), int(np.count_nonzero(counts))
    changed = np.sort(before / before.sum())[::-1] + bets.FLOOR
    first, rest = order[:asked], order[asked:]
    rest = rest[np.argsort(-upper[rest] / (shares[rest] + bets.FLOOR), kind="stable")]
    places = np.concatenate([first, rest])
    h = changed / (shares[places] + bets.FLOOR)
    least, most = h[:asked].min(), h[:asked].max()
    if rest.size:
        least = min(least, changed[-1] / (shares[rest].max() + bets.FLOOR))
        most = max(most, changed[asked] / (shares[rest].min() + bets.FLOOR))
    mean = least + float((upper[places] * (h - least)).sum()) + bets.EPS * float(most - least)
    orders = gammaln(counts.size + 1) - gammaln(rest.size + 1)
    return float(counts[first] @ np.log(h[:asked]) - counts.sum() * np.log(min(most, mean)) - orders)


@lru_cache(maxsize=1024)
def _upper(held: ColumnProfile) -> bets.Floats:
    return tails.highest_each(held.facets[0].counts, delta=bets.DELTA)
