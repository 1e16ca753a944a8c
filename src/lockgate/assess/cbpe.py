"""Metrics of two classes without outcomes (CBPE): chances, calibrated on rows whose outcomes are known, taken at their word.

Calibrated chances of rows like the reference's say how many of them will be right. That holds if P(Y|X) is unchanged and
calibration carries over to the rows at hand; M-CBPE weights the reference towards them first. METHODS 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lockgate.metrics import expected
from lockgate.stats import poisson_binomial

Floats = NDArray[np.float64]
Calibrated = Callable[[Floats], Floats]
DRAWS = 4_000


class Guess(NamedTuple):
    """One metric: what is to be expected, and both ends that the luck of the outcomes leaves it. nan where there is none."""

    value: float
    low: float
    high: float


def calibrated(value: Floats, outcome: Floats, weight: Floats | None = None) -> Calibrated:
    """What chances become by isotonic regression on rows with an outcome; beyond them the ends' own.

    value, outcome: shape (n,), outcome 0 or 1, n at least 1; one class alone gives its own chance, 0 or 1.
    Source: Zadrozny, Elkan (2002); CBPE of NannyML (Bialek et al.) calibrates so.
    """
    from sklearn.isotonic import IsotonicRegression

    fitted: Any = IsotonicRegression(out_of_bounds="clip", increasing=True)
    fitted.fit(value, outcome, sample_weight=weight)
    return lambda given: np.asarray(fitted.predict(given), dtype=np.float64) if given.size else np.empty(0)


def guesses(
    value: Floats, chance: Floats, *, alpha: float, threshold: float = 0.5, seed: int = 0
) -> Mapping[str, Guess]:
    """Every metric of `metrics.expected`, with both ends at 1 - alpha. value: shape (n,), what was said; chance: shape (n,),
    calibrated. Counts go by the Poisson-binomial law, ratios of counts by draws from it, areas and losses by its variance.
    """
    found = expected.measures(value, chance, threshold=threshold)
    ends = _of_counts(value >= threshold, chance, alpha) | _of_ratios(value >= threshold, chance, alpha, seed)
    for name, pull in (
        ("log_loss", expected.loss_pull("log_loss", value) / max(value.size, 1)),
        ("brier", expected.loss_pull("brier", value) / max(value.size, 1)),
        ("roc_auc", expected.auc_pull(value, chance)),
    ):
        reach = float(ndtri(1 - alpha / 2)) * math.sqrt(float((chance * (1 - chance) * pull**2).sum()))
        ends[name] = (found[name] - reach, found[name] + reach)
    return {name: _within(name, own, *ends[name]) for name, own in found.items()}


def _within(name: str, value: float, low: float, high: float) -> Guess:
    """All but the log loss lie in [0, 1]."""
    if not math.isfinite(value):
        return Guess(math.nan, math.nan, math.nan)
    most = math.inf if name == "log_loss" else 1.0
    return Guess(value, min(max(low, 0.0), value), max(min(high, most), value))


def _of_counts(says: NDArray[np.bool_], chance: Floats, alpha: float) -> dict[str, tuple[float, float]]:
    """Shares of rows whose number is known: all of them, and those predicted 1."""
    right = np.where(says, chance, 1 - chance)
    return {"accuracy": _share(right, alpha), "precision": _share(chance[says], alpha)}


def _share(chance: Floats, alpha: float) -> tuple[float, float]:
    low, high = poisson_binomial.interval(chance, alpha=alpha)
    return (low / chance.size, high / chance.size) if chance.size else (math.nan, math.nan)


def _of_ratios(says: NDArray[np.bool_], chance: Floats, alpha: float, seed: int) -> dict[str, tuple[float, float]]:
    """Shares of rows whose number is itself luck. Hits and misses are sums of other rows, so drawn each by itself."""
    rng = np.random.default_rng(seed)
    hits = poisson_binomial.drawn(chance[says], DRAWS, rng)
    misses = poisson_binomial.drawn(chance[~says], DRAWS, rng)
    predicted, other = float(says.sum()), float((~says).sum())
    false_alarms, rejections = predicted - hits, other - misses
    return {
        "recall": _quantiles(hits, hits + misses, alpha),
        "specificity": _quantiles(rejections, rejections + false_alarms, alpha),
        "f1": _quantiles(2 * hits, predicted + hits + misses, alpha),
    }


def _quantiles(part: Floats, whole: Floats, alpha: float) -> tuple[float, float]:
    known = whole > 0
    if not known.any():
        return math.nan, math.nan
    low, high = np.quantile(part[known] / whole[known], [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)
