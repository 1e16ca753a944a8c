"""Slices: a gain on the whole may hide a part that lost. All parts are looked at together, so that some luck is expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from lockgate.decide.judgement import Judgement
from lockgate.records import Evidence, Gate, Ruling
from lockgate.records.slice import Slice
from lockgate.stats.block_t import BlockMean, interval
from lockgate.stats.multiplicity import benjamini_hochberg

Floats = NDArray[np.float64]

FEWEST_ROWS = 200
FEWEST_BLOCKS = 3
MOST_NAMED = 5


class Part(NamedTuple):
    """One slice's rows: differences, challenger minus champion, summed per block, and rows per block."""

    column: str
    level: str
    sums: Floats
    counts: Floats


def slices(parts: Sequence[Part], *, margin: float, alpha: float) -> tuple[Slice, ...]:
    """What is known of each part of 200 rows and 3 blocks or more; smaller ones are left out.

    Of those called worse, and of those called not worse, a share of at most `alpha` is wrong on average: two families
    under Benjamini and Hochberg (1995), which allow for slices that overlap as far as their p-values lean the same way.
    """
    judged = [p for p in parts if p.counts.sum() >= FEWEST_ROWS and np.count_nonzero(p.counts) >= FEWEST_BLOCKS]
    found = [interval(p.sums[p.counts > 0], p.counts[p.counts > 0], alpha=alpha) for p in judged]
    if not found:
        return ()
    chance = np.array([_chance_worse(mean, margin) for mean in found])
    is_worse = benjamini_hochberg(1 - chance, alpha=alpha).is_rejected
    is_not = benjamini_hochberg(chance, alpha=alpha).is_rejected
    return tuple(
        Slice(
            column=part.column,
            level=part.level,
            rows=int(part.counts.sum()),
            estimate=mean.mean,
            low=mean.low,
            high=mean.high,
            state="worse" if worse else "not worse" if not_worse else "not told",
        )
        for part, mean, worse, not_worse in zip(judged, found, is_worse, is_not, strict=True)
    )


def _chance_worse(found: BlockMean, margin: float) -> float:
    """Student's chance of a smaller difference than the one seen, were the truth at the margin."""
    away = found.mean - margin
    if found.se == 0:
        return float(away > 0) if away else 0.5
    return float(stdtr(found.blocks - 1, away / found.se))


def gate(found: Sequence[Slice], *, metric: str, against: str, margin: float, alpha: float) -> Judgement:
    """Fail where a slice is shown worse, pass where every slice is shown not worse, undecided else, or without any."""
    worse = sorted((s for s in found if s.state == "worse"), key=lambda s: s.estimate, reverse=True)
    if worse:
        ruling = Ruling.FAIL
    else:
        is_shown = bool(found) and all(s.state == "not worse" for s in found)
        ruling = Ruling.PASS if is_shown else Ruling.UNDECIDED
    return Judgement(
        ruling=ruling,
        gate=Gate(
            name=f"gate of slices against {against}",
            question="worth",
            claim="not worse",
            measure=metric,
            method="block t by slice, Benjamini-Hochberg",
            margin=margin,
            alpha=alpha,
            guarantee="calibrated",
        ),
        evidence=Evidence(slices=tuple(found), n=(sum(s.rows for s in found),)),
        sentence=sentence(found, against),
    )


def sentence(found: Sequence[Slice], against: str) -> str:
    worse = sorted((s for s in found if s.state == "worse"), key=lambda s: s.estimate, reverse=True)
    if not found:
        return f"No slice holds {FEWEST_ROWS} rows and {FEWEST_BLOCKS} blocks, so none was held against {against}."
    if not worse:
        shown = sum(s.state == "not worse" for s in found)
        return f"On none of {len(found)} slices is it shown worse than {against}; on {shown} it is shown not worse."
    named = ", ".join(f"{s.column} {s.level} ({s.estimate:+.4f})" for s in worse[:MOST_NAMED])
    more = f" and {len(worse) - MOST_NAMED} more" if len(worse) > MOST_NAMED else ""
    return f"Worse than {against} on {len(worse)} of {len(found)} slices: {named}{more}."
