"""Two versions on the same held-out rows: accuracy by McNemar, ROC-AUC by DeLong, any loss by Wilcoxon's signed ranks.

All three take the rows as independent. Where rows of a day or a unit move together, they promise too much; use
`bootstrap.block_mean` or `bootstrap.block_bca` there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, ndtr, ndtri

from lockgate.errors import SpecError
from lockgate.stats.multiplicity import checked_alpha

Floats = NDArray[np.float64]


class AccuracyDifference(NamedTuple):
    """Candidate minus other. gained: rows that only the candidate got right; lost: rows that only the other did."""

    difference: float
    low: float
    high: float
    p: float
    gained: int
    lost: int
    n: int


class AucDifference(NamedTuple):
    """Candidate minus other, with both areas; se is the difference's own, p two-sided."""

    difference: float
    low: float
    high: float
    se: float
    z: float
    p: float
    candidate: float
    other: float


class SignedRank(NamedTuple):
    """Two-sided p; effect: (rank sum above nought - below) over their total, in [-1, 1]; n: rows that differ at all."""

    p: float
    effect: float
    n: int


def mcnemar(candidate: Floats, other: Floats, *, alpha: float) -> AccuracyDifference:
    """Difference of two accuracies on the same rows; arguments as in `mcnemar_counts`, from the rows themselves.

    candidate, other: shape (n,), 1 where that version was right, 0 where it was wrong.
    Raises SpecError for no rows, different lengths, or a value that is neither 0 nor 1.
    """
    a, b = checked_rows(candidate=candidate, other=other)
    _refuse_other_than_0_and_1(candidate=a, other=b)
    return mcnemar_counts(int((a > b).sum()), int((a < b).sum()), a.size, alpha=alpha)


def mcnemar_counts(gained: int, lost: int, n: int, *, alpha: float) -> AccuracyDifference:
    """Difference of two accuracies, from counts: McNemar's mid-p, and Tango's score interval at 1 - `alpha`.

    gained, lost: rows that only the candidate, only the other got right, of n. mid-p is twice the binomial tail of the
    rarer kind, less the chance of the very count seen: it keeps alpha wherever tried, and is far less timid than the exact
    test; 1 where gained = lost. The interval inverts the score test, which at 0 is McNemar's; so near the line interval and
    p may disagree in the third figure. Assumes independent rows.
    Raises SpecError for counts that cannot be. Source: Fagerland, Lydersen, Laake (2013); Tango (1998).
    """
    checked_alpha(alpha)
    if n < 1 or gained < 0 or lost < 0 or gained + lost > n:
        raise SpecError(f"Of {n} rows, {gained} gained and {lost} lost cannot be.", cure="Count discordant rows once.")
    low, high = _score_interval(gained, lost, n, -float(ndtri(alpha / 2)))
    return AccuracyDifference((gained - lost) / n, low, high, _mid_p(gained, lost), gained, lost, n)


def _mid_p(gained: int, lost: int) -> float:
    """P(X <= k) + P(X < k), X binomial(gained + lost, 1/2) and k the smaller: 2 P(X <= k) - P(X = k) without cancellation."""
    k, total = min(gained, lost), gained + lost
    if gained == lost:
        return 1.0
    below = float(betainc(total - k + 1, k, 0.5)) if k else 0.0
    return float(betainc(total - k, k + 1, 0.5)) + below


def _score_interval(gained: int, lost: int, n: int, z: float) -> tuple[float, float]:
    def excess(delta: float, side: float) -> float:
        return gained - lost - n * delta + side * z * math.sqrt(n * _score_variance(delta, gained, lost, n))

    # Just off the estimate: where no row is discordant it is a root itself, and not the one asked for.
    estimate, off = (gained - lost) / n, 1e-12
    low = -1.0 if lost == n else brentq(excess, -1.0, estimate - off, args=(-1.0,), xtol=1e-14)
    high = 1.0 if gained == n else brentq(excess, estimate + off, 1.0, args=(1.0,), xtol=1e-14)
    return float(low), float(high)


def _score_variance(delta: float, gained: int, lost: int, n: int) -> float:
    """Variance of one row's difference if the true one is `delta`, the share of lost rows at its likeliest (Tango 1998)."""
    b = -gained - lost + (2 * n - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    root = math.sqrt(max(b * b - 8 * n * c, 0.0))
    # The textbook root of the quadratic loses its digits where b > 0; this is the same root.
    share = (root - b) / (4 * n) if b <= 0 else -2 * c / (root + b)
    return max(2 * share + delta * (1 - delta), 0.0)


def delong(outcome: Floats, candidate: Floats, other: Floats, *, alpha: float) -> AucDifference:
    """Difference of two ROC-AUCs on the same rows, with its standard error, z, two-sided p and interval at 1 - `alpha`.

    outcome: shape (n,), 0 or 1, at least 2 of each; candidate, other: shape (n,), finite scores, larger for 1; ties count a
    half. Costs a few sorts of n. Assumes independent rows and, for z, rows enough: at alpha .05 it is false .050 of the time
    with 100 rows of each class, .057 with 20 of the rarer, .064 with 10 (tests/calibration/test_offline_intervals.py).
    Scores that rank all rows alike give 0, p = 1.
    Raises SpecError for different lengths, a value that is not finite, an outcome besides 0 and 1, one class alone, or areas
    so extreme that they leave no variance. Source: DeLong, DeLong, Clarke-Pearson (1988); Sun, Xu (2014).
    """
    y, a, b = checked_rows(outcome=outcome, candidate=candidate, other=other)
    _refuse_other_than_0_and_1(outcome=y)
    checked_alpha(alpha)
    is_one = y == 1
    ones, noughts = int(is_one.sum()), int((~is_one).sum())
    if min(ones, noughts) < 2:
        raise SpecError(
            f"{ones} rows of class 1 and {noughts} of class 0 cannot give an AUC's error.",
            cure="Hold out at least 2 rows of each class; 20 is a good start.",
        )
    (above_a, below_a), (above_b, below_b) = _placements(a, is_one), _placements(b, is_one)
    difference = float((above_a - above_b).mean())
    variance = float((above_a - above_b).var(ddof=1)) / ones + float((below_a - below_b).var(ddof=1)) / noughts
    se = math.sqrt(variance) if variance > 1e-24 else 0.0
    z = _standardised(difference, se)
    reach = -float(ndtri(alpha / 2)) * se
    low, high = max(difference - reach, -1.0), min(difference + reach, 1.0)
    return AucDifference(
        difference, low, high, se, z, 2 * float(ndtr(-abs(z))), float(above_a.mean()), float(above_b.mean())
    )


def _placements(score: Floats, is_one: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """For each row of class 1 the share of class 0 it is above, for each of class 0 the share of class 1 it is below."""
    among_all, ones, noughts = _midranks(score), score[is_one], score[~is_one]
    above = (among_all[is_one] - _midranks(ones)) / noughts.size
    below = 1.0 - (among_all[~is_one] - _midranks(noughts)) / ones.size
    return above, below


def _midranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _standardised(difference: float, se: float) -> float:
    if se > 0:
        return difference / se
    if abs(difference) < 1e-12:
        return 0.0
    raise SpecError(
        f"AUCs that differ by {difference:g} leave no variance: one of them separates every row.",
        cure="Look for a leak in the features, or hold out more rows.",
    )


def signed_rank(differences: Floats) -> SignedRank:
    """Whether the differences lie more on one side of nought, by Wilcoxon's signed ranks: a line beside the mean's own test.

    differences: shape (n,), candidate minus other, one per row; nought is left out. Exact for few rows without ties, normal
    else (scipy's own choice). Outliers do not rule it. It asks about a symmetric centre, not the mean: where the two
    disagree, the tails decide the mean. Assumes independent rows.
    Raises SpecError for no rows or a difference that is not finite. Source: Wilcoxon (1945), Pratt (1959) for noughts.
    """
    from scipy.stats import wilcoxon

    (d,) = checked_rows(differences=differences)
    d = d[d != 0]
    if not d.size:
        return SignedRank(1.0, 0.0, 0)
    ranks = _midranks(np.abs(d))
    effect = float((np.sign(d) * ranks).sum() / ranks.sum())
    return SignedRank(float(wilcoxon(d).pvalue), effect, d.size)


def checked_rows(**columns: Floats) -> tuple[Floats, ...]:
    """The columns as floats of shape (n,); SpecError by name for no rows, different lengths, or a value not finite."""
    found = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    first, n = next((name, values.size) for name, values in found.items())
    for name, values in found.items():
        if values.ndim != 1 or not values.size:
            raise SpecError(f"{name} of shape {values.shape} holds no rows.", cure="Give one value per row.")
        if values.size != n:
            raise SpecError(f"{name} holds {values.size} rows, {first} {n}.", cure="Give both versions the same rows.")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise SpecError(
                f"{name} is {values[row]:g} in row {row}.", cure="Leave out rows without a value, in all columns."
            )
    return tuple(found.values())


def _refuse_other_than_0_and_1(**columns: Floats) -> None:
    for name, values in columns.items():
        is_odd = (values != 0) & (values != 1)
        if is_odd.any():
            raise SpecError(
                f"{name} holds {values[is_odd][0]:g}, neither 0 nor 1.", cure="Give 1 for yes and 0 for no."
            )
