"""Which rows of a checked table baselines learn on, and which everybody is judged on: nobody knows what the model saw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.columns import Columns, length
from lockgate.features.pipeline import Floats
from lockgate.records import Contract
from lockgate.records.duration import UNITS_S

FIRST_PART = 0.6
"""Of a table with a time column, the baselines learn on this part, and everybody is judged on what came after."""
FOLDS = ((2_000, 10), (10_000, 5))
"""Up to so many rows, so many folds; half and half beyond: what few rows a baseline learns from, it must not lose."""
MANY_FOLDS = 2
FEWEST_DAYS = 5
Places = NDArray[np.int64]


class Parts(NamedTuple):
    """folds: (rows to learn on, rows to judge on), the latter together the tested rows; where baselines learn on another
    table there is none to learn on. words: which rows, for a person. block: what goes together, by row, None for rows.
    """

    folds: list[tuple[Places, Places]]
    words: str
    by: str
    block: NDArray[np.generic] | None

    @property
    def tested(self) -> Places:
        return np.sort(np.concatenate([tested for _, tested in self.folds]))


def parts(columns: Columns, contract: Contract, outcome: Floats, *, is_learnt_elsewhere: bool, seed: int) -> Parts:
    """By time the last rows are judged, by unit and by chance all of them, in folds alike in their outcomes.

    is_learnt_elsewhere: the rows the model was trained on are at hand, so that baselines learn on those and every row of
    this table is judged.
    """
    n, nobody = length(columns), np.empty(0, dtype=np.int64)
    by, block = _blocks(columns, contract)
    if is_learnt_elsewhere:
        words = "all rows; baselines learnt on the rows that the model was trained on"
        return Parts([(nobody, np.arange(n))], words, by, block)
    if contract.time is not None:
        asked = columns[contract.time]
        at = float(np.nanquantile(asked, FIRST_PART))
        early, late = np.flatnonzero(asked <= at), np.flatnonzero(asked > at)
        if late.size and early.size:
            words = f"the last {late.size / n:.0%} of the rows by {contract.time}; baselines learnt on those before"
            return Parts([(early, late)], words, by, block)
    folds = next((count for most, count in FOLDS if n <= most), MANY_FOLDS)
    fold = _fold_of(columns, contract, outcome, folds, np.random.default_rng(seed))
    pairs = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
    learnt = n - n // folds
    words = (
        f"all rows; baselines learnt on some {learnt:,} of them, {folds - 1} of {folds} parts, and answered the other"
    )
    return Parts(pairs, words, by, block)


def _blocks(columns: Columns, contract: Contract) -> tuple[str, NDArray[np.generic] | None]:
    if contract.time is not None:
        days = np.floor(columns[contract.time] / UNITS_S["d"]).astype(np.int64)
        if np.unique(days).size >= 2 * FEWEST_DAYS:
            return "day", days
    if contract.unit is not None:
        return contract.unit, _units(columns, contract.unit)
    return "row", None


def _units(columns: Columns, unit: str) -> Places:
    _, groups = np.unique(np.array([str(value) for value in columns[unit].tolist()]), return_inverse=True)
    return groups.astype(np.int64)


def _fold_of(columns: Columns, contract: Contract, outcome: Floats, folds: int, rng: np.random.Generator) -> Places:
    """Each row's fold. Units stay whole; single rows are dealt out in the order of their outcomes, so that no fold's own
    mean gives the others' away: the constant would else look worse than it is.
    """
    if contract.unit is not None:
        groups = _units(columns, contract.unit)
        return rng.permutation(int(groups.max()) + 1)[groups] % folds
    chance = rng.random(outcome.size)
    order = np.lexsort((chance, outcome))
    fold = np.empty(outcome.size, dtype=np.int64)
    # Within each run of neighbours one row goes to each fold, in an order drawn anew: a fixed one would rank the folds.
    runs = -(-outcome.size // folds)
    dealt = rng.permuted(np.tile(np.arange(folds), (runs, 1)), axis=1).ravel()[: outcome.size]
    fold[order] = dealt
    return fold
