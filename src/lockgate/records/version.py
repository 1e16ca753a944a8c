"""A version: one immutable trained artefact of a model, with its dataset, features, code and seed."""

from __future__ import annotations

from typing import Literal

from lockgate.records.contract import Column
from lockgate.records.dataset import DatasetRef
from lockgate.records.record import Record

Role = Literal["baseline", "candidate"]
Format = Literal["constant", "rule", "lightgbm", "joblib"]


class Lineage(Record, frozen=True, kw_only=True):
    """Where a version comes from: enough to train it again."""

    dataset: DatasetRef
    train: str
    features: str
    features_hash: str
    commit: str | None
    is_dirty: bool | None
    environment: str
    seed: int
    run: str | None
    trained_from_s: float | None
    trained_until_s: float | None
    rows: int


class Parity(Record, frozen=True, kw_only=True):
    """Whether the compiled path may serve: measured against the native model on held-out rows.

    over_tolerance: share of rows whose answers differ by more than `tolerance`; worst: the largest difference;
    flips: rows whose side of one half changed. reason: one sentence, also when it passed.
    """

    is_passed: bool
    rows: int
    over_tolerance: float
    worst: float
    flips: int
    tolerance: float
    reason: str


class Manifest(Record, frozen=True, kw_only=True):
    """What lies in a version's folder: `files` maps each file to its SHA-256; `inputs` are the columns the model sees,
    with the ranges of the training rows.
    """

    model: str
    name: str
    role: Role
    format: Format
    task: Literal["binary", "regression"]
    lineage: Lineage
    inputs: tuple[Column, ...]
    files: dict[str, str]
    schema: int = 1


class Version(Record, frozen=True, kw_only=True):
    """A registered version. `id` is the digest of its manifest; `short` is what people type.

    baseline: the best of the simpler versions trained beside it, None for the simplest. held_out_from_s: rows asked
    from then on were never trained on. metrics: on those rows.
    """

    id: str
    model: str
    name: str
    role: Role
    made_s: float
    lineage: Lineage
    metrics: dict[str, float]
    parity: Parity | None
    baseline: str | None = None
    held_out_from_s: float | None = None
    schema: int = 1

    @property
    def short(self) -> str:
        return f"{self.name}-{self.id[:6]}"
