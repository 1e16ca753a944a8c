"""Rules that others stop a canary by, each restated in a few lines, on the same streams as ours.

Each takes `Looks` and answers, for every look, whether the rule says that the canary is worse; the first such look stops
it. A rule keeps the constants that its source gives or shows in its examples; where the source leaves one open, the
choice here is said. Rules that lean on a normal limit stay silent until both arms have five failures (thirty calls where
the value is a latency): the usual rule of thumb, and in their favour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import mannwhitneyu

from lockgate.sim.streams import Calls

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rule = Callable[["Looks"], Bools]

EVERY = 100
FAILURES, FEWEST = 5, 30


class Looks(NamedTuple):
    """The running sums that the rules look at, every 100 calls. Shape (looks, 2), champion first.

    n: calls; total, squares: of the values; is_ready: both arms have seen enough for a normal limit; weighted: shape
    (looks, 3), count, sum and squares of the effect estimated from each call and its recorded share.
    """

    calls: Calls
    n: Floats
    total: Floats
    squares: Floats
    is_ready: Bools
    weighted: Floats

    @property
    def difference(self) -> Floats:
        """Canary's mean less the champion's."""
        mean = self.total / np.maximum(self.n, 1)
        found: Floats = mean[:, 1] - mean[:, 0]
        return found

    @property
    def variance(self) -> Floats:
        """Of the difference, each arm with its own."""
        n = np.maximum(self.n, 1)
        own = np.maximum(self.squares / n - (self.total / n) ** 2, 0.0)
        found: Floats = np.maximum((own / n).sum(axis=1), 1e-300)
        return found


def looks(calls: Calls, *, is_rate: bool = True) -> Looks:
    """The sums of a stream drawn by lot; where pairs were scored take `unpaired` first."""
    at = np.arange(EVERY, calls.arm.size + 1, EVERY) - 1
    arms: Floats = np.column_stack([1.0 - calls.arm, calls.arm]).astype(np.float64)
    values = arms * calls.value[:, None]
    n, total = np.cumsum(arms, axis=0)[at], np.cumsum(values, axis=0)[at]
    squares = np.cumsum(values * calls.value[:, None], axis=0)[at]
    events = np.cumsum(values != 0, axis=0)[at] / FAILURES if is_rate else n / FEWEST
    is_ready: Bools = np.asarray(events.min(axis=1) >= 1)
    return Looks(calls, n, total, squares, is_ready, _weighted(calls, arms, values, at))


def unpaired(calls: Calls) -> Calls:
    """Pairs as two calls each, one per arm at a share of a half: what a rule for two samples makes of them."""
    if calls.shadow is None:
        return calls
    n = calls.arm.size
    value = np.column_stack([calls.value, calls.shadow]).ravel()
    return Calls(np.tile(np.array([0, 1]), n), value, np.full(2 * n, 0.5))


def peeking_z(seen: Looks, *, alpha: float) -> Bools:
    """A fixed-sample two-proportion z test, looked at again and again (Armitage, McPherson, Rowe 1969 on why not)."""
    z = seen.difference / np.sqrt(seen.variance)
    return np.asarray(seen.is_ready & (z >= -ndtri(alpha)))


def mixture_sprt(seen: Looks, *, alpha: float, effect: float) -> Bools:
    """Always-valid p-values by a normal mixture, as A/B platforms run them (Johari, Koomen, Pekelis, Walsh 2017, 2022).

    Two-sided at alpha as published; its harmful side alone is counted. effect: the mixture's standard deviation, which
    the paper sets by past effects.
    """
    v, mixed = seen.variance, seen.variance + effect**2
    log_ratio = 0.5 * np.log(v / mixed) + seen.difference**2 * effect**2 / (2 * v * mixed)
    return np.asarray(seen.is_ready & (seen.difference > 0) & (log_ratio >= -math.log(alpha)))


def asymptotic_pooled(seen: Looks, *, alpha: float, tightest: float = 10_000) -> Bools:
    """The one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), for the plain
    difference of the arms' means. tightest: the number of calls it is tuned for; ours to choose.
    """
    n = seen.n.sum(axis=1)
    return np.asarray(seen.is_ready & (seen.difference >= np.sqrt(seen.variance * n) * _boundary(n, alpha, tightest)))


def asymptotic_weighted(seen: Looks, *, alpha: float, tightest: float = 10_000) -> Bools:
    """The same sequence on each call's own estimate of the effect (augmented inverse propensity, with the recorded share):
    the form that the paper gives for randomised experiments.
    """
    n, total, squares = seen.weighted.T
    mean = total / n
    sd = np.sqrt(np.maximum(squares / n - mean**2, 1e-300))
    return np.asarray(seen.is_ready & (mean >= sd * _boundary(n, alpha, tightest)))


def over_a_limit(seen: Looks, *, limit: float, failed_checks: int = 4, window: int = 1_000) -> Bools:
    """A fixed limit on the canary's own failure rate in each window, as progressive-delivery tools check it: rolled back at
    the fourth failed check (Argo Rollouts' example of an analysis: success >= 95 % each five minutes, failureLimit 3).
    """
    own = _windows(seen, window)[:, 1]
    return _after_checks(own > limit, failed_checks, seen, window)


def over_the_champion(
    seen: Looks, *, excess: float, is_relative: bool = False, failed_checks: int = 5, window: int = 1_000
) -> Bools:
    """The canary's mean in a window over the champion's by `excess`, or by that share of it; rolled back at the fifth failed
    check (Flagger's example: interval 1m, threshold 5, here against the champion and not a number).
    """
    champion, own = _windows(seen, window).T
    line = champion * (1 + excess) if is_relative else champion + excess
    return _after_checks(own > line, failed_checks, seen, window)


def sliding_ranks(seen: Looks, *, p: float = 0.01, bucket: int = 200, window: int = 60, every: int = 10) -> Bools:
    """A Mann-Whitney judge over sliding windows, as automated canary analysis runs it (Kayenta's default judge: 98 %
    confidence, so p < .01 on the harmful side): buckets' means of the canary against those of as many champion's calls.
    """
    series = _buckets(seen.calls, bucket)
    found = np.zeros(seen.n.shape[0], dtype=bool)
    for end in range(window, series.shape[0] + 1, every):
        part = series[end - window : end]
        part = part[~np.isnan(part).any(axis=1)]
        if part.shape[0] >= FEWEST and np.ptp(part) > 0:
            look = end * bucket // EVERY - 1
            found[look] = mannwhitneyu(part[:, 1], part[:, 0], alternative="greater", method="asymptotic").pvalue < p
    return found


def first(says: Bools) -> int | None:
    """The number of calls after which the rule stops the canary; None where it never does."""
    return (int(np.argmax(says)) + 1) * EVERY if says.any() else None


def _weighted(calls: Calls, arms: Floats, values: Floats, at: NDArray[np.intp]) -> Floats:
    """Running sums of m1 - m0 + A (y - m1) / w - (1 - A)(y - m0) / (1 - w), the arms' means m taken before the call."""
    before = np.cumsum(values, axis=0) - values
    mean = before / np.maximum(np.cumsum(arms, axis=0) - arms, 1)
    effect = mean[:, 1] - mean[:, 0]
    effect = effect + arms[:, 1] * (calls.value - mean[:, 1]) / calls.share
    effect = effect - arms[:, 0] * (calls.value - mean[:, 0]) / (1 - calls.share)
    found: Floats = np.column_stack([at + 1.0, np.cumsum(effect)[at], np.cumsum(effect**2)[at]]).astype(np.float64)
    return found


def _boundary(n: Floats, alpha: float, tightest: float) -> Floats:
    """The paper's one-sided boundary, in standard deviations of one call; rho by its equation for the best time."""
    rho2 = (-2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha) + 1)) / tightest
    grown = n * rho2 + 1
    found: Floats = np.sqrt(2 * grown / (n**2 * rho2) * np.log(1 + np.sqrt(grown) / (2 * alpha)))
    return found


def _windows(seen: Looks, window: int) -> Floats:
    """Each arm's mean within each window, shape (windows, 2); 0 where it had no calls."""
    step = window // EVERY
    n, total = (np.diff(part[step - 1 :: step], axis=0, prepend=np.zeros((1, 2))) for part in (seen.n, seen.total))
    found: Floats = total / np.maximum(n, 1)
    return found


def _after_checks(is_failed: Bools, failed_checks: int, seen: Looks, window: int) -> Bools:
    found = np.zeros(seen.n.shape[0], dtype=bool)
    step = window // EVERY
    stops = np.flatnonzero(np.cumsum(is_failed) >= failed_checks)
    if stops.size:
        found[(int(stops[0]) + 1) * step - 1 :] = True
    return found


def _buckets(calls: Calls, bucket: int) -> Floats:
    """Means of the canary's calls and of as many of the champion's, evenly taken, in each bucket: shape (buckets, 2)."""
    whole = calls.arm.size // bucket * bucket
    arm, value, share = (part[:whole] for part in (calls.arm, calls.value, calls.share))
    taken = np.cumsum(np.where(arm == 0, share / (1 - share), 0.0))
    is_baseline = (arm == 0) & (np.floor(taken) > np.floor(np.concatenate([[0.0], taken[:-1]])))
    sums = [
        np.where(which, part, 0.0).reshape(-1, bucket).sum(axis=1)
        for which in (is_baseline, arm == 1)
        for part in (value, np.ones(whole))
    ]
    with np.errstate(invalid="ignore"):
        return np.column_stack([sums[0] / sums[1], sums[2] / sums[3]])
