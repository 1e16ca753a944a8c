"""What a judge bets with: a policy's kind turned into scores for calls. State in arrays, looks left to the judge."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lockgate.records.policy import Policy, PolicyKind
from lockgate.stats import label_bet, ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Bets(Protocol):
    """The scores of one kind. `classes` sorts calls into rows of `score`; a class below 0 carries no news.

    score, log_score: shape (bets, classes), in force until the champion's count reaches `refresh_at`; log_prior: shape
    (bets,). has_rate: whether a call is bad or good, so that arms have a ratio of rates. cells: how many the champion's
    calls are counted by, 0 where nothing is learnt from them.
    """

    score: Floats
    log_score: Floats
    log_prior: Floats
    has_rate: bool
    refresh_at: float

    cells: int

    def classes(self, value: Floats) -> Ints: ...

    def class_of(self, value: float) -> int: ...

    def refresh(self, counts: Ints) -> None:
        """Make the scores anew from the champion's counts."""
        ...


class RateBets:
    """Failures alone: rare ones carry nearly all the news, and clean calls cost nothing."""

    cells, has_rate = 0, True

    def __init__(self, policy: Policy) -> None:
        bets = label_bet.harm_bets(policy.harm)
        self.log_prior = np.log(bets.prior)
        self.score = np.column_stack([np.ones(bets.ratios.size), bets.ratios])
        self.log_score = np.log(self.score)
        self.refresh_at = math.inf

    def classes(self, value: Floats) -> Ints:
        return np.where(value > 0, 1, -1)

    def class_of(self, value: float) -> int:
        return 1 if value > 0 else -1

    def refresh(self, counts: Ints) -> None:
        del counts


# Where failures are common ratios near 1 decide, and those over 10 hardly exist.
_NEAR = label_bet.Bets(
    np.array([1.03, 1.06, 1.1, 1.2, 1.4, 2, 4, 10]), np.array([0.08, 0.12, 0.16, 0.2, 0.18, 0.14, 0.08, 0.04])
)


class AccuracyBets:
    """Failures and successes: `1 - r p` against `1 - p` for a success, p the champion's failure rate so far."""

    cells, has_rate = 2, True

    def __init__(self, policy: Policy) -> None:
        bets = label_bet.harm_bets(policy.harm)
        near, declared = _NEAR, bets.ratios[label_bet.RATIOS.size :]
        self._ratios = np.append(near.ratios, declared)
        weight = 1.0 - float(bets.prior[label_bet.RATIOS.size :].sum())
        self.log_prior = np.log(np.append(near.prior * weight, bets.prior[label_bet.RATIOS.size :]))
        self.refresh(np.zeros(2, dtype=np.int64))

    def classes(self, value: Floats) -> Ints:
        return np.where(value > 0, 1, 0)

    def class_of(self, value: float) -> int:
        return 1 if value > 0 else 0

    def refresh(self, counts: Ints) -> None:
        seen = int(counts.sum())
        self.refresh_at: float = ranks.refresh_at(seen)
        # Before there is a rate to go by a success says nothing.
        p = (int(counts[1]) + 0.5) / (seen + 1) if seen >= ranks.FEWEST else 0.0
        success = (1 - np.minimum(self._ratios * p, (1 + p) / 2)) / (1 - p)
        self.score = np.column_stack([success, self._ratios])
        self.log_score = np.log(self.score)


class LatencyBets:
    """Ranks in the champion's running distribution; nothing is bet before it holds 32 values."""

    cells, has_rate = ranks.CELLS, False

    def __init__(self, policy: Policy) -> None:
        del policy
        self.log_prior = np.log(ranks.PRIOR)
        self._edges = ranks.EDGES.tolist()
        self.refresh(np.zeros(ranks.CELLS, dtype=np.int64))

    def classes(self, value: Floats) -> Ints:
        return ranks.cells(value)

    def class_of(self, value: float) -> int:
        return bisect_left(self._edges, value)

    def refresh(self, counts: Ints) -> None:
        seen = int(counts.sum())
        self.refresh_at: float = ranks.refresh_at(seen)
        has_begun = seen >= ranks.FEWEST
        self.score = ranks.scores(counts) if has_begun else np.ones((ranks.PRIOR.size, ranks.CELLS))
        self.log_score = np.log(self.score)


BETS: dict[PolicyKind, Callable[[Policy], Bets]] = {
    "rate": RateBets,
    "accuracy": AccuracyBets,
    "latency": LatencyBets,
    "paired": RateBets,
}
