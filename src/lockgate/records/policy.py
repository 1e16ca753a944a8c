"""A policy: the gates of one comparison of arms, and the state of the judge that works under it."""

from __future__ import annotations

import math
from typing import Literal, get_args

from lockgate.errors import SpecError, unknown
from lockgate.records.record import Record

PolicyKind = Literal["rate", "accuracy", "latency", "paired"]


class Policy(Record, frozen=True, kw_only=True):
    """What a judge watches, and how often it may be wrong. Raises SpecError for what cannot be.

    kind: "rate", the share of calls that failed (bets on failures alone: for rare ones); "accuracy", the same where
    successes carry news too; "latency", milliseconds, or any cost: larger is worse; "paired", both versions failed or not
    on the same calls.
    alpha: the chance, over the whole life of the judge, that a canary no worse is rolled back; and again that one at
    least `margin_ratio` times as bad is promoted. promote: whether it may say "promote" at all. harm: a ratio above 1 that
    must be found soonest; it takes 40 % of the stakes. salt: the rollout's; with it each unit's arm is checked against its
    assignment.
    """

    kind: PolicyKind
    alpha: float = 0.01
    margin_ratio: float = 1.5
    promote: bool = False
    harm: float | None = None
    salt: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(PolicyKind):
            raise SpecError(unknown("kind of policy", str(self.kind), get_args(PolicyKind)))
        if not _is_number(self.alpha) or not 0 < self.alpha < 1:
            raise SpecError(f"An alpha of {self.alpha} is no error rate.", cure="Give a chance above 0 and under 1.")
        if not _is_number(self.margin_ratio) or self.margin_ratio <= 1:
            raise SpecError(
                f"A margin_ratio of {self.margin_ratio} cannot be shown: a canary alike is at 1.",
                cure="Give how many times as bad is still put up with, 1.5 say.",
            )
        if self.harm is not None and (not _is_number(self.harm) or self.harm <= 1):
            raise SpecError(f"A harm of {self.harm} times is none.", cure="Declare a ratio above 1, 2 say.")
        if self.kind == "latency" and (self.promote or self.harm is not None):
            raise SpecError(
                "A latency judge compares ranks: it can stop a canary, and knows no ratio to promote by or to declare.",
                cure="Promote by outcomes or failures, and keep latency as a guardrail.",
            )


class Look(Record, frozen=True, kw_only=True, array_like=True):
    """The evidence after so many calls: log e for harm and for promotion, and the interval of the ratio."""

    calls: int
    log_e: float
    log_e_no_worse: float | None = None
    low: float | None = None
    high: float | None = None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
