"""What an A/B has shown so far: arms, metrics, slices and the sample ratio, as figures. Pure: a state in, a result out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from msgspec.structs import replace

from lockgate.decide.ab import stretches
from lockgate.errors import InvariantBroken
from lockgate.records import AbSpec, AbState, Record, Rollout
from lockgate.records.ab import OF_CALLS, Direction, UnitCell
from lockgate.stats import arm_means, srm
from lockgate.stats.multiplicity import e_bh
from lockgate.stats.summary import PairSummary

Key = tuple[float, str, str, str, str]
"""share, version, metric, column, level: what a cell is of."""
Cells = Mapping[Key, PairSummary]

FEWEST_IN_SLICE = 200
"""Units of each arm: a smaller slice is not judged."""
UNCOVERED = 0.02
"""With more units than that lacking the covariate the difference is not adjusted: what lacks may hang on the arm."""

Told = Literal["better", "worse", "not told"]


class Compared(Record, frozen=True, kw_only=True):
    """One challenger beside the champion by one metric. units, means: champion first, over matured units; estimate, low,
    high: challenger less champion, in the metric's units, adjusted where there is a covariate, None where nothing is known.
    log_e: against no difference; times: how many times these units it takes until something is told, if it stays like this.
    """

    version: str
    metric: str
    direction: Direction
    is_primary: bool
    units: tuple[int, int]
    means: tuple[float, float]
    estimate: float | None
    low: float | None
    high: float | None
    log_e: float
    alpha: float
    times: float | None
    told: Told


class SliceOfUnits(Record, frozen=True, kw_only=True):
    """The same in one part of the units; told after all slices were looked at together (e-BH)."""

    version: str
    column: str
    level: str
    units: tuple[int, int]
    means: tuple[float, float]
    estimate: float | None
    low: float | None
    high: float | None
    told: Told


class Ratio(Record, frozen=True, kw_only=True):
    """Units by arm as they came, beside what their shares foretold; champion first. log_e: for a mismatch."""

    versions: tuple[str, ...]
    units: tuple[int, ...]
    foretold: tuple[float, ...]
    log_e: float
    astray: int

    @property
    def is_void(self) -> bool:
        return self.astray > 0 or srm.is_void(self.log_e)


class AbResult(Record, frozen=True, kw_only=True):
    """All of it. is_adjusted: for the covariate. until_s: event time up to which units have matured."""

    rollout: str
    model: str
    state: str
    champion: str
    metric: str
    direction: Direction
    alpha: float
    is_adjusted: bool
    until_s: float | None
    compared: tuple[Compared, ...]
    slices: tuple[SliceOfUnits, ...]
    ratio: Ratio
    late: int
    looked: int
    schema: int = 1


def result(rollout: Rollout, state: AbState) -> AbResult:
    spec = spec_of(rollout)
    cells = cells_of(state.cells)
    units = sum(s.n for (_, _, metric, column, _), s in cells.items() if metric == spec.metric and not column)
    is_adjusted = adjusts(spec, units, state.uncovered)
    rows = [
        compared(rollout, cells, version, metric, is_adjusted=is_adjusted)
        for metric in metrics(rollout)
        for version in rollout.challengers
    ]
    return AbResult(
        rollout=rollout.id,
        model=rollout.model,
        state=str(rollout.state),
        champion=rollout.champion,
        metric=spec.metric or "",
        direction=spec.direction,
        alpha=spec.alpha,
        is_adjusted=is_adjusted,
        until_s=state.until_s,
        compared=tuple(rows),
        slices=slices(rollout, cells, is_adjusted=is_adjusted),
        ratio=ratio(rollout, {(share, version): n for share, version, n in state.exposed}, state.astray),
        late=state.late,
        looked=state.looked,
    )


def metrics(rollout: Rollout) -> list[str]:
    """Those that are judged by matured units: what decides, first, and the guardrails that are told by unit."""
    spec = spec_of(rollout)
    return [spec.metric or "", *(guarded.metric for guarded in spec.guarded if guarded.metric not in OF_CALLS)]


def spec_of(rollout: Rollout) -> AbSpec:
    """Raises InvariantBroken for a rollout that is no A/B."""
    if rollout.ab is None:
        raise InvariantBroken(f"The rollout {rollout.id} is no A/B.")
    return rollout.ab


def cells_of(cells: Iterable[UnitCell]) -> dict[Key, PairSummary]:
    return {(c.share, c.version, c.metric, c.column, c.level): c.sums for c in cells}


def adjusts(spec: AbSpec, units: int, uncovered: int) -> bool:
    """Whether the difference is adjusted for the covariate: where there is one, and hardly a unit lacks it."""
    return spec.covariate is not None and uncovered <= UNCOVERED * units


def alpha_of(rollout: Rollout, metric: str) -> float:
    """What one challenger's interval may be wrong by. The metric's alpha is shared by the challengers; the guardrails' by
    them and by each other (Bonferroni 1936): each interval errs both ways with that chance.
    """
    spec = spec_of(rollout)
    shared = spec.alpha / len(rollout.arms)
    return shared if metric == spec.metric else shared / len(spec.guardrails)


def contrast(
    rollout: Rollout, cells: Cells, version: str, metric: str, *, is_adjusted: bool, column: str = "", level: str = ""
) -> tuple[arm_means.Contrast, list[PairSummary], list[PairSummary]]:
    """Challenger less champion over the shares under which both took part, and the summaries that it was made of."""
    none = PairSummary()
    shares = [share for share, live in stretches(rollout).items() if version in [arm.version for arm in live]]
    own, other = (
        [cells.get((share, arm, metric, column, level), none) for share in shares]
        for arm in (version, rollout.champion)
    )
    seen = arm_means.contrast(arm_means.of(other), arm_means.of(own), is_adjusted=is_adjusted)
    return seen, other, own


def compared(rollout: Rollout, cells: Cells, version: str, metric: str, *, is_adjusted: bool) -> Compared:
    spec, alpha = spec_of(rollout), alpha_of(rollout, metric)
    direction = _direction(rollout, metric)
    seen, other, own = contrast(rollout, cells, version, metric, is_adjusted=is_adjusted)
    estimate, low, high = _interval(seen, alpha)
    times = None if estimate is None else arm_means.times_until_told(seen, alpha=alpha)
    return Compared(
        version=version,
        metric=metric,
        direction=direction,
        is_primary=metric == spec.metric,
        units=(_units(other), _units(own)),
        means=(_mean(other), _mean(own)),
        estimate=estimate,
        low=low,
        high=high,
        log_e=float(arm_means.log_e(seen)),
        alpha=alpha,
        times=None if times is None or math.isinf(times) else times,
        told=_told(direction, low, high),
    )


def slices(rollout: Rollout, cells: Cells, *, is_adjusted: bool) -> tuple[SliceOfUnits, ...]:
    """Each part of the units by itself, and which differences stand when all are looked at together: e-BH, an expected share
    of false ones of at most alpha, among those with `FEWEST_IN_SLICE` units of each arm.
    """
    spec = spec_of(rollout)
    metric = spec.metric or ""
    parts = sorted({(column, level) for _, _, own, column, level in cells if column and own == metric})
    found: list[tuple[SliceOfUnits, float]] = []
    for column, level in parts:
        for version in rollout.challengers:
            seen, other, own = contrast(
                rollout, cells, version, metric, is_adjusted=is_adjusted, column=column, level=level
            )
            estimate, low, high = _interval(seen, spec.alpha)
            item = SliceOfUnits(
                version=version,
                column=column,
                level=level,
                units=(_units(other), _units(own)),
                means=(_mean(other), _mean(own)),
                estimate=estimate,
                low=low,
                high=high,
                told="not told",
            )
            found.append((item, float(arm_means.log_e(seen))))
    judged = [place for place, (item, _) in enumerate(found) if min(item.units) >= FEWEST_IN_SLICE]
    stands = e_bh(np.array([found[place][1] for place in judged]), alpha=spec.alpha).is_rejected if judged else ()
    told = {place for place, stood in zip(judged, stands, strict=True) if stood}
    return tuple(
        replace(item, told=_side(spec.direction, item.estimate)) if place in told else item
        for place, (item, _) in enumerate(found)
    )


def ratio(rollout: Rollout, exposed: Mapping[tuple[float, str], int], astray: int) -> Ratio:
    """exposed: units by share and version, the champion's own under its id."""
    versions = (rollout.champion, *rollout.challengers)
    shares: list[list[float]] = []
    counts: list[list[int]] = []
    for total, live in stretches(rollout).items():
        by_version = {arm.version: arm.share for arm in live}
        shares.append([1.0 - sum(by_version.values()), *(by_version.get(v, 0.0) for v in versions[1:])])
        counts.append([exposed.get((total, version), 0) for version in versions])
    table = np.array(counts, dtype=np.float64)
    foretold = (np.array(shares) * table.sum(axis=1, keepdims=True)).sum(axis=0)
    return Ratio(
        versions=versions,
        units=tuple(int(n) for n in table.sum(axis=0)),
        foretold=tuple(foretold.tolist()),
        log_e=srm.log_e_arms(shares, counts),
        astray=astray,
    )


def _interval(seen: arm_means.Contrast, alpha: float) -> tuple[float | None, float | None, float | None]:
    estimate = float(seen.estimate)
    if not math.isfinite(estimate):
        return None, None, None
    half = float(arm_means.half_width(seen, alpha=alpha))
    return (estimate, estimate - half, estimate + half) if math.isfinite(half) else (estimate, None, None)


def _direction(rollout: Rollout, metric: str) -> Direction:
    spec = spec_of(rollout)
    guarded: dict[str, Direction] = {guarded.metric: guarded.direction for guarded in spec.guarded}
    return spec.direction if metric == spec.metric else guarded[metric]


def _told(direction: Direction, low: float | None, high: float | None) -> Told:
    if low is not None and low > 0:
        return _side(direction, low)
    return _side(direction, high) if high is not None and high < 0 else "not told"


def _side(direction: Direction, gap: float | None) -> Told:
    if not gap:
        return "not told"
    return "better" if (gap > 0) == (direction == "up") else "worse"


def _units(strata: Iterable[PairSummary]) -> int:
    return sum(s.n for s in strata)


def _mean(strata: Iterable[PairSummary]) -> float:
    """Over all units alike: what the arm's units did, for people; the comparison is made within strata."""
    held = [s for s in strata if s.n]
    return sum(s.n * s.mean[0] for s in held) / sum(s.n for s in held) if held else 0.0
