"""Windows of twenty columns whose truth is known, against references of real rows: what the judge of drift makes of them.

Twenty independent columns, as the rivals have in benchmarks/monitoring/quiet_windows.py: ten normal, five exponential, five
categories of four levels; and the pairs of the fifteen numbers. A reference is real rows, profiled, with the bets that
`lockgate.DriftJudge` draws up on it. Since the laws are known so are the true shares of its cells, and windows are drawn as
counts: the judge sees nothing else of one, so that 50,000 rows cost what 1,000 do. tests/calibration/test_drift_counts.py
holds these counts against rows, and this evidence against the judge's.

Pairs are drawn apart from their columns, each with the right shares: an average of evidence promises the same however its
parts hang together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

import lockgate as lg
from lockgate.decide.drifting.lines import Line, Lines, drawn_up
from lockgate.records import Facet, Profile
from lockgate.records.profile import ColumnProfile, Pair
from lockgate.sim import drifts
from lockgate.stats import onset, score_bet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Law = Callable[[Floats], Floats]
LEVELS = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
A = 1_000
"""Windows to a false alarm: what every figure promises."""


def rows_of(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    made = {f"normal{place}": rng.standard_normal(rows) for place in range(10)}
    made |= {f"wait{place}": rng.exponential(1.0, rows) for place in range(5)}
    levels, chances = np.array(list(LEVELS)), list(LEVELS.values())
    return pl.DataFrame(made | {f"kind{place}": rng.choice(levels, rows, p=chances) for place in range(5)})


def reference(rng: np.random.Generator, rows: int) -> tuple[Profile, Lines]:
    """A reference of real rows, and what the judge bets on it."""
    profile = lg.profile(rows_of(rng, rows))
    return profile, drawn_up(profile)


# ---- the truth


def below(name: str, at: Any) -> Floats:
    """The chance of a value up to `at`."""
    found: Floats = ndtr(at) if name.startswith("normal") else -np.expm1(-np.maximum(at, 0.0))
    return found


def true_shares(profile: Profile, lines: Lines, laws: dict[str, Law] | None = None) -> list[Floats]:
    """Of each line's cells, shape (cells,). laws: of columns that have changed, in place of their own."""
    return [_shares(profile, lines, line, laws or {}) for line in lines.lines]


def _shares(profile: Profile, lines: Lines, line: Line, laws: dict[str, Law]) -> Floats:
    item = lines.items[line.item]
    if isinstance(item, Pair):
        above = [1 - float(below(name, _centre(profile, name))) for name in (item.first, item.second)]
        same = above[0] * above[1] + (1 - above[0]) * (1 - above[1])
        return np.array([1 - same, same])
    law = laws.get(item.name, lambda at: below(item.name, at))
    facet = item.facets[0]
    inside = np.diff(law(np.array(facet.edges)), prepend=0.0, append=1.0) if facet.edges else _by_level(facet)
    return np.concatenate([inside, np.zeros(line.bets.cells - inside.size)])


def _by_level(facet: Facet) -> Floats:
    """The named levels; the cell of the rare ones is empty."""
    return np.array([LEVELS[name] for name in facet.levels] + [0.0] * (len(facet.counts) - len(facet.levels)))


def _centre(profile: Profile, name: str) -> float:
    column = profile.column(name)
    assert column is not None
    assert column.moments is not None
    return column.moments.centre


def in_world(
    world: str, rng: np.random.Generator, lines: Lines, shares: Sequence[Floats], windows: int
) -> list[Floats]:
    """Each line's true shares in each window, shape (windows, cells): a quiet world of `lockgate.sim.drifts`.

    Missing, unseen and the like stay empty, as they are in the reference.
    """
    inside = [_inside(lines, line) for line in lines.lines]
    found = [np.zeros((windows, own.size)) for own in shares]
    for cells in sorted(set(inside)):
        alike = [place for place, size in enumerate(inside) if size == cells]
        p0 = np.array([shares[place][:cells] for place in alike])
        made = drifts.QUIET[world](rng, p0, windows, score_bet.EPS)
        for place, own in zip(alike, np.moveaxis(made, 1, 0), strict=True):
            found[place][:, :cells] = own
    return found


def _inside(lines: Lines, line: Line) -> int:
    item = lines.items[line.item]
    return len(item.facets[0].counts) if isinstance(item, ColumnProfile) else 2


def counts(rng: np.random.Generator, rows: int, shares: Sequence[Floats]) -> list[Ints]:
    """Windows of so many rows; each line's, shape (windows, cells)."""
    return [drifts.counts(rng, rows, own) for own in shares]


# ---- what the judge makes of it


def evidence(lines: Lines, drawn: Sequence[Ints], *, deff: float = 1.0) -> Floats:
    """Log of the average of M after each window, shape (windows,): what `DriftJudge.log_evidence` would be."""
    paid = np.concatenate(
        [score_bet.log_e(line.bets, own, deff=deff) for line, own in zip(lines.lines, drawn, strict=True)], axis=1
    )
    prior = np.concatenate([line.bets.log_prior + math.log(line.weight) for line in lines.lines])
    log_m = np.full(prior.size, -np.inf)
    found = np.empty(len(paid))
    for place, one in enumerate(paid):
        log_m = onset.step(log_m, one)
        parts = log_m + prior
        most = parts.max()  # by hand: a tenth of what logaddexp.reduce takes
        found[place] = most + math.log(np.exp(parts - most).sum())
    return found


def alarms(path: Floats, log_line: float = math.log(A)) -> list[int]:
    """The windows, from 1, in which an alarm begins; one that stands is over when its evidence is gone."""
    found: list[int] = []
    is_alarmed = False
    for place, log_m in enumerate(path.tolist(), 1):
        if is_alarmed:
            is_alarmed = log_m > 0
        elif log_m >= log_line:
            is_alarmed = True
            found.append(place)
    return found


def quiet(
    rng: np.random.Generator, *, reference_rows: int, rows: Sequence[int], windows: int
) -> dict[tuple[str, int], int]:
    """Alarms under one reference, by world and rows of a window."""
    profile, lines = reference(rng, reference_rows)
    shares = true_shares(profile, lines)
    found: dict[tuple[str, int], int] = {}
    for world in drifts.QUIET:
        for size in rows:
            drawn = counts(rng, size, in_world(world, rng, lines, shares, windows))
            found[world, size] = len(alarms(evidence(lines, drawn)))
    return found


MOVED: dict[str, dict[str, Law]] = {
    "mean +0.2 sd": {"normal0": lambda at: below("normal0", at - 0.2)},
    "mean +0.5 sd": {"normal0": lambda at: below("normal0", at - 0.5)},
    "spread x 1.1": {"normal0": lambda at: below("normal0", at / 1.1)},
    "spread x 1.5": {"normal0": lambda at: below("normal0", at / 1.5)},
}
GROWN = {"a category +10 points": 0.1, "a category +3 points": 0.03}


def windows_until(rng: np.random.Generator, *, reference_rows: int, rows: int, longest: int) -> dict[str, int]:
    """Windows until each change of one column of twenty is alarmed, under one reference; `longest` + 1 where it is not."""
    profile, lines = reference(rng, reference_rows)
    worlds = {name: true_shares(profile, lines, laws) for name, laws in MOVED.items()}
    worlds |= {name: _grown(profile, lines, points) for name, points in GROWN.items()}
    found: dict[str, int] = {}
    for name, shares in worlds.items():
        drawn = counts(rng, rows, [np.broadcast_to(own, (longest, own.size)) for own in shares])
        over = alarms(evidence(lines, drawn))
        found[name] = over[0] if over else longest + 1
    return found


def _grown(profile: Profile, lines: Lines, points: float) -> list[Floats]:
    """The third level of a category, 15 % of its rows, takes more of them."""
    found = true_shares(profile, lines)
    place = next(
        place
        for place, line in enumerate(lines.lines)
        if isinstance(item := lines.items[line.item], ColumnProfile) and item.name == "kind0"
    )
    cell = int(np.abs(found[place] - LEVELS["c"]).argmin())
    found[place] = drifts.grown(found[place][None], cell=cell, points=points)[0]
    return found
