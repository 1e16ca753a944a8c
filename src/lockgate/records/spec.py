"""What `lockgate.toml` says: facts and numbers, with a default for every key but target and unit."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

from lockgate.errors import SpecError, unknown
from lockgate.records.ab import OF_CALLS, OUTCOME, AbSpec
from lockgate.records.aggregate import AggregateSpec
from lockgate.records.contract import ColumnType, OnBreak, Rule, Severity
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.record import Record
from lockgate.records.source import SourceSpec

Task = Literal["binary", "multiclass", "regression"]
SplitKind = Literal["time", "group", "random"]
Memory = Literal["independent", "short", "long", "new"]
Prove = Literal["better", "not worse"]
SPARE_DAYS = 2  # the day that is asked about must be over, and days are forgotten whole


class OutcomesSpec(Record, frozen=True, kw_only=True):
    """horizon: how old a call must be before its outcome counts as missing; a missing outcome is excluded, reported.
    metrics: of the business, told by unit: conversion, revenue.
    """

    horizon: str = "1d"
    outcome_depends_on_prediction: bool = False
    missing: Literal["exclude"] = "exclude"
    metrics: tuple[str, ...] = ()


class GateSpec(Record, frozen=True, kw_only=True):
    """better_by, not_worse_by: in the metric's units. split: how rows are held out; where left out by time if there is a
    time column, else by unit if units come more than once, else by chance. holdout: how many of them: the last stretch of
    the table ("14d"), or a share ("20%"); those two where left out. slices: columns whose parts are reported.
    """

    better_by: float = 0.0
    not_worse_by: float = 0.002
    alpha: float = 0.05
    split: SplitKind | None = None
    holdout: str | None = None
    slices: tuple[str, ...] = ()


class RolloutSpec(Record, frozen=True, kw_only=True):
    """ladder: replay, shadow and shares, in order, ending at 1.0. prove: what promotes. guardrails: what may stop.
    worse_by: quality as a guardrail, "at least this much worse", a share of the champion's loss. breaks_at: the share of
    calls on which the challenger alone may break its contract: inferred ranges are left now and then.
    require_approval: rungs of the ladder that are entered only once a person approved; 1.0 is the promotion. Raises SpecError
    for what cannot be.
    """

    ladder: tuple[str | float, ...] = ("replay", "shadow", 0.05, 0.25, 0.5, 1.0)
    prove: Prove = "not worse"
    guardrails: tuple[str, ...] = ("failures", "contract_breaks", "quality")
    alpha: float = 0.01
    worth_alpha: float = 0.05
    worse_by: float = 0.1
    breaks_at: float = 0.05
    block: str = "1d"
    memory: Memory = "short"
    deadline: str = "60d"
    require_approval: tuple[str | float, ...] = ()

    def __post_init__(self) -> None:
        if self.prove not in get_args(Prove):
            raise SpecError(unknown("claim to prove", str(self.prove), get_args(Prove)))
        for name in ("alpha", "worth_alpha"):
            if not 0 < getattr(self, name) < 1:
                raise SpecError(
                    f"A rollout.{name} of {getattr(self, name):g} is no error rate.",
                    cure="Give a chance above 0 and under 1.",
                )


class MonitorSpec(Record, frozen=True, kw_only=True):
    """tolerance: the loss of skill, in skill points, that does not matter. window: the stretch a drift is read from, in whole
    hours; as long as what calls go through again and again, for one night's calls are no drift: a week where it is left
    out. drift_at: from which distance times importance a drift is a ticket. fallbacks_at: the share of the champion's calls
    that may fail before somebody is woken. false_alarms_per_year: how many there may be of this model, over every detector
    that can be wrong; shares: of that, by detector, as `decide.alarm_budget` has them where left out. Raises SpecError for
    what cannot be.
    """

    false_alarms_per_year: float = 4
    shares: dict[str, float] = {}
    tolerance: float = 0.02
    window: str = "7d"
    drift_at: float = 0.2
    fallbacks_at: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.false_alarms_per_year < math.inf:
            raise SpecError(
                f"No monitor keeps to {self.false_alarms_per_year:g} false alarms a year.",
                cure="Give a number above 0: 4 is one in three months, 0.1 one in ten years.",
            )
        if seconds(self.window) % UNITS_S["h"]:
            raise SpecError(
                f"Drift is not read from a monitor.window of {self.window}.",
                cure="Give whole hours: 1h, 1d, 7d.",
            )
        if not 0 < self.fallbacks_at < 1:
            raise SpecError(
                f"A monitor.fallbacks_at of {self.fallbacks_at} is no share of calls.", cure="Give one between 0 and 1."
            )


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
    """when: what asks for it, any of "degradation", "age > 45d", "outcomes > 20000", "every 30d", "push" (over HTTP); read
    by `decide.retraining`. cooldown: event time between the end of one and the start of the next. window: stretches of the
    outcomes to compare, "all", "recent 90d", "since break"; the first stays unless another is shown to be better. run: who
    trains, the champion's own recipe where left out: "module:function", or a command as a list of words. rollout: whether a
    version that passed its gate starts its rollout by itself.
    """

    when: tuple[str, ...] = ("degradation",)
    cooldown: str = "7d"
    window: tuple[str, ...] = ("all", "recent 90d", "since break")
    run: str | tuple[str, ...] | None = None
    rollout: Literal["ask", "auto"] = "ask"


class ColumnSpec(Record, frozen=True, kw_only=True):
    """What a person says of one column; None leaves it as the table shows it.

    on_break: one word for its range and levels, or one for each rule: `{ range = "flag", missing = "fall_back" }`.
    known_after: false says that a time after the question is known all the same, a timetable's say.
    """

    type: ColumnType | None = None
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] | None = None
    nullable: bool | None = None
    on_break: OnBreak | Severity | None = None
    known_after: bool | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if any(math.isnan(bound) for bound in bounds) or bounds != sorted(bounds):
            raise SpecError(
                f"No number lies between {self.low:g} and {self.high:g}." if len(bounds) > 1 else "NaN bounds nothing.",
                cure="Give low and high in order.",
            )
        if self.levels is not None and (bounds or self.type not in (None, "text")):
            raise SpecError("Levels are of text, a range is of numbers.", cure="Give one of the two.")
        if bounds and self.type not in (None, "int", "float"):
            raise SpecError(f"A column of type {self.type} has no range.", cure="Leave low and high out.")

    @property
    def has_range(self) -> bool:
        return self.low is not None or self.high is not None


class ContractSpec(Record, frozen=True, kw_only=True):
    """known_after: columns learnt only after the question. known: the column that says when the outcome was known.
    nullable: columns that may be missing although the first table never lacks them. ranges: a person's [low, high] by
    column: rows outside are refused. columns: more about single columns. rules: conditions between the columns of a row.
    schema_from: "module:Class", a contract written in Python; what is written here beside it counts more.
    """

    known_after: tuple[str, ...] = ()
    known: str | None = None
    keys: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = {}
    columns: dict[str, ColumnSpec] = {}
    rules: tuple[Rule, ...] = ()
    schema_from: str | None = None


class LogSpec(Record, frozen=True, kw_only=True):
    """How calls are logged. mode: "buffered", an answer may outrun the disk by 50 ms; "durable", it waits for the disk;
    "sampled", buffered, and the inputs are kept for a share of the units alone. share: that share. retention: by event
    time, how long entries are kept, for good where left out. Raises SpecError for what cannot be.
    """

    mode: Literal["buffered", "durable", "sampled"] = "buffered"
    share: float = 1.0
    retention: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError(f"A log.share of {self.share} is no share.", cure="Give a number from 0 to 1.")
        if self.mode == "sampled" and self.share == 1:
            raise SpecError("A sampled log needs the share of units to keep.", cure="Say it: share = 0.05")
        if self.mode != "sampled" and self.share != 1:
            raise SpecError(f"A {self.mode} log keeps every call whole.", cure='Set log.mode = "sampled".')
        if self.retention is not None:
            seconds(self.retention)


class ServeSpec(Record, frozen=True, kw_only=True):
    """Where a version answers that is not compiled. native: "child", a process of its own beside each worker, bounded and
    replaced; "worker", threads of the worker itself, for models that you know neither hang nor crash. memory_mb: what a child
    may hold. Raises SpecError for what cannot be.
    """

    native: Literal["child", "worker"] = "child"
    memory_mb: int = 4096

    def __post_init__(self) -> None:
        if self.memory_mb < 64:
            raise SpecError(
                f"A model cannot live in {self.memory_mb} MB.", cure="Give serve.memory_mb at least 64; 4096 is usual."
            )


class ModelSpec(Record, frozen=True, kw_only=True):
    """One model's task. train, features: `module:function`; rule: the columns by which the rule baseline
    groups, chosen where left out; fallback: the links behind the chosen version, in order. metric: the loss that judges,
    log_loss or absolute_error where left out. features: where left out the model is handed the columns themselves.
    aggregates: columns that are computed of events. Raises SpecError for a log that forgets calls before their outcomes can
    be known, and for aggregates where no column says when a row was asked.
    """

    target: str
    unit: str | None = None
    task: Task = "binary"
    time: str | None = None
    metric: str | None = None
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
    log: LogSpec = LogSpec()
    serve: ServeSpec = ServeSpec()
    aggregates: dict[str, AggregateSpec] = {}
    ab: AbSpec = AbSpec()

    def __post_init__(self) -> None:
        if self.aggregates and self.time is None:
            raise SpecError(
                f"{next(iter(self.aggregates))} looks back from the question, and no column says when that was asked.",
                cure='Name it: time = "asked_at", say.',
            )
        retention, horizon = self.log.retention, self.outcomes.horizon
        if retention is not None and seconds(retention) < seconds(horizon) + SPARE_DAYS * UNITS_S["d"]:
            raise SpecError(
                f"A log.retention of {retention} forgets days that are not closed with an outcomes.horizon of {horizon}.",
                cure=f"Keep calls for {SPARE_DAYS} days longer than the horizon at least, or leave log.retention out.",
            )

    @property
    def metrics_by_unit(self) -> tuple[str, ...]:
        """The metrics of the business: those that are declared, and those that an A/B is judged by."""
        named = (*self.outcomes.metrics, self.ab.metric or OUTCOME, *(guarded.metric for guarded in self.ab.guarded))
        return tuple(dict.fromkeys(name for name in named if name not in (OUTCOME, *OF_CALLS)))

    @property
    def judged_by(self) -> str:
        """The loss that gates and rollouts judge by."""
        return self.metric or ("absolute_error" if self.task == "regression" else "log_loss")


class ServerSpec(Record, frozen=True, kw_only=True):
    """Where calls and pages are listened for; a port of 0 is a free one. grpc_port: where gRPC is spoken too, nowhere where
    left out. workers: processes that answer, one for each core where left out. connections: the most that a worker holds
    open. head_s, body_s: how long a request's head and its body may take to arrive (a body gets a second more for every
    16 KiB); idle_s: how long an open connection may say nothing. Raises SpecError for what cannot be.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    pages_port: int = 8081
    grpc_port: int | None = None
    workers: int | None = None
    connections: int = 1000
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("port", "pages_port", "grpc_port"):
            if not 0 <= (getattr(self, name) or 0) <= 65535:
                raise SpecError(f"server.{name} is {getattr(self, name)}, which is no port.", cure="From 0 to 65535.")
        for name in ("workers", "connections"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise SpecError(f"server.{name} is {getattr(self, name)}.", cure="One is the least.")
        for name in ("head_s", "body_s", "idle_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise SpecError(f"server.{name} is {getattr(self, name):g} seconds.", cure="Give a positive number.")


class MlflowSpec(Record, frozen=True, kw_only=True):
    """Where runs and versions are shown. uri: a tracking server or a database, a SQLite file under the workspace where
    left out; registry_uri: where it differs. experiment: one for all models, else one each, named as the model. champion,
    challenger: what their aliases are called. Raises SpecError for an alias that MLflow keeps for itself.
    """

    uri: str | None = None
    registry_uri: str | None = None
    experiment: str | None = None
    champion: str = "champion"
    challenger: str = "challenger"

    def __post_init__(self) -> None:
        for alias in (self.champion, self.challenger):
            if not re.fullmatch(r"[\w-]+", alias) or re.fullmatch(r"latest|[vV]\d+", alias):
                raise SpecError(
                    f"MLflow takes no alias {alias!r}.",
                    cure="Letters, digits, - and _; not `latest`, and not v with a number.",
                )
        if self.champion == self.challenger:
            raise SpecError(f"Champion and challenger cannot share the alias {self.champion!r}.")


class RetrainingsSpec(Record, frozen=True, kw_only=True):
    """at_once: how many models of the workspace may be retrained at one time. Raises SpecError for none."""

    at_once: int = 1

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise SpecError(
                f"retrain.at_once is {self.at_once}.", cure="One is the least; empty `when` to retrain none."
            )


class AlertsSpec(Record, frozen=True, kw_only=True):
    """channels: where notices go: "file:alerts.jsonl", the address of a webhook, or any address that apprise knows."""

    channels: tuple[str, ...] = ()


class WorkspaceSpec(Record, frozen=True, kw_only=True):
    """The whole file."""

    model: dict[str, ModelSpec] = {}
    source: dict[str, SourceSpec] = {}
    server: ServerSpec = ServerSpec()
    mlflow: MlflowSpec = MlflowSpec()
    retrain: RetrainingsSpec = RetrainingsSpec()
    alerts: AlertsSpec = AlertsSpec()
    directory: str = ".lockgate"
