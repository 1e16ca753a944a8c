"""The difference of two arms on the same rows, by the method made for its metric. METHODS 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from lockgate.decide.offline import Estimated, by_blocks
from lockgate.errors import SpecError, unknown
from lockgate.metrics import LOSSES, SUMMARIES, Loss, SummaryMetric
from lockgate.stats import bootstrap, paired, pulled
from lockgate.stats.bootstrap import Statistic

Floats = NDArray[np.float64]

DIRECTIONS = ("up", "down")
# A bootstrap of more rows costs minutes and says what Student's t says; of a summary metric, what its pulls say.
MOST_BOOTSTRAPPED = 20_000
MOST_RESORTED = 2_000
FEWEST_ALIKE = 30


class Arms(NamedTuple):
    """Both arms' predictions, shape (n,) or of many classes (n, k), and the outcomes, shape (n,); block: each row's block,
    None where rows are independent; length: what a block is, in words.
    """

    champion: Floats
    challenger: Floats
    outcome: Floats
    block: NDArray[np.generic] | None
    length: str


def metric_of(name: str, task: str) -> Loss | SummaryMetric:
    """The loss or summary metric of that name. Raises SpecError for an unknown one, or one that does not fit the task."""
    known: dict[str, Loss | SummaryMetric] = {**SUMMARIES, **LOSSES}
    found = known.get(name)
    if found is None:
        raise SpecError(unknown("metric", name, known))
    if task not in found.tasks:
        fitting = sorted(other.name for other in known.values() if task in other.tasks)
        raise SpecError(
            f"The metric {name!r} does not fit a {task} task.", cure=f"Choose one of: {', '.join(fitting)}."
        )
    return found


def own_metric(function: Callable[[Floats, Floats], Any], direction: str | None, task: str) -> Loss | SummaryMetric:
    """Somebody's metric of (predictions, outcomes): a value per row, or one number over all of them.

    Raises SpecError where nobody says which direction is better.
    """
    if direction not in DIRECTIONS:
        raise SpecError(unknown("direction", str(direction), DIRECTIONS))
    name = getattr(function, "__name__", "metric")
    probe = np.asarray(function(np.array([0.25, 0.75]), np.array([0.0, 1.0])), dtype=np.float64)
    if probe.ndim == 0:
        return SummaryMetric(name=name, tasks=(task,), direction="up" if direction == "up" else "down", of=function)
    if direction == "up":
        return Loss(
            name=name, tasks=(task,), cap=None, reason="", of=lambda p, y: -np.asarray(function(p, y), dtype=np.float64)
        )
    return Loss(name=name, tasks=(task,), cap=None, reason="", of=function)


def estimate(
    metric: Loss | SummaryMetric, arms: Arms, *, alpha: float, seed: int, most: int = MOST_BOOTSTRAPPED
) -> Estimated:
    """Challenger minus champion, positive is worse; `detail["p"]` is its two-sided p. most: rows that are bootstrapped,
    more are judged by Student's t or, of a summary metric (2,000 at most), by pulls. Raises SpecError where the rows
    cannot say.
    """
    if isinstance(metric, SummaryMetric):
        if metric.name == "accuracy" and arms.block is None:
            # The same rows, right or wrong: McNemar's question.
            metric = LOSSES["zero_one"]
        else:
            return _of_summary(metric, arms, alpha, np.random.default_rng(seed), min(most, MOST_RESORTED))
    own, other = (metric.of(values, arms.outcome) for values in (arms.challenger, arms.champion))
    if arms.block is None:
        return _of_rows(metric, own, other, alpha, np.random.default_rng(seed), most)
    difference = own - other
    labels, place = np.unique(arms.block, return_inverse=True)
    sums = np.bincount(place, weights=difference, minlength=labels.size).astype(np.float64)
    counts = np.bincount(place, minlength=labels.size).astype(np.float64)
    block = "1d" if arms.length == "day" else arms.length
    found = by_blocks(
        sums, counts, alpha=alpha, call_variance=float(difference.var()), block=block, over=f"{arms.length}s"
    )
    return found._replace(detail={"p": _p_of(found, alpha, labels.size)})


def _p_of(found: Estimated, alpha: float, blocks: int) -> float:
    """Student's two-sided p, from the interval that the same t gave."""
    se = (found.high - found.low) / 2 / float(stdtrit(blocks - 1, 1 - alpha / 2))
    if se <= 0:
        return 1.0 if found.estimate == 0 else 0.0
    return 2 * float(stdtr(blocks - 1, -abs(found.estimate) / se))


def _of_rows(metric: Loss, own: Floats, other: Floats, alpha: float, rng: np.random.Generator, most: int) -> Estimated:
    difference = own - other
    rows = difference.size
    if metric.name == "zero_one":
        found = paired.mcnemar(1 - own, 1 - other, alpha=alpha)
        return Estimated(
            estimate=-found.difference,
            low=-found.high,
            high=-found.low,
            rows=rows,
            over=f"{rows:,} rows",
            method="McNemar mid-p, score interval",
            guarantee="calibrated",
            detail={"p": found.p, "gained": found.gained, "lost": found.lost},
        )
    if rows >= FEWEST_ALIKE and np.ptp(difference) <= 1e-9 * abs(float(difference[0])):
        return _alike(float(difference[0]), rows, rows)
    if rows > most:
        found_t = by_blocks(
            difference, np.ones(rows), alpha=alpha, call_variance=float(difference.var()), block="row", over="rows"
        )
        return found_t._replace(
            blocks=0,
            block="",
            method="Student's t over rows",
            lag1=None,
            design_effect=None,
            detail={"p": _p_of(found_t, alpha, rows)},
        )
    spread = bootstrap.bca(_mean, difference, alpha=alpha, rng=rng, is_vectorised=True)
    rank = paired.signed_rank(difference)
    return Estimated(
        estimate=spread.estimate,
        low=spread.low,
        high=spread.high,
        rows=rows,
        over=f"{rows:,} rows",
        method="BCa bootstrap over rows",
        guarantee="calibrated",
        detail={"p": spread.p, "signed_rank_p": rank.p},
    )


def _alike(difference: float, rows: int, trials: int) -> Estimated:
    """All rows differ alike: a spread of nought, and a sign that chance gives to all of them with 2^(1 - trials)."""
    return Estimated(
        estimate=difference,
        low=difference,
        high=difference,
        rows=rows,
        over=f"{rows:,} rows",
        method="sign test: every row differs alike",
        guarantee="exact",
        detail={"p": 1.0 if difference == 0 else 2.0 ** (1 - trials)},
    )


def _of_summary(metric: SummaryMetric, arms: Arms, alpha: float, rng: np.random.Generator, most: int) -> Estimated:
    rows = arms.outcome.size
    if metric.name == "roc_auc" and arms.block is None:
        return _delong(arms, alpha)
    if metric.pull is None or rows <= most:
        try:
            return _resampled(metric, arms, alpha, rng)
        except SpecError:
            # A class of one row, or a figure that no resample moves: what a row weighs can be said all the same.
            if metric.pull is None:
                raise
    return _of_pulls(metric, arms, alpha)


def _resampled(metric: SummaryMetric, arms: Arms, alpha: float, rng: np.random.Generator) -> Estimated:
    rows = arms.outcome.size
    sign = 1.0 if metric.direction == "down" else -1.0

    def worse(places: Floats) -> float:
        # Rows are drawn by their place: predictions of many classes have rows that are no numbers.
        drawn = places.astype(np.intp)
        outcome = arms.outcome[drawn]
        return sign * (metric.of(arms.challenger[drawn], outcome) - metric.of(arms.champion[drawn], outcome))

    statistic: Statistic = worse
    places = np.arange(rows, dtype=np.float64)
    if arms.block is None:
        is_few = set(np.unique(arms.outcome)) <= {0.0, 1.0} or arms.challenger.ndim == 2
        strata = arms.outcome if is_few else None
        found = bootstrap.bca(statistic, places, alpha=alpha, rng=rng, strata=strata, resamples=2000)
        over, method, blocks = f"{rows:,} rows", "BCa bootstrap over rows", 0
    else:
        found = bootstrap.block_bca(statistic, places, blocks=arms.block, alpha=alpha, rng=rng, resamples=2000)
        over, method, blocks = f"{found.n:,} {arms.length}s", f"BCa bootstrap by {arms.length}", found.n
    return Estimated(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        rows=rows,
        over=over,
        method=method,
        guarantee="calibrated",
        blocks=blocks,
        block=arms.length if blocks else "",
        detail={"p": found.p},
    )


def _delong(arms: Arms, alpha: float) -> Estimated:
    rows, ones = arms.outcome.size, int((arms.outcome >= 0.5).sum())
    try:
        auc = paired.delong(arms.outcome, arms.challenger, arms.champion, alpha=alpha)
    except SpecError:
        # Both order every row, or none: no variance, and yet nothing that chance does to so many rows.
        own, other = (SUMMARIES["roc_auc"].of(values, arms.outcome) for values in (arms.challenger, arms.champion))
        if min(ones, rows - ones) < FEWEST_ALIKE or own == other:
            raise
        return _alike(other - own, rows, min(ones, rows - ones))
    return Estimated(
        estimate=-auc.difference,
        low=-auc.high,
        high=-auc.low,
        rows=rows,
        over=f"{rows:,} rows",
        method="DeLong",
        guarantee="calibrated",
        detail={"p": auc.p, "challenger": auc.candidate, "champion": auc.other},
    )


def _of_pulls(metric: SummaryMetric, arms: Arms, alpha: float) -> Estimated:
    """By the pulls of both arms, row by row: what a bootstrap of so many rows would say, in a pass of each."""
    if metric.pull is None:
        raise SpecError(f"{metric.name} has no pulls.")
    sign = 1.0 if metric.direction == "down" else -1.0
    own, other = (metric.of(values, arms.outcome) for values in (arms.challenger, arms.champion))
    difference = metric.pull(arms.challenger, arms.outcome) - metric.pull(arms.champion, arms.outcome)
    found = pulled.interval(sign * (own - other), sign * difference, alpha=alpha, block=arms.block)
    is_flat = found.se == 0
    if is_flat and found.estimate != 0 and arms.outcome.size < FEWEST_ALIKE:
        raise SpecError(
            f"No row moves {metric.name}, and {arms.outcome.size} are too few to take that for certain.",
            cure=f"Bring {FEWEST_ALIKE} rows or more.",
        )
    return Estimated(
        estimate=found.estimate,
        low=found.estimate if is_flat else found.low,
        high=found.estimate if is_flat else found.high,
        rows=arms.outcome.size,
        over=f"{arms.outcome.size:,} rows" if arms.block is None else f"{found.n:,} {arms.length}s",
        method="infinitesimal jackknife over rows"
        if arms.block is None
        else f"infinitesimal jackknife by {arms.length}",
        guarantee="calibrated",
        blocks=0 if arms.block is None else found.n,
        block="" if arms.block is None else arms.length,
        detail={"p": found.p, "challenger": own, "champion": other},
    )


def _mean(values: Floats, axis: int = -1) -> Floats:
    found: Floats = values.mean(axis=axis)
    return found
