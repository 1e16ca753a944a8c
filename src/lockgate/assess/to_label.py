"""Which rows to label when inputs have drifted and outcomes are far: a small sample, more of it where the drift is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError

FLOOR = 0.2
"""Share of the sample that is spread over all rows, so that what no column shows is looked at too."""


def drawn(excess: NDArray[np.float64], strata: NDArray[np.int64], *, rows: int, seed: int) -> NDArray[np.int64]:
    """Places of the rows to label, in ascending order, each once.

    strata: shape (n,), each row's cell of the column that drifted most, 0 to k - 1; excess: shape (k,), by how much each
    cell's share has grown. A FLOOR of the sample goes to cells by their rows, the rest by their excess, as far as they
    have rows. Raises SpecError unless 1 row or more is asked for.
    """
    if rows < 1:
        raise SpecError(f"{rows} rows are no sample.", cure="Ask for some: 200 say what a fifth of them are like.")
    rng = np.random.default_rng(seed)
    sizes = np.bincount(strata, minlength=excess.size).astype(np.float64)
    wanted = _quotas(sizes, np.maximum(excess, 0.0), min(rows, strata.size))
    chosen = [
        rng.choice(np.flatnonzero(strata == cell), size=int(count), replace=False)
        for cell, count in enumerate(wanted.tolist())
        if count
    ]
    found: NDArray[np.int64] = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)
    return found


def _quotas(sizes: NDArray[np.float64], excess: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    """How many of each cell: whole numbers that add up to `rows`, none beyond its cell."""
    grown = excess / excess.sum() if excess.sum() > 0 else sizes / max(sizes.sum(), 1.0)
    share = FLOOR * sizes / max(sizes.sum(), 1.0) + (1 - FLOOR) * grown
    quota: NDArray[np.int64] = np.minimum(np.floor(share * rows), sizes).astype(np.int64)
    while quota.sum() < rows:
        room = sizes - quota
        # The largest remainder first; a cell without room waits for no turn.
        left = np.where(room > 0, share * rows - quota, -np.inf)
        quota[int(np.argmax(left))] += 1
    return quota
