"""All that is ever written down: one frozen struct per word of the glossary."""

from lockgate.records.ab import AbSpec, AbState, ArmShare
from lockgate.records.aggregate import Aggregate, AggregateSpec
from lockgate.records.alarm import Alarm
from lockgate.records.block import Block, Cell, PairBlock
from lockgate.records.contract import Column, Contract, Rule, Severity
from lockgate.records.dataset import Dataset, DatasetRef, DatasetState
from lockgate.records.dataset_diff import ColumnDiff, DatasetDiff
from lockgate.records.drill import Drill
from lockgate.records.entry import Entry
from lockgate.records.evidence import Claim, Evidence, Gate, Ruling, Verdict
from lockgate.records.health import Health
from lockgate.records.log_trouble import LogNotice, LogTrouble
from lockgate.records.notice import Notice
from lockgate.records.override import Override, OverrideKind, override_id
from lockgate.records.prediction import Outcome, Prediction, Shadow
from lockgate.records.profile import ColumnProfile, Facet, Moments, OlderProfile, Pair, Profile
from lockgate.records.record import Record, decode, digest, encode, ready
from lockgate.records.report import Alternative, Bin, CurvePoint, Finding, Proposal, Report, Rival, Score, SliceLoss
from lockgate.records.retraining import Retraining, RetrainingState, WindowTried
from lockgate.records.rollout import Move, MoveKind, Rollout, RolloutState, Step
from lockgate.records.routing import Routing
from lockgate.records.skew import Skewed, SkewReport
from lockgate.records.source import Event, SourceSpec, Stream
from lockgate.records.spec import (
    AlertsSpec,
    BudgetSpec,
    ColumnSpec,
    ContractSpec,
    GateSpec,
    LogSpec,
    MlflowSpec,
    ModelSpec,
    MonitorSpec,
    OutcomesSpec,
    RetrainingsSpec,
    RetrainSpec,
    RolloutSpec,
    ServerSpec,
    ServeSpec,
    WorkspaceSpec,
)
from lockgate.records.spend import Spend, spend_id
from lockgate.records.version import Benchmark, HeldOut, Library, Lineage, Manifest, Pace, Parity, Version

__all__ = [
    "AbSpec",
    "AbState",
    "Aggregate",
    "AggregateSpec",
    "Alarm",
    "AlertsSpec",
    "Alternative",
    "ArmShare",
    "Benchmark",
    "Bin",
    "Block",
    "BudgetSpec",
    "Cell",
    "Claim",
    "Column",
    "ColumnDiff",
    "ColumnProfile",
    "ColumnSpec",
    "Contract",
    "ContractSpec",
    "CurvePoint",
    "Dataset",
    "DatasetDiff",
    "DatasetRef",
    "DatasetState",
    "Drill",
    "Entry",
    "Event",
    "Evidence",
    "Facet",
    "Finding",
    "Gate",
    "GateSpec",
    "Health",
    "HeldOut",
    "Library",
    "Lineage",
    "LogNotice",
    "LogSpec",
    "LogTrouble",
    "Manifest",
    "MlflowSpec",
    "ModelSpec",
    "Moments",
    "MonitorSpec",
    "Move",
    "MoveKind",
    "Notice",
    "OlderProfile",
    "Outcome",
    "OutcomesSpec",
    "Override",
    "OverrideKind",
    "Pace",
    "Pair",
    "PairBlock",
    "Parity",
    "Prediction",
    "Profile",
    "Proposal",
    "Record",
    "Report",
    "RetrainSpec",
    "Retraining",
    "RetrainingState",
    "RetrainingsSpec",
    "Rival",
    "Rollout",
    "RolloutSpec",
    "RolloutState",
    "Routing",
    "Rule",
    "Ruling",
    "Score",
    "ServeSpec",
    "ServerSpec",
    "Severity",
    "Shadow",
    "SkewReport",
    "Skewed",
    "SliceLoss",
    "SourceSpec",
    "Spend",
    "Step",
    "Stream",
    "Verdict",
    "Version",
    "WindowTried",
    "WorkspaceSpec",
    "decode",
    "digest",
    "encode",
    "override_id",
    "ready",
    "spend_id",
]
