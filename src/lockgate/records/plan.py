"""A plan: what a rollout will take, told before a call is made."""

from __future__ import annotations

from lockgate.records.record import Record


class PlanStep(Record, frozen=True, kw_only=True):
    """One rung. calls: of both arms until it is shown safe, days: how long they take, None where it never is; by: which way
    shows it, "rate" or "ratio". smallest_harm: the least ratio of failure rates that a guardrail would see by then, None
    where the champion never fails. stops_at: failures of the challenger alone that stop it. exposed: calls that it answers
    meanwhile.
    """

    name: str
    share: float
    calls: float | None
    days: float | None
    exposed: float
    by: str
    smallest_harm: float | None
    stops_at: int


class Plan(Record, frozen=True, kw_only=True):
    """The whole of it. blocks: until worth is proved at the effect expected, None where none is known or none would do;
    smallest_effect: the least gain, in the metric's units, that is proved by the deadline. alpha: what it spends in all.
    refusals: why it may never decide, each with what would mend it; empty for a plan that holds.
    """

    calls_per_day: float
    failure_rate: float
    steps: tuple[PlanStep, ...]
    memory: str
    effect: float | None
    blocks: float | None
    smallest_effect: float | None
    days: float | None
    deadline_days: float
    alpha: float
    refusals: tuple[str, ...] = ()
    schema: int = 1

    @property
    def is_sound(self) -> bool:
        """Whether it decides in time, as far as can be foretold."""
        return not self.refusals
