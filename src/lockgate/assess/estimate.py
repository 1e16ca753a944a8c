"""The difference of two arms on the same rows, by the method made for its metric. METHODS 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.offline import Estimated, by_blocks
from lockgate.errors import SpecError, unknown
from lockgate.metrics import LOSSES, SUMMARIES, Loss, SummaryMetric
from lockgate.stats import bootstrap, paired
from lockgate.stats.bootstrap import Statistic

Floats = NDArray[np.float64]

DIRECTIONS = ("up", "down")
# A bootstrap of more rows costs minutes and says what Student's t says.
MOST_BOOTSTRAPPED = 20_000


class Arms(NamedTuple):
    """Both arms' predictions and the outcomes, shape (n,); block: each row's block, None where rows are independent;
    length: what a block is, in words.
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


def estimate(metric: Loss | SummaryMetric, arms: Arms, *, alpha: float, seed: int) -> Estimated:
    """Challenger minus champion, positive is worse. Raises SpecError where the rows cannot say."""
    if isinstance(metric, SummaryMetric):
        return _of_summary(metric, arms, alpha, np.random.default_rng(seed))
    own, other = (metric.of(values, arms.outcome) for values in (arms.challenger, arms.champion))
    difference = own - other
    if arms.block is None:
        return _of_rows(metric, own, other, alpha, np.random.default_rng(seed))
    labels, place = np.unique(arms.block, return_inverse=True)
    sums = np.bincount(place, weights=difference, minlength=labels.size).astype(np.float64)
    counts = np.bincount(place, minlength=labels.size).astype(np.float64)
    block = "1d" if arms.length == "day" else arms.length
    return by_blocks(
        sums, counts, alpha=alpha, call_variance=float(difference.var()), block=block, over=f"{arms.length}s"
    )


def _of_rows(metric: Loss, own: Floats, other: Floats, alpha: float, rng: np.random.Generator) -> Estimated:
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
    if rows > MOST_BOOTSTRAPPED:
        found_t = by_blocks(
            difference, np.ones(rows), alpha=alpha, call_variance=float(difference.var()), block="row", over="rows"
        )
        return found_t._replace(blocks=0, block="", method="Student's t over rows", lag1=None, design_effect=None)
    spread = bootstrap.bca(_mean, difference, alpha=alpha, rng=rng)
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


def _of_summary(metric: SummaryMetric, arms: Arms, alpha: float, rng: np.random.Generator) -> Estimated:
    rows = arms.outcome.size
    if metric.name == "roc_auc" and arms.block is None:
        auc = paired.delong(arms.outcome, arms.challenger, arms.champion, alpha=alpha)
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
    sign = 1.0 if metric.direction == "down" else -1.0

    def worse(challenger: Floats, champion: Floats, outcome: Floats) -> float:
        return sign * (metric.of(challenger, outcome) - metric.of(champion, outcome))

    statistic: Statistic = worse
    columns = (arms.challenger, arms.champion, arms.outcome)
    if arms.block is None:
        strata = arms.outcome if set(np.unique(arms.outcome)) <= {0.0, 1.0} else None
        found = bootstrap.bca(statistic, *columns, alpha=alpha, rng=rng, strata=strata, resamples=2000)
        over, method, blocks = f"{rows:,} rows", "BCa bootstrap over rows", 0
    else:
        found = bootstrap.block_bca(statistic, *columns, blocks=arms.block, alpha=alpha, rng=rng, resamples=2000)
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


def _mean(values: Floats) -> float:
    return float(values.mean())
