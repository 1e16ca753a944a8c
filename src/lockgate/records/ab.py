"""An A/B: several versions beside the champion, each answering its own share of the units, judged by what came of them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from lockgate.errors import SpecError
from lockgate.records.duration import seconds
from lockgate.records.record import Record
from lockgate.stats.summary import PairSummary

Direction = Literal["up", "down"]

OUTCOME, FAILURES, LATENCY = "outcome", "failures", "latency_ms"
OF_CALLS = (FAILURES, LATENCY)
"""Known of a call as soon as it is answered: guardrails, by call."""
CHAMPION_SCORE = "champion_score"


class ArmShare(Record, frozen=True, kw_only=True):
    """A challenger, and the stretch [low, high) of the units' positions that is its own for as long as it takes part."""

    version: str
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.high - self.low


class Guarded(NamedTuple):
    """A metric that may stop an arm, and which way is good."""

    metric: str
    direction: Direction


class AbSpec(Record, frozen=True, kw_only=True):
    """metric: what decides, one told per unit by `lockgate outcomes`, or "outcome", the mean of the calls' own. direction:
    which way is good. cap: what one unit counts for at most, by that metric. guardrails: metrics that may stop an arm; up is
    good, unless "down" stands behind the name; failures and latency_ms, by call, are known everywhere. share: each
    challenger's, even where left out. alpha: the chance that any arm is ever called better or harmful by the metric and is
    not; the guardrails share another such. horizon: how long after its first call what a unit does counts; reported_within:
    how long after that it may still be told. slices: columns whose parts are reported. covariate: a column of the contract,
    or "champion_score", by which the difference is adjusted. per_call: a call is a unit, where nothing names one. Raises
    SpecError for what cannot be.
    """

    metric: str | None = None
    direction: Direction = "up"
    cap: float | None = None
    guardrails: tuple[str, ...] = (FAILURES,)
    share: tuple[float, ...] = ()
    alpha: float = 0.05
    horizon: str = "1d"
    reported_within: str = "1h"
    slices: tuple[str, ...] = ()
    covariate: str | None = None
    per_call: bool = False
    deadline: str = "60d"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise SpecError(f"An ab.alpha of {self.alpha} is no error rate.", cure="Give a chance above 0 and under 1.")
        if self.cap is not None and not (math.isfinite(self.cap) and self.cap > 0):
            raise SpecError(f"An ab.cap of {self.cap} caps nothing.", cure="Give a positive number.")
        if any(not 0 < share < 1 for share in self.share) or sum(self.share) >= 1:
            raise SpecError(
                f"The shares {', '.join(f'{share:g}' for share in self.share)} leave the champion nothing.",
                cure="Give each challenger a share above 0, together under 1.",
            )
        for duration in (self.horizon, self.reported_within, self.deadline):
            seconds(duration)
        names = [guarded.metric for guarded in self.guarded]
        if len(set(names)) < len(names):
            raise SpecError(f"A guardrail is named twice: {', '.join(names)}.", cure="Name each once.")

    @property
    def guarded(self) -> tuple[Guarded, ...]:
        return tuple(_guarded(text) for text in self.guardrails)

    @property
    def window_s(self) -> float:
        return seconds(self.horizon)

    @property
    def matured_s(self) -> float:
        """How long after its first call a unit counts."""
        return seconds(self.horizon) + seconds(self.reported_within)


def _guarded(text: str) -> Guarded:
    name, _, way = text.partition(" ")
    if name in OF_CALLS:
        return Guarded(name, "down")
    if way not in ("", "up", "down"):
        raise SpecError(f"The guardrail {text!r} is no metric and a direction.", cure='Write "NAME", or "NAME down".')
    return Guarded(name, "down" if way == "down" else "up")


class UnitCell(Record, frozen=True, kw_only=True, array_like=True):
    """The matured units of one arm under one set of shares, by one metric, in one slice where a column is named: their values
    and covariates. share: of all challengers together when the units first called.
    """

    share: float
    version: str
    metric: str
    column: str
    level: str
    sums: PairSummary


class AbLook(Record, frozen=True, kw_only=True, array_like=True):
    """The primary metric at one moment, one challenger. until_s: event time; estimate: challenger less champion."""

    version: str
    until_s: float
    units: int
    estimate: float
    low: float
    high: float
    log_e: float


class AbState(Record, frozen=True, kw_only=True):
    """How far an A/B's units have been folded, so that a restart goes on to the same bits.

    after_s, after_id: the last unit folded, by its first call; call_after_s, call_after_id: the last call that the guardrails
    of calls saw; judges: theirs, by guardrail and version. exposed: units by share and version as they came; astray: units
    that were answered by another version than their lot says. late: units that came behind the last one folded, and count for
    nothing. uncovered: folded units without a covariate. stride: of the looks.
    """

    rollout: str
    model: str
    cells: tuple[UnitCell, ...] = ()
    after_s: float | None = None
    after_id: str = ""
    until_s: float | None = None
    looks: tuple[AbLook, ...] = ()
    stride: int = 1
    looked: int = 0
    judges: dict[str, str] = {}
    call_after_s: float | None = None
    call_after_id: str = ""
    exposed: tuple[tuple[float, str, int], ...] = ()
    astray: int = 0
    late: int = 0
    uncovered: int = 0
    schema: int = 1
