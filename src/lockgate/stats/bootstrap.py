"""Bootstrap intervals of the offline gate: any statistic of the same rows, by rows, by class, or by blocks of rows.

Rows that move together (of one day, of one unit) are resampled together, by their block; runs of blocks too where
neighbouring blocks remember each other. The rng comes in, so the same seed gives the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from lockgate.errors import SpecError
from lockgate.stats.multiplicity import checked_alpha
from lockgate.stats.paired import checked_rows

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Statistic = Callable[..., float | Floats]
OfUnits = Callable[[Places], Floats]  # places of rows or blocks, shape (resamples, units), to one value each

RESAMPLES = 4_999
_CELLS = 2_000_000  # rows drawn at once: what is kept in memory
_LEAVINGS = 1_000


class Interval(NamedTuple):
    """p: two-sided, against the `null` asked for, at least 2 / (resamples + 1). n: the rows, or blocks, resampled."""

    estimate: float
    low: float
    high: float
    p: float
    n: int


def bca(
    statistic: Statistic,
    *columns: Floats,
    alpha: float,
    rng: np.random.Generator,
    strata: NDArray[np.generic] | None = None,
    is_vectorised: bool = False,
    null: float = 0.0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bias-corrected and accelerated interval of `statistic(*columns)`, whole rows resampled together.

    columns: shape (n,) each, finite; so a difference of two versions on the same outcome is paired by itself. strata: labels
    of shape (n,), the class say; each is then resampled to its own size. is_vectorised: the statistic takes `axis=-1` and
    columns of shape (..., n), else it is called once per resample. The acceleration is the jackknife's, of at most 1,000
    groups of rows per stratum. Both ends together miss with chance `alpha`, roughly: the gain in F1 at .05 is missed .056 of
    the time with 60 rows of the rarer class, .078 with 20 (tests/calibration/test_offline_intervals.py).
    Assumes independent rows and a statistic smooth in them; extremes (min, max) are not.
    Raises SpecError for different lengths, a value not finite, a stratum of one row, too few resamples, or a statistic that
    is not finite on some resample, never varies (save at 0), or always falls on one side of the estimate.
    Source: Efron (1987); DiCiccio, Efron (1996); the resampling is scipy.stats.bootstrap's.
    """
    rows = checked_rows(**{f"column {place}": column for place, column in enumerate(columns)})
    groups = _strata(rows[0].size, strata)

    def of_rows(chosen: Places) -> Floats:
        if is_vectorised:
            return _checked(statistic(*(column[chosen] for column in rows), axis=-1), chosen)
        return _checked([statistic(*(column[one] for column in rows)) for one in chosen], chosen)

    return _bca(of_rows, groups, alpha=alpha, rng=rng, null=null, resamples=resamples, blocks=None)


def block_bca(
    statistic: Statistic,
    *columns: Floats,
    blocks: NDArray[np.generic],
    alpha: float,
    rng: np.random.Generator,
    null: float = 0.0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Interval as `bca`, whole blocks of rows resampled together; for statistics that are no mean (AUC, F1).

    blocks: shape (n,), each row's day or unit. Few blocks make a bootstrap's ends too narrow, so they are taken farther
    out, by Student's t with blocks - 1 degrees. Assumes independent blocks. For means use `block_mean`: it needs no rows,
    and knows runs of blocks. Raises SpecError as `bca`, and for fewer than 3 blocks or a row without one.
    Source: Davison, Hinkley (1997), 3.8; Hesterberg (2015) for the ends.
    """
    rows = checked_rows(**{f"column {place}": column for place, column in enumerate(columns)})
    members = _members(rows[0].size, blocks)

    def of_some(chosen: Places) -> float | Floats:
        drawn: Places = np.concatenate([members[int(block)] for block in chosen])
        return statistic(*(column[drawn] for column in rows))

    def of_blocks(chosen: Places) -> Floats:
        return _checked([of_some(one) for one in chosen], chosen)

    every, n = [np.arange(len(members))], len(members)
    return _bca(of_blocks, every, alpha=alpha, rng=rng, null=null, resamples=resamples, blocks=n)


def block_totals(values: Floats, blocks: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Sum and number of rows of each block, in the order of their labels: all that `block_mean` needs of the rows.

    values: shape (n,), a loss or a difference per row; blocks: shape (n,). Raises SpecError as `block_bca`.
    """
    (rows,) = checked_rows(values=values)
    members = _members(rows.size, blocks)
    sums = np.array([rows[member].sum() for member in members])
    return sums, np.array([member.size for member in members], dtype=np.float64)


def block_mean(
    sums: Floats,
    counts: Floats,
    *,
    alpha: float,
    rng: np.random.Generator,
    run: int = 1,
    null: float = 0.0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Percentile-t interval for the mean per row, from the sums and row counts of blocks, runs of `run` resampled together.

    sums, counts: shape (n,), n >= 3 blocks in the order of time; the mean is sum over count, so a full day weighs more.
    run = 1 takes blocks as independent; a longer run lets up to that many neighbours remember each other, at the price of a
    wider interval (the last block neighbours the first, so that all weigh alike). Needs 3 runs. Ends may be infinite under
    some 5 runs, or where hardly a block differs from the rest: that few cannot say. Both ends together miss with chance
    `alpha`, roughly: .050 at .05 over 14 independent days, .063 over skewed ones; over 30 that remember with AR .5, .23
    with run = 1 and .066 with run = 5 (tests/calibration/test_offline_intervals.py).
    Raises SpecError for different lengths, a value not finite, a block without rows, fewer than 3 runs, too few resamples, or
    blocks whose means are all alike but not nought.
    Source: Efron, Tibshirani (1993), 12.5; Politis, Romano (1992), circular blocks; Goetze, Kuensch (1996), studentised.
    """
    s, c = checked_rows(sums=sums, counts=counts)
    if (c <= 0).any():
        raise SpecError(f"Block {int(np.flatnonzero(c <= 0)[0])} holds no rows.", cure="Leave out blocks without rows.")
    if run < 1 or s.size < 3 * run:
        raise SpecError(
            f"{s.size} blocks in runs of {run} are fewer than 3 runs.",
            cure="Hold out more blocks, or take shorter runs.",
        )
    _refuse_few(resamples, alpha)
    run_sums, run_counts = _runs(s, run), _runs(c, run)
    mean, drawn = float(s.sum() / c.sum()), -(-s.size // run)
    error = (run_sums - mean * run_counts) / run_counts.mean()
    se = float(np.sqrt(error @ error / error.size / (drawn - 1)))
    if se <= 1e-12 * abs(mean):
        return _unvaried(mean, null, s.size, resamples)
    t = np.sort(_studentised(run_sums, run_counts, mean, rng.integers(0, s.size, (resamples, drawn))))
    # Order statistics, not quantiles between two of them: with few blocks some are infinite.
    outer = int((resamples + 1) * alpha / 2)
    seen = (mean - null) / se
    beyond = min(int((t >= seen).sum()), int((t <= seen).sum())) + 1
    p = min(2 * beyond / (resamples + 1), 1.0)
    return Interval(mean, mean - float(t[-outer]) * se, mean - float(t[outer - 1]) * se, p, s.size)


def _runs(column: Floats, run: int) -> Floats:
    """Sum over each block and the `run` - 1 after it; those over the end go on with the first."""
    around = np.concatenate((column, column[: run - 1]))
    totals: Floats = np.lib.stride_tricks.sliding_window_view(around, run).sum(axis=-1)
    return totals


def _studentised(sums: Floats, counts: Floats, mean: float, chosen: Places) -> Floats:
    """How many of its own standard errors each resample's mean is off; infinite where one run was drawn all through."""
    s, c = sums[chosen], counts[chosen]
    means = s.sum(axis=1) / c.sum(axis=1)
    error = (s - means[:, None] * c) / c.mean(axis=1)[:, None]
    se = np.sqrt((error * error).sum(axis=1) / (chosen.shape[1] - 1) / chosen.shape[1])
    off: Floats = means - mean
    is_flat: NDArray[np.bool_] = se <= 1e-12 * np.abs(off)
    return np.where(is_flat, np.copysign(np.inf, off), off / np.where(is_flat, 1.0, se))


def _distribution(of_units: OfUnits, groups: Sequence[Places], rng: np.random.Generator, resamples: int) -> Floats:
    from scipy.stats import bootstrap

    def of_drawn(*drawn: Places, axis: int) -> Floats:
        return of_units(np.concatenate(drawn, axis=axis).astype(np.intp, copy=False))

    batch = max(1, _CELLS // sum(group.size for group in groups))
    found = bootstrap(
        groups, of_drawn, vectorized=True, n_resamples=resamples, batch=batch, method="percentile", rng=rng
    )
    return np.asarray(found.bootstrap_distribution, dtype=np.float64)


def _checked(found: object, chosen: Places) -> Floats:
    values = np.asarray(found, dtype=np.float64)
    if values.shape != chosen.shape[:-1]:
        raise SpecError(
            f"The statistic gave shape {values.shape} for {chosen.shape[0]} resamples.",
            cure="Give one number; over the last axis if it is vectorised.",
        )
    if not np.isfinite(values).all():
        raise SpecError(
            f"The statistic is not finite on {int((~np.isfinite(values)).sum())} of {values.size} resamples.",
            cure="Stratify by class, or hold out more rows of the rarer one.",
        )
    return values


def _acceleration(of_units: OfUnits, groups: Sequence[Places]) -> float:
    """Sixth of the skewness of the estimate, by leaving out one unit at a time, or one of 1,000 even parts of a stratum."""
    cubes = squares = 0.0
    for place, group in enumerate(groups):
        others = [other for at, other in enumerate(groups) if at != place]
        parts = min(group.size, _LEAVINGS)
        left = np.empty(parts)
        for part in range(parts):
            kept = np.concatenate([*others, np.delete(group, np.s_[part::parts])])
            left[part] = of_units(kept[None, :])[0]
        pull = (parts - 1) * (left.mean() - left) / parts
        cubes, squares = cubes + float((pull**3).sum()), squares + float((pull**2).sum())
    return cubes / 6 / squares**1.5 if squares > 0 else 0.0


def _bca(
    of_units: OfUnits,
    groups: Sequence[Places],
    *,
    alpha: float,
    rng: np.random.Generator,
    null: float,
    resamples: int,
    blocks: int | None,
) -> Interval:
    """groups: the units of each stratum; ends by normal deviates, or by Student's where units are a number of blocks."""
    _refuse_few(resamples, alpha)
    everything = np.concatenate(groups)
    estimate = float(of_units(everything[None, :])[0])
    values = _distribution(of_units, groups, rng, resamples)
    if np.ptp(values) <= 1e-12 * abs(estimate):
        return _unvaried(estimate, null, everything.size, resamples)
    a = _acceleration(of_units, groups)
    below = _share_below(values, estimate)
    if not 0 < below < 1:
        raise SpecError(
            "All resamples lie on one side of the estimate: repeated rows alone move this statistic.",
            cure="Use a statistic that is smooth in the rows: no extremes, no counts of distinct values.",
        )
    bias, z = float(ndtri(below)), _deviate(alpha, blocks)
    shifted = np.array([bias - z, bias + z])
    # The map turns over where its divisor passes nought: few blocks, a small alpha. Held there, an end is the outermost.
    low, high = np.quantile(values, ndtr(bias + shifted / np.maximum(1 - a * shifted, 1e-3)))
    # The same map backwards; half a resample is as far as the distribution can tell.
    edge = 0.5 / values.size
    off = float(ndtri(min(max(_share_below(values, null), edge), 1 - edge))) - bias
    p = _two_sided(off / max(1 + a * off, 1e-3) - bias, blocks)
    p = min(max(p, 2 / (resamples + 1)), 1.0)
    return Interval(estimate, float(low), float(high), p, everything.size)


def _deviate(alpha: float, blocks: int | None) -> float:
    if blocks is None:
        return -float(ndtri(alpha / 2))
    return float(stdtrit(blocks - 1, 1 - alpha / 2)) * math.sqrt(blocks / (blocks - 1))


def _two_sided(deviate: float, blocks: int | None) -> float:
    if blocks is None:
        return 2 * float(ndtr(-abs(deviate)))
    return 2 * float(stdtr(blocks - 1, -abs(deviate) * math.sqrt((blocks - 1) / blocks)))


def _share_below(values: Floats, value: float) -> float:
    return float(((values < value).sum() + (values <= value).sum()) / (2 * values.size))


def _unvaried(estimate: float, null: float, n: int, resamples: int) -> Interval:
    """Two versions that say the same differ by nought in all rows; by anything else rows cannot all differ alike."""
    if abs(estimate) <= 1e-12:
        return Interval(0.0, 0.0, 0.0, 1.0 if null == 0 else 2 / (resamples + 1), n)
    raise SpecError(
        f"Every resample gives {estimate:g}, so nothing says how far that may be off.",
        cure="Hold out more rows, or give the difference of two versions.",
    )


def _refuse_few(resamples: int, alpha: float) -> None:
    least = math.ceil(10 / checked_alpha(alpha)) - 1
    if resamples < least:
        raise SpecError(
            f"{resamples} resamples cannot place ends at alpha {alpha:g}.", cure=f"Take at least {least}, better 4,999."
        )


def _strata(n: int, strata: NDArray[np.generic] | None) -> list[Places]:
    groups = [np.arange(n)] if strata is None else _members(n, strata, kind="stratum", least=1)
    if min(group.size for group in groups) < 2:
        raise SpecError("A stratum of one row cannot be resampled.", cure="Hold out at least 2 rows of each class.")
    return groups


def _members(n: int, labels: NDArray[np.generic], *, kind: str = "block", least: int = 3) -> list[Places]:
    """The rows of each label, in the order of the labels."""
    found = np.asarray(labels)
    if found.shape != (n,):
        raise SpecError(f"Labels of shape {found.shape} do not name the {kind} of {n} rows.", cure="Give one per row.")
    if (found != found).any():  # NaN and NaT alone differ from themselves
        raise SpecError(f"A row has no {kind}.", cure="Leave out rows without one.")
    names, place = np.unique(found, return_inverse=True)
    if names.size < least:
        raise SpecError(
            f"Rows of {names.size} blocks cannot give an interval.",
            cure="Hold out at least 3; 14 days is a good start.",
        )
    return np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
