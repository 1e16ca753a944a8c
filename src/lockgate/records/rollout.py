"""A rollout: the plan and the state of moving traffic from champion to challenger, and the moves it made."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from lockgate.records.ab import AbSpec, ArmShare
from lockgate.records.plan import Plan
from lockgate.records.record import Record
from lockgate.records.spec import RolloutSpec


class RolloutState(StrEnum):
    RUNNING = "running"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    UNDECIDED = "undecided"
    ABORTED = "aborted"


MoveKind = Literal["start", "advance", "promote", "roll_back", "undecided", "abort", "install", "end_arm"]


class Step(Record, frozen=True, kw_only=True):
    """One rung: replay, shadow, or a share of traffic, and the canary's own failure rate that is tolerated there."""

    name: str
    kind: Literal["replay", "shadow", "share"]
    share: float
    tolerance: float = 0.0


class Rollout(Record, frozen=True, kw_only=True):
    """The state of one rollout. `at`: index into `steps`; times are event time, seconds since 1970, UTC.

    history: day differences of the same pair from before the test, oldest first; only its correlation and skewness
    are used. plan: what was foretold when it began. held: the override that holds it where it is; approved: by step, the
    override that lets it be entered; overrides: all of them, oldest first. looked: whether evidence of it was looked at, so
    that its alpha stands. kind: a ladder, or an A/B of several challengers with fixed shares: arms, then, each with its
    units; ended: those that were stopped, whose units the champion answers; ab: what decides. `challenger` is the first of
    them, once promoted the winner.
    """

    id: str
    model: str
    champion: str
    challenger: str
    spec: RolloutSpec
    steps: tuple[Step, ...]
    at: int
    state: RolloutState
    started_s: float
    stepped_s: float
    deadline_s: float
    not_worse_by: float
    history: tuple[float, ...] = ()
    replayed: bool = False
    plan: Plan | None = None
    ended_s: float | None = None
    held: str | None = None
    approved: dict[str, str] = {}
    overrides: tuple[str, ...] = ()
    looked: bool = False
    kind: Literal["ladder", "ab"] = "ladder"
    arms: tuple[ArmShare, ...] = ()
    ended: tuple[str, ...] = ()
    ab: AbSpec | None = None
    schema: int = 1

    @property
    def step(self) -> Step:
        return self.steps[self.at]

    @property
    def challengers(self) -> tuple[str, ...]:
        """Every version that takes part, or took part, beside the champion."""
        return tuple(arm.version for arm in self.arms) or (self.challenger,)

    @property
    def live(self) -> tuple[ArmShare, ...]:
        """The arms of an A/B that have not been stopped."""
        return tuple(arm for arm in self.arms if arm.version not in self.ended)

    @property
    def is_running(self) -> bool:
        return self.state is RolloutState.RUNNING


class Move(Record, frozen=True, kw_only=True):
    """A change of traffic, and the verdicts it rests on. There are none only where a person moved: then `by` names
    them and `reason` says why. overrides: of the same rollout, those that it rests on.
    """

    id: str
    model: str
    kind: MoveKind
    to: str
    share: float
    revision: int
    verdicts: tuple[str, ...]
    reason: str
    at_s: float
    written_s: float
    by: str = "lockgate"
    rollout: str | None = None
    overrides: tuple[str, ...] = ()
    schema: int = 1
