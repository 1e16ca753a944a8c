"""GLS-t: an anytime test that block differences have a positive mean, when neighbouring blocks may be correlated.

The right-Haar mixture t test (Gonen et al. 2005; Hendriksen, de Heide, Gruenwald 2021), made one-sided and applied after
whitening with each of a grid of AR(1) correlations, weighted by what the data and the history say of the correlation,
with Johnson's (1978) correction for left skewness. Assumes that shocks fade within some three blocks. It is calibrated on
stated worlds (tests/calibration/test_glst.py), not proved.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp, stdtr

from lockgate.errors import SpecError

Floats = NDArray[np.float64]
Memory = Literal["independent", "short", "long", "new"]

PHI = np.arange(10) / 10.0
SCALE = 0.5
HISTORY_MIN, HISTORY_MAX = 20, 90


def log_e(differences: Floats, *, memory: Memory, history: Floats | None = None) -> Floats:
    """Natural log of E after each block, for "the long-run mean of `differences` is above 0".

    differences: shape (..., n), one per block, oldest first, margin already subtracted; a verdict at log(1/alpha).
    history: shape (m,), the same pair's differences from before the test, 20 <= m <= 90; used by *short* and *long* for
    its correlation and skewness alone. *new* needs none. *independent* is E+: blocks independent by design.
    *long* is *short* on pairs of blocks. Returns shape (..., n); 0 while a memory has too few blocks to say anything.
    Source: METHODS 3; see docs/adr/0004-worth-by-day-blocks.md.
    Raises SpecError where the history has the wrong length, or a difference is not finite.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(d).all():
        raise SpecError("A block difference is not finite.", cure="Leave out blocks without outcomes.")
    if memory == "independent":
        return _log_e_plus(d)
    if memory == "new":
        return _log_gls(d, None)
    h = _checked(history)
    if memory == "short":
        return _log_gls(d, h)
    return _by_pairs(d, h)


def effective_memory(memory: Memory, history_blocks: int) -> Memory:
    """*new* while there are under 20 blocks of history, else the declared memory."""
    needs_history = memory in ("short", "long")
    return "new" if needs_history and history_blocks < HISTORY_MIN else memory


def _checked(history: Floats | None) -> Floats:
    h = np.asarray([] if history is None else history, dtype=np.float64)
    if h.ndim != 1 or not HISTORY_MIN <= h.size <= HISTORY_MAX or not np.isfinite(h).all():
        raise SpecError(
            f"A history of {h.size} blocks cannot say how long blocks remember.",
            cure=f"Give {HISTORY_MIN} to {HISTORY_MAX} finite blocks, or declare the memory 'new'.",
        )
    return h


def _by_pairs(d: Floats, h: Floats) -> Floats:
    """*short* on sums of two neighbouring blocks; a look after each block sees the last whole pair."""
    pairs = d.shape[-1] // 2
    wide = d[..., : 2 * pairs].reshape(*d.shape[:-1], pairs, 2).mean(axis=-1)
    halved = h[h.size % 2 :].reshape(-1, 2).mean(axis=-1)
    log_wide = _log_gls(wide, halved)
    path = np.zeros(d.shape)
    path[..., 1 : 2 * pairs : 2] = log_wide
    path[..., 2 : 2 * pairs + 1 : 2] = log_wide[..., : path[..., 2 : 2 * pairs + 1 : 2].shape[-1]]
    return path


def _log_e_plus(d: Floats) -> Floats:
    """E+: the two-sided mixture times twice the posterior chance of a positive mean; silent before block 7."""
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    total, squares = np.cumsum(d, axis=-1), np.cumsum(d * d, axis=-1)
    k = n * SCALE / (1 + n * SCALE)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(squares > 0, total**2 / (n * squares), 0.0)
        x = np.where(squares > 0, total * np.sqrt(k) / np.sqrt(squares * (1 - k * r2)), 0.0)
    two_sided = -0.5 * np.log1p(n * SCALE) - n / 2 * np.log1p(-k * r2)
    path = two_sided + _log_twice_cdf(n, x)
    return np.where((n >= 7) & (squares > 0), path, 0.0)


def _log_gls(d: Floats, h: Floats | None) -> Floats:
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    fits = [_whitened(d, float(phi)) for phi in PHI]
    log_u = np.stack([fit.log_weight for fit in fits])
    skews: list[Floats | float] = [-1.0] * len(PHI)
    m = float(HISTORY_MIN)
    if h is not None:
        m = float(h.size)
        past = [_whitened(h, float(phi)) for phi in PHI]
        log_u += np.array([fit.log_weight[-1] for fit in past]).reshape(-1, *([1] * d.ndim))
        skews = [float(fit.third[-1] / (fit.rest[-1] / m) ** 1.5) for fit in past]
    log_u -= logsumexp(log_u, axis=0)
    log_phi = np.stack([_log_e_given(fit, n, skew, m) for fit, skew in zip(fits, skews, strict=True)])
    path = -2.0 * logsumexp(log_u - 0.5 * log_phi, axis=0)
    return np.where((n >= 3) & np.isfinite(path), path, 0.0)


class _Fit:
    """Running least squares of the whitened differences on the whitened constant, at each n."""

    __slots__ = ("information", "log_weight", "mean", "rest", "third")

    def __init__(self, y: Floats, x: Floats, c: float) -> None:
        n = np.arange(1, y.shape[-1] + 1, dtype=np.float64)
        xx, xy, yy = np.cumsum(x * x, axis=-1), np.cumsum(x * y, axis=-1), np.cumsum(y * y, axis=-1)
        self.information = xx
        self.mean = mu = xy / xx
        # A constant stretch leaves nothing to scale by; the tiny floor keeps its logs finite and its t bounded, and the
        # third power of its root is no underflow: blocks of nought alike are no evidence, not a division by nought.
        self.rest = np.maximum(yy - mu * xy, 1e-12 * yy + 1e-200)
        xxx, xxy = np.cumsum(x**3, axis=-1), np.cumsum(x * x * y, axis=-1)
        xyy, yyy = np.cumsum(x * y * y, axis=-1), np.cumsum(y**3, axis=-1)
        self.third = (yyy - 3 * mu * xyy + 3 * mu**2 * xxy - mu**3 * xxx) / n
        self.log_weight = -(n - 1) / 2 * np.log(c) - 0.5 * np.log(xx) - (n - 1) / 2 * np.log(self.rest)


def _whitened(d: Floats, phi: float) -> _Fit:
    c = 1 - phi * phi
    y, x = np.array(d, copy=True), np.ones(d.shape[-1])
    y[..., 1:] = (d[..., 1:] - phi * d[..., :-1]) / np.sqrt(c)
    x[1:] = (1 - phi) / np.sqrt(c)
    return _Fit(y, x, c)


def _log_e_given(fit: _Fit, n: Floats, history_skew: Floats | float, m: float) -> Floats:
    nu = np.maximum(n - 1, 1.0)
    s = np.sqrt(fit.rest / nu)
    t = fit.mean * np.sqrt(fit.information) / s
    own = fit.third / s**3
    skew = 1.5 * np.minimum(0.0, np.minimum(own, (n * own + m * history_skew) / (n + m)))
    # The correction turns down once t has passed its peak; held there, a larger effect is never decided later (ADR 0008).
    held = np.where(t > 0, np.minimum(t, 1.5 * np.sqrt(n) / np.maximum(-skew, 1e-12)), t)
    t = np.minimum(t, held + skew * (1 / 6 + held * held / 3) / np.sqrt(n))
    g = SCALE * fit.information
    q, q1 = 1 + t * t / nu, 1 + t * t / (nu * (1 + g))
    tail = _log_twice_cdf(n, t * np.sqrt(n * g / ((1 + g) * nu * q1)))
    found: Floats = -0.5 * np.log1p(g) + n / 2 * (np.log(q) - np.log(q1)) + tail
    return found


def _log_twice_cdf(degrees: Floats, x: Floats) -> Floats:
    """log(2 T_n(x)), finite far out in the left tail where the Student CDF underflows."""
    chance = stdtr(degrees, x)
    with np.errstate(divide="ignore"):
        log_chance: Floats = np.where(chance > 0, np.log(chance), log_ndtr(x))
    twice: Floats = np.log(2.0) + log_chance
    return twice
