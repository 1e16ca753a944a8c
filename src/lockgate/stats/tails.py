"""Tails of counts, exact: how unlikely so many bad rows are, at most, where each row is bad with chance `bar` at most.

Whatever the rows' order and dependence, as long as no row's chance of being bad, given the rows before it, is above the bar,
their number is stochastically below the binomial, so the tail bounds the chance of a false word. Rows that come in clusters
break that, which is why a bar must have been held by clusters before (`lockgate.decide.faults.usual`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, pdtr

from lockgate.errors import SpecError

Floats = NDArray[np.float64]
LEAST = -700.0
"""Natural log under which a float64 tail is nought; it is said to be this."""


def log_at_least(n: int, bad: int, *, bar: float) -> float:
    """Natural log of the chance of `bad` or more among n rows, each bad with chance `bar`. Raises SpecError."""
    _check(n, bad, bar)
    if bad == 0 or bar == 1:
        return 0.0
    return _log(float(betainc(bad, n - bad + 1, bar)) if bar else 0.0)


def log_at_most_poisson(seen: int, *, expected: float) -> float:
    """Natural log of the chance of `seen` or fewer where `expected` come on average. Raises SpecError."""
    if seen < 0 or not expected >= 0:
        raise SpecError(f"{seen} seen of {expected} expected cannot be.")
    return _log(float(pdtr(seen, expected)))


def highest(n: int, bad: float, *, delta: float) -> float:
    """The highest rate at which so few or fewer are seen with chance `delta` (Clopper, Pearson 1934); 1 of no rows."""
    _check(n, bad, 0.5)
    return 1.0 if bad == n else float(betaincinv(bad + 1, n - bad, 1 - delta))


def lowest(n: int, bad: float, *, delta: float) -> float:
    """The lowest rate at which so many or more are seen with chance `delta`; 0 of no bad rows."""
    _check(n, bad, 0.5)
    return 0.0 if bad == 0 else float(betaincinv(bad, n - bad + 1, delta))


def highest_each(counts: ArrayLike, *, delta: float) -> Floats:
    """Of each cell of a table of counts its highest share, all at once with chance 1 - delta. Returns shape (cells,)."""
    cells = np.asarray(counts, dtype=np.float64)
    rows, each = cells.sum(), delta / max(1, cells.size)
    if not rows:
        return np.ones(cells.size)
    upper: Floats = np.asarray(betaincinv(cells + 1, np.maximum(rows - cells, 1), 1 - each), dtype=np.float64)
    upper[cells == rows] = 1.0
    return upper


def fewest_rows(bar: float, alpha: float) -> float:
    """Rows that must all be bad until that is less likely than alpha; infinite where the bar is 1."""
    if bar >= 1:
        return math.inf
    return 1.0 if bar <= 0 else math.ceil(math.log(alpha) / math.log(bar))


def _log(chance: float) -> float:
    return max(LEAST, math.log(chance)) if chance > 0 else LEAST


def _check(n: int, bad: float, bar: float) -> None:
    if not 0 <= bad <= n:
        raise SpecError(f"{bad} bad rows among {n} cannot be.")
    if not 0 <= bar <= 1:
        raise SpecError(f"A bar of {bar} is no rate.", cure="Give a share of rows between 0 and 1.")
