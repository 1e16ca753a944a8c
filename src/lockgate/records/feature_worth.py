"""What each feature of a version costs, and what the model loses without it."""

from __future__ import annotations

from typing import Literal

from lockgate.records.record import Record


class FeatureWorth(Record, frozen=True, kw_only=True):
    """One feature. columns: of the table, that it is made of. one_row_us, batch_us: CPU per row, of a row alone and in a
    batch. missing: share of the held-out rows. gone: the features that went with it, itself first. loses: mean loss without
    it minus mean loss with it, on held-out rows, with its interval; None where the model is nothing without it.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    one_row_us: float
    batch_us: float
    missing: float
    gone: tuple[str, ...]
    loses: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_needed(self) -> bool:
        """Whether its absence is seen to lose something."""
        return self.low is None or self.low > 0


class FeatureTable(Record, frozen=True, kw_only=True):
    """A version's features. method: "retrained" without each, or its values "shuffled" among the held-out rows. alpha: the
    chance that any of the intervals misses, over all of them together. blocks: of `by`, taken as independent.
    """

    version: str
    metric: str
    method: Literal["retrained", "shuffled"]
    rows: int
    blocks: int
    by: str
    alpha: float
    features: tuple[FeatureWorth, ...]
    sentence: str
