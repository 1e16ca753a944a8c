"""GLS-t: an anytime test that block differences have a positive mean, when neighbouring blocks may be correlated.

The right-Haar mixture t test (Gonen et al. 2005; Hendriksen, de Heide, Gruenwald 2021), made one-sided and applied after
whitening with each of a few correlations, weighted by what the data and the history say of the correlation, with Johnson's
(1978) correction for left skewness. The correlations are those of an AR(1), and of an AR(1) under independent noise: a
small part of the spread that stays for long, which no AR(1) of the whole can show. The weights are estimates and the
mean over correlations is a power mean, so this is no e-process: it is calibrated on stated worlds
(tests/calibration/test_glst.py), not proved. METHODS 3; ADR 0004, 0008, 0009.
"""

from __future__ import annotations

import functools
import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.stats.block_e import SCALE, finite, log_e_plus, log_sum, log_twice_cdf

Floats = NDArray[np.float64]
Memory = Literal["independent", "short", "long", "new"]

# AR(1) correlations with their prior, and those of slow noise under independent noise: share of the variance, correlation.
PHI = np.arange(10) / 10.0
PHI_PRIOR = np.where(PHI < 0.75, 1.0, 2.0) / 12
SLOW = ((0.6, 0.7), (0.6, 0.9), (0.3, 0.7), (0.3, 0.9))
SLOW_PRIOR = {"new": 0.1, "short": 0.1, "long": 0.5}
WEEK = 7  # lags that slow noise is whitened with

POWER = 0.5  # E is the power mean of the E given each correlation, with minus this exponent
HISTORY_MIN, HISTORY_MAX = 20, 90
UNKNOWN_SKEW = -1.0  # what *new* holds in place of a history's skewness, as if of HISTORY_MIN blocks
LEAST = 3


def log_e(differences: Floats, *, memory: Memory, history: Floats | None = None) -> Floats:
    """Natural log of E after each block, for "the long-run mean of `differences` is above 0".

    differences: shape (..., n), one per block, oldest first, margin already subtracted; a verdict at log(1/alpha).
    history: the same pair's differences from before the test, shape (m,), or (..., m) for one per path, 20 <= m <= 90;
    used by *short* and *long* for its correlation and skewness alone. *short* takes shocks to fade within some three
    blocks, *long* doubts it: half its prior is on noise that stays for a week or more. *new* needs no history.
    *independent* is `block_e.log_e_plus`, exact for independent normal blocks. Returns shape (..., n): the first k values
    do not depend, to the bit, on the blocks after them; 0 while a memory has too few blocks to say anything.
    Raises SpecError where the history has the wrong length, a difference is not finite, or the memory is unknown.
    """
    d = finite(differences)
    if memory == "independent":
        return log_e_plus(d)
    if memory not in SLOW_PRIOR:
        raise SpecError(unknown("memory", memory, ("independent", *SLOW_PRIOR)))
    past = None if memory == "new" else _checked(history)
    fits = [_whitened(d, noise) for noise in NOISES]
    log_u, skews, m = _weights(fits, memory, past)
    log_given = [_log_e_given(fit, skew, m) for fit, skew in zip(fits, skews, strict=True)]
    weighted = log_sum([u - POWER * log for u, log in zip(log_u, log_given, strict=True)])
    path = (log_sum(log_u) - weighted) / POWER
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    return np.where((n >= LEAST) & np.isfinite(path), path, 0.0)


def effective_memory(memory: Memory, history_blocks: int) -> Memory:
    """*new* while there are under 20 blocks of history, else the declared memory."""
    needs_history = memory in ("short", "long")
    return "new" if needs_history and history_blocks < HISTORY_MIN else memory


def _checked(history: Floats | None) -> Floats:
    h = np.asarray([] if history is None else history, dtype=np.float64)
    if h.ndim < 1 or not HISTORY_MIN <= h.shape[-1] <= HISTORY_MAX or not np.isfinite(h).all():
        raise SpecError(
            f"A history of {h.shape[-1] if h.ndim else 0} blocks cannot say how long blocks remember.",
            cure=f"Give {HISTORY_MIN} to {HISTORY_MAX} finite blocks, or declare the memory 'new'.",
        )
    return h


class _Noise(NamedTuple):
    """A stationary correlation as regressions on the past, the first on none, the last on all lags and used ever after."""

    coefficients: list[Floats]
    spreads: list[float]


def _noise(correlations: NDArray[np.floating]) -> _Noise:
    """The Durbin-Levinson recursion (Brockwell, Davis 1991, 5.2) on the correlations at lags 1, 2, ..."""
    coefficients, spreads = [np.zeros(0)], [1.0]
    for lag, correlation in enumerate(correlations):
        last, variance = coefficients[-1], spreads[-1] ** 2
        partial = (correlation - float(last @ correlations[:lag][::-1])) / variance
        coefficients.append(np.append(last - partial * last[::-1], partial))
        spreads.append(math.sqrt(variance * (1 - partial * partial)))
    return _Noise(coefficients, spreads)


NOISES = [_noise(np.array([phi])) for phi in PHI] + [
    _noise(share * phi ** np.arange(1, WEEK + 1)) for share, phi in SLOW
]


def _log_prior(memory: str) -> Floats:
    slow = SLOW_PRIOR[memory]
    prior: Floats = np.append((1 - slow) * PHI_PRIOR, np.full(len(SLOW), slow / len(SLOW)))
    log_prior: Floats = np.log(prior)
    return log_prior


class _Fit:
    """Running least squares of the whitened differences on the whitened constant, at each n."""

    __slots__ = ("information", "log_weight", "mean", "n", "rest", "third")

    def __init__(self, y: Floats, x: Floats, log_spread: Floats) -> None:
        n: Floats = np.arange(1, y.shape[-1] + 1, dtype=np.float64)
        xx, xy, yy = np.cumsum(x * x, axis=-1), np.cumsum(x * y, axis=-1), np.cumsum(y * y, axis=-1)
        self.n = n
        self.information = xx
        self.mean = mu = xy / xx
        # A constant stretch leaves nothing to scale by; the tiny floor keeps its logs finite and its t bounded, and the
        # third power of its root is no underflow: blocks of nought alike are no evidence, not a division by nought.
        self.rest = np.maximum(yy - mu * xy, 1e-12 * yy + 1e-200)
        xxx, xxy = np.cumsum(x * x * x, axis=-1), np.cumsum(x * x * y, axis=-1)
        xyy, yyy = np.cumsum(x * y * y, axis=-1), np.cumsum(y * y * y, axis=-1)
        self.third = (yyy - 3 * mu * xyy + 3 * mu * mu * xxy - mu * mu * mu * xxx) / n
        self.log_weight = -np.cumsum(log_spread) - 0.5 * np.log(xx) - (n - 1) / 2 * np.log(self.rest)


def _whitened(d: Floats, noise: _Noise) -> _Fit:
    n, lags = d.shape[-1], len(noise.spreads) - 1
    order = np.array([min(block, lags) for block in range(n)], dtype=np.int64)
    y, x = np.array(d, copy=True), np.ones(n)
    for lag in range(1, min(lags, n - 1) + 1):
        taken = np.array([c[lag - 1] if lag <= c.size else 0.0 for c in noise.coefficients])[order[lag:]]
        y[..., lag:] -= taken * d[..., :-lag]
        x[lag:] -= taken
    spread = np.array(noise.spreads)[order]
    return _Fit(y / spread, x / spread, np.log(spread))


def _weights(fits: list[_Fit], memory: str, past: Floats | None) -> tuple[list[Floats], list[Floats], float]:
    """Log weight of each noise at each n, the skewness that the history holds under it, and the history's length."""
    log_prior = _log_prior(memory)
    if past is None:
        known = [fit.log_weight + prior for fit, prior in zip(fits, log_prior, strict=True)]
        return known, [np.array([UNKNOWN_SKEW])] * len(fits), float(HISTORY_MIN)
    before = _remembered(past.tobytes(), past.shape)
    log_u = [fit.log_weight + then[0] + prior for fit, then, prior in zip(fits, before, log_prior, strict=True)]
    return log_u, [skew for _, skew in before], float(past.shape[-1])


@functools.lru_cache(maxsize=32)
def _remembered(past: bytes, shape: tuple[int, ...]) -> list[tuple[Floats, Floats]]:
    """Of each noise the log weight that a history gives it, and the skewness under it; a rollout asks anew each day."""
    h = np.frombuffer(past, dtype=np.float64).reshape(shape)
    fits = [_whitened(h, noise) for noise in NOISES]
    return [
        (then.log_weight[..., -1:], then.third[..., -1:] / (then.rest[..., -1:] / shape[-1]) ** 1.5) for then in fits
    ]


def _log_e_given(fit: _Fit, history_skew: Floats, m: float) -> Floats:
    """Log E+ at the whitened data's t, lowered for left skewness."""
    n, nu = fit.n, np.maximum(fit.n - 1, 1.0)
    s = np.sqrt(fit.rest / nu)
    t = fit.mean * np.sqrt(fit.information) / s
    own = fit.third / (s * s * s)
    skew = 1.5 * np.minimum(0.0, np.minimum(own, (n * own + m * history_skew) / (n + m)))
    # The correction turns down once t has passed its peak; held there, a larger effect is never decided later (ADR 0008).
    held = np.where(t > 0, np.minimum(t, 1.5 * np.sqrt(n) / np.maximum(-skew, 1e-12)), t)
    t = np.minimum(t, held + skew * (1 / 6 + held * held / 3) / np.sqrt(n))
    g = SCALE * fit.information
    q, q1 = 1 + t * t / nu, 1 + t * t / (nu * (1 + g))
    tail = log_twice_cdf(n, t * np.sqrt(n * g / ((1 + g) * nu * q1)))
    found: Floats = -0.5 * np.log1p(g) + n / 2 * (np.log(q) - np.log(q1)) + tail
    return found
