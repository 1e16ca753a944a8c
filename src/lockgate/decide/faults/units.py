"""A number in another unit: the whole column is an affine map of what it was, and the map is one that people know.

Two ways to see it. By the reference, for columns whose rows differ within an hour: bets on the reference's cells as each
known conversion would fill them, and mean and spread where it puts them. By the hours before, for columns whose rows of an
hour are alike (weather, rates): a jump twice as far as any was, that lands where a conversion puts it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lockgate.decide.faults import bets
from lockgate.decide.faults.conversions import CONVERSIONS, Conversion
from lockgate.decide.faults.counted import only_value, sure_mean
from lockgate.decide.faults.fault import Fault, Found, fault
from lockgate.decide.faults.hour import Hour, pairs
from lockgate.decide.faults.usual import name_of, recent_means
from lockgate.records.profile import FINER, ColumnProfile, Profile
from lockgate.records.usual import ColumnUsual, Usual

FEWEST = 30
FEWEST_STEPS = 48
NEAR = 0.5  # standard deviations of the reference, as converted
SPREADS = (0.6, 1.6)
FARTHER = 2.0
CLOSER = 0.25  # of the jump
SHOWN = 2
FINEST = 16.0
SLOWLY = 0.5  # of the farthest jump that an hour or three made
ALIKE = 5.0  # nats by which two conversions are not told apart
_KNOWN = {one.name: one for one in CONVERSIONS}
_NAMES = tuple(_KNOWN)
_PLACE = {name: place for place, name in enumerate(_NAMES)}


def scores(reference: ColumnProfile, now: ColumnProfile) -> dict[str, float]:
    """By conversion the log e of its bet in this hour, of those that paid."""
    own = _bets(reference)
    if own is None or not now.there:
        return {}
    log_e = own @ np.array(now.facets[0].counts, dtype=np.float64) - math.log(len(_NAMES))
    return {_NAMES[place]: float(log_e[place]) for place in np.flatnonzero(log_e > 0).tolist()}


def judged(
    reference: Profile, hour: Hour, usual: Usual, paid: Mapping[str, Mapping[str, float]], *, alpha: float
) -> Iterator[Fault]:
    """paid: by column what `scores` gave. alpha: of one test."""
    for held, now in pairs(reference, hour):
        if held.kind != "number" or held.role != "input":
            continue
        own = usual.column(name_of(held))
        found = _by_reference(held, now, hour, own, paid.get(held.name, {}), alpha) or _by_jump(held, now, hour, own)
        if found is not None:
            yield found


def _by_reference(
    held: ColumnProfile,
    now: ColumnProfile,
    hour: Hour,
    usual: ColumnUsual,
    paid: Mapping[str, float],
    alpha: float,
) -> Fault | None:
    if not paid or now.there < FEWEST or not held.sd or held.mean is None or now.mean is None or only_value(now):
        return None
    sure = [
        (log_e, _KNOWN[name])
        for name, log_e in paid.items()
        if name in _KNOWN and log_e >= bets.line(alpha, usual.scores.get(name, 0.0)) and _fits(_KNOWN[name], held, now)
    ]
    if any(abs(now.mean - before) <= SLOWLY * usual.step[0] for _, before in usual.means):
        return None  # it came here by steps as it is used to make, and did not jump
    if not sure:
        return None
    highest = max(log_e for log_e, _ in sure)
    like = sorted((one for one in sure if one[0] >= highest - ALIKE), key=lambda one: _PLACE[one[1].name])
    log_e, best = like[0]
    found = Found(
        rows=now.there,
        bad=now.there,
        bar=bets.EPS,
        log_p=-log_e,
        alpha=alpha,
        method="bet on the reference converted",
        detail={"factor": best.factor, "offset": best.offset},
    )
    return _told(
        held, now, hour, best, found, f"{held.mean:.4g} in the reference{_others([one for _, one in like[1:]])}"
    )


def _fits(one: Conversion, held: ColumnProfile, now: ColumnProfile) -> bool:
    """Spreads finer than squares are summed by say nothing; the mean does."""
    assert held.moments is not None
    mean, sd = held.mean or 0.0, held.sd or 0.0
    spread = abs(one.factor) * sd
    is_like = SPREADS[0] <= (now.sd or 0.0) / spread <= SPREADS[1]
    is_fine = spread < FINEST * 2.0 ** (held.moments.unit + FINER)
    return abs((now.mean or 0.0) - one.of(mean)) <= NEAR * spread and (is_like or is_fine)


def _by_jump(held: ColumnProfile, now: ColumnProfile, hour: Hour, usual: ColumnUsual) -> Fault | None:
    mean = sure_mean(now)
    if mean is None or only_value(now) or now.there < FEWEST or usual.steps < FEWEST_STEPS:
        return None
    far = [
        (before, usual.step[lag - 1])
        for lag, before in recent_means(usual, hour)
        if _is_far(mean - before, held, usual.step[lag - 1]) and not _is_back(held, before, mean)
    ]
    landed = [(one, before, step) for one in CONVERSIONS for before, step in far if _lands(one, before, mean, step)]
    if not landed:
        return None
    best, before, step = landed[0]
    found = Found(
        rows=now.there,
        bad=now.there,
        bar=FARTHER * step,
        log_p=-math.log(usual.steps + 1),
        alpha=1 / (usual.steps + 1),
        method=f"a jump over twice the farthest of {usual.steps:,}, to where a conversion puts it",
        guarantee="calibrated",
        detail={"factor": best.factor, "offset": best.offset, "jump": abs(mean - before), "farthest": step},
    )
    others = [one for one in dict.fromkeys(one for one, _, _ in landed) if one != best]
    return _told(held, now, hour, best, found, f"{before:.4g} in an hour just before{_others(others)}")


def _others(like: Sequence[Conversion]) -> str:
    """Those that would explain it as well."""
    return f" (it may be from {', or '.join(one.name for one in like[:SHOWN])})" if like else ""


def _is_far(jump: float, held: ColumnProfile, step: float) -> bool:
    return abs(jump) > max(FARTHER * step, NEAR * (held.sd or 0.0))


def _is_back(held: ColumnProfile, before: float, mean: float) -> bool:
    """From far off to where the reference lies: a shower is over, or a unit is right again; nothing is wrong now."""
    near, middle = NEAR * (held.sd or 0.0), held.mean or 0.0
    return abs(mean - middle) <= near < abs(before - middle)


def _lands(one: Conversion, before: float, mean: float, step: float) -> bool:
    """Where several do, the one that people mistake most often stands first in the list, and is named."""
    off = abs(mean - one.of(before))
    return off <= CLOSER * abs(mean - before) and off <= abs(one.factor) * max(step, 1e-6 * abs(before))


def _told(held: ColumnProfile, now: ColumnProfile, hour: Hour, one: Conversion, found: Found, before: str) -> Fault:
    said = (
        f"{held.name} looks converted from {one.before} to {one.after} ({one.formula}): its mean is {now.mean:.4g} over "
        f"{found.rows:,} of {now.rows:,} rows, and was {before}"
    )
    return fault("unit", held.name, hour, found, said, fewest=FEWEST)


@lru_cache(maxsize=1024)
def _bets(reference: ColumnProfile) -> bets.Floats | None:
    """What a row of each cell pays, shape (conversions, cells); None of a column that has no two numbers."""
    own = reference.moments
    if reference.kind != "number" or own is None or own.low is None or own.high is None or own.low == own.high:
        return None
    edges = np.array(reference.facets[0].edges)
    below = np.cumsum(reference.facets[0].counts)[:-1] / max(1, reference.there)
    at = np.concatenate([[own.low], edges, [own.high]])
    order = np.argsort(at, kind="stable")
    share = np.maximum.accumulate(np.concatenate([[0.0], below, [1.0]])[order])
    changed = np.array([_shares(one, edges, at[order], share) for one in CONVERSIONS])
    return bets.log_scores(reference.facets[0].counts, changed)


def _shares(one: Conversion, edges: bets.Floats, at: bets.Floats, share: bets.Floats) -> bets.Floats:
    """The reference's cells after the conversion, taken as even between its marks. Returns shape (cells,)."""
    back = np.interp((edges - one.offset) / one.factor, at, share)
    upto = back if one.factor > 0 else 1 - back
    found: bets.Floats = np.maximum(0.0, np.diff(np.concatenate([[0.0], upto, [1.0]])))
    return found
