"""What `lockgate.toml` says: facts and numbers, with a default for every key but target and unit."""

from __future__ import annotations

import math
from typing import Literal

from lockgate.errors import SpecError
from lockgate.records.duration import seconds
from lockgate.records.record import Record

Task = Literal["binary", "multiclass", "regression"]
Memory = Literal["independent", "short", "long", "new"]


class OutcomesSpec(Record, frozen=True, kw_only=True):
    """horizon: how old a call must be before its outcome counts as missing; a missing outcome is excluded, reported."""

    horizon: str = "1d"
    outcome_depends_on_prediction: bool = False
    missing: Literal["exclude"] = "exclude"


class GateSpec(Record, frozen=True, kw_only=True):
    """better_by, not_worse_by: in the metric's units. holdout: the last stretch of the table, by time, never trained on.
    slices: columns whose parts are reported.
    """

    better_by: float = 0.0
    not_worse_by: float = 0.002
    alpha: float = 0.05
    holdout: str = "14d"
    slices: tuple[str, ...] = ()


class RolloutSpec(Record, frozen=True, kw_only=True):
    """ladder: replay, shadow and shares, in order, ending at 1.0. prove: what promotes. guardrails: what may stop.
    worse_by: quality as a guardrail, "at least this much worse", a share of the champion's loss. breaks_at: the share of
    calls on which the challenger alone may break its contract: inferred ranges are left now and then.
    """

    ladder: tuple[str | float, ...] = ("replay", "shadow", 0.05, 0.25, 0.5, 1.0)
    prove: Literal["better", "not worse"] = "not worse"
    guardrails: tuple[str, ...] = ("failures", "contract_breaks", "quality")
    alpha: float = 0.01
    worth_alpha: float = 0.05
    worse_by: float = 0.1
    breaks_at: float = 0.05
    block: str = "1d"
    memory: Memory = "short"
    deadline: str = "60d"


class MonitorSpec(Record, frozen=True, kw_only=True):
    """tolerance: the loss of skill, in skill points, that does not matter. window: the stretch a drift is read from."""

    false_alarms_per_year: float = 4
    tolerance: float = 0.02
    window: str = "28d"
    drift_at: float = 0.2


class BudgetSpec(Record, frozen=True, kw_only=True):
    """alpha: the total that a model's gates may spend within any stretch of event time as long as `window`; 2 means that
    at most two wrong verdicts a year are to be expected. Raises SpecError for what cannot be.
    """

    alpha: float = 2.0
    window: str = "365d"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise SpecError(
                f"A budget.alpha of {self.alpha} cannot be spent from.",
                cure="Give the number of wrong verdicts that may be expected within the window, 2 say.",
            )
        seconds(self.window)


class RetrainSpec(Record, frozen=True, kw_only=True):
    when: tuple[str, ...] = ("degradation",)


class ContractSpec(Record, frozen=True, kw_only=True):
    """known_after: columns learnt only after the question. known: the column that says when the outcome was known.
    nullable: columns that may be missing although the first table never lacks them. ranges: a person's [low, high] by
    column: rows outside are refused.
    """

    known_after: tuple[str, ...] = ()
    known: str | None = None
    keys: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = {}


class ModelSpec(Record, frozen=True, kw_only=True):
    """One model's task. train, features: `module:function`; rule: the columns by which the rule baseline
    groups, chosen where left out; fallback: the links behind the chosen version, in order.
    """

    target: str
    unit: str | None = None
    task: Task = "binary"
    time: str | None = None
    metric: str = "log_loss"
    train: str | None = None
    features: str | None = None
    rule: tuple[str, ...] = ()
    fallback: tuple[str | float, ...] = ("champion", "baseline")
    deadline_ms: float = 50.0
    seed: int = 0
    contract: ContractSpec = ContractSpec()
    outcomes: OutcomesSpec = OutcomesSpec()
    gate: GateSpec = GateSpec()
    rollout: RolloutSpec = RolloutSpec()
    monitor: MonitorSpec = MonitorSpec()
    retrain: RetrainSpec = RetrainSpec()
    budget: BudgetSpec = BudgetSpec()


class ServerSpec(Record, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8080
    pages_port: int = 8081
    workers: int = 2


class WorkspaceSpec(Record, frozen=True, kw_only=True):
    """The whole file."""

    model: dict[str, ModelSpec] = {}
    server: ServerSpec = ServerSpec()
    directory: str = ".lockgate"
