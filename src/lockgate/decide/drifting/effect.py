"""How far a column or a pair has moved, as numbers and in words; no evidence in itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.drifting.lines import BESIDE, Line
from lockgate.records.profile import ColumnProfile, Facet, Pair
from lockgate.stats.distance import total_variation
from lockgate.stats.score_bet import scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A movement is called one of the mean where the mean explains so much of it, and one of the spread from so much a factor.
MOSTLY, WIDER = 0.6, 1.05


class Effect(NamedTuple):
    """distance: total variation; shift: Wasserstein in standard deviations of normal scores, None without an order."""

    distance: float
    shift: float | None
    says: str


def of(item: ColumnProfile | Pair, lines: Sequence[Line], rows: Sequence[Ints], now: ColumnProfile | None) -> Effect:
    """The largest effect among an item's lines. rows: of the window, line by line; now: the column in it, for its mean."""
    if isinstance(item, Pair):
        return _pair(lines[0], rows[0])
    found = [_line(item, line, after, now) for line, after in zip(lines, rows, strict=True)]
    return max(found, key=lambda effect: effect.distance)


def _pair(line: Line, after: Ints) -> Effect:
    if not after.sum():
        return Effect(0.0, None, "no rows have both")
    before, now = float(line.reference[1] / line.reference.sum()), float(after[1] / after.sum())
    return Effect(
        abs(now - before),
        None,
        f"on the same side of their middles in {share(now)} of rows, {share(before)} before",
    )


def _line(column: ColumnProfile, line: Line, after: Ints, now: ColumnProfile | None) -> Effect:
    before = line.reference
    if not after.sum() or not before.sum():
        return Effect(0.0, None, "no rows")
    facet = next(facet for facet in column.facets if facet.name == line.facet)
    distance = total_variation(before, after)
    gap = after / after.sum() - before / before.sum()
    inside = len(facet.counts)
    beside = int(np.abs(gap[inside:]).argmax()) if gap.size > inside else -1
    shift = _shift(before[:inside], after[:inside]) if facet.is_ordered else None
    if beside >= 0 and abs(float(gap[inside + beside])) > distance / 2:
        says = _grew(BESIDE[beside], inside + beside, before, after)
    elif facet.is_ordered:
        says = _ordered(column, facet, before[:inside], after[:inside], now)
    else:
        place = int(np.abs(gap).argmax())
        says = _grew(_cell(column, facet, place), place, before, after)
    return Effect(distance, shift, says)


def _grew(what: str, place: int, before: Ints, after: Ints) -> str:
    return f"{what} in {share(after[place] / after.sum())} of rows, {share(before[place] / before.sum())} before"


def _shift(before: Ints, after: Ints) -> float:
    if not before.sum() or not after.sum():
        return 0.0
    at = scores(before)
    apart = np.abs(np.cumsum(_shares(after)) - np.cumsum(_shares(before)))[:-1]
    return float(apart @ np.diff(at))


def _ordered(column: ColumnProfile, facet: Facet, before: Ints, after: Ints, now: ColumnProfile | None) -> str:
    if not before.sum() or not after.sum():
        return "no values"
    at, was, has = scores(before), _shares(before), _shares(after)
    gap = float((has - was) @ at)
    wider = math.sqrt(_variance(has, at) / max(_variance(was, at), 1e-12))
    what = "" if facet.name == "value" else f"{facet.name} "
    if abs(gap) >= MOSTLY * _shift(before, after):
        said = f"{what}{'higher' if gap > 0 else 'lower'} by {abs(gap):.2f} sd"
    elif not 1 / WIDER < wider < WIDER:
        said = f"{what}spread {wider:.2f} times as wide"
    else:
        said = f"{what}of another shape"
    means = (column.mean, None if now is None else now.mean)
    has_means = facet.name in ("value", "lag") and None not in means
    return f"{said}, mean {means[0]:.4g} to {means[1]:.4g}" if has_means else said


def _cell(column: ColumnProfile, facet: Facet, place: int) -> str:
    if place >= len(facet.counts):
        return BESIDE[place - len(facet.counts)]
    if facet.levels:
        return repr(facet.levels[place]) if place < len(facet.levels) else "rare levels"
    if column.kind == "boolean":
        return ("false", "true")[place]
    return f"cell {place} of its {facet.name}"


def _shares(counts: Ints) -> Floats:
    found: Floats = counts / counts.sum()
    return found


def _variance(shares: Floats, at: Floats) -> float:
    mean = float(shares @ at)
    return float(shares @ (at - mean) ** 2)


def share(value: float) -> str:
    """A share as a person reads it; never a nought or a whole that it is not."""
    if 0 < value < 0.001 or 0.999 < value < 1:
        return f"{value:.3%}"
    return f"{value:.1%}"
