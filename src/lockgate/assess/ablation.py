"""What a model loses without each of its features: paired losses on the same held-out rows, with intervals over blocks.

The intervals hold together (Bonferroni: each at alpha over their number), so that of fifty useless features none is seen to
matter by chance more often than alpha says. They say what one feature is worth beside all the others: two that say the same
can each go, and not both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.records.feature_worth import FeatureWorth
from lockgate.stats.block_t import interval

Floats = NDArray[np.float64]


class Lost(NamedTuple):
    """Mean loss without a feature minus with it, per row; both ends together miss with the feature's share of alpha."""

    mean: float
    low: float
    high: float


def losses(
    with_it: Floats, without: Mapping[str, Floats], block: NDArray[np.int64], *, alpha: float
) -> dict[str, Lost]:
    """By feature. with_it and each of `without`: the loss of each held-out row, shape (n,). block: shape (n,), what is taken
    as independent.

    Raises SpecError under 3 blocks, or where an alpha is none.
    """
    if not 0 < alpha < 1:
        raise SpecError(f"An alpha of {alpha:g} is no error rate.", cure="Give one between 0 and 1, 0.05 say.")
    _, index = np.unique(block, return_inverse=True)
    counts = np.bincount(index).astype(np.float64)
    found: dict[str, Lost] = {}
    for name, values in without.items():
        sums = np.bincount(index, weights=values - with_it).astype(np.float64)
        one = interval(sums, counts, alpha=alpha / len(without))
        found[name] = Lost(one.mean, one.low, one.high)
    return found


def sentence(features: Sequence[FeatureWorth], metric: str, alpha: float) -> str:
    """Which features could go, the costliest first, for a person."""
    idle = sorted((one for one in features if not one.is_needed), key=lambda one: -one.one_row_us)
    sure = f"All {len(features)} intervals hold together with chance {1 - alpha:g}."
    if not idle:
        return f"None could go: without any one of them {metric} is seen to rise. {sure}"
    first = idle[0]
    told = (
        f"{first.name} costs {first.one_row_us:.1f} us and its absence loses nothing we can see: {metric} moves by "
        f"[{first.low:+.4g}, {first.high:+.4g}]"
    )
    others = ", ".join(one.name for one in idle[1:])
    told += f"; so do {others}." if others else "."
    caution = " One at a time: of two that say the same, each could go and not both." if len(idle) > 1 else ""
    return f"{told}{caution} {sure}"
