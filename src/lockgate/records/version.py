"""A version: one immutable trained artefact of a model, with its dataset, features, code and seed."""

from __future__ import annotations

from typing import Literal

from lockgate.records.contract import Column
from lockgate.records.dataset import DatasetRef
from lockgate.records.record import Record
from lockgate.records.spec import SplitKind, Task

Role = Literal["baseline", "candidate"]
# The framework's own file in `native/`. joblib: also a plain pickle; pyfunc: a whole MLflow model folder.
Format = Literal[
    "constant", "rule", "lightgbm", "xgboost", "catboost", "joblib", "skops", "onnx", "torchscript", "pyfunc"
]


class Library(Record, frozen=True, kw_only=True):
    """The library a model's file belongs to, and the version that wrote it (None where the file does not say)."""

    name: str
    version: str | None


class HeldOut(Record, frozen=True, kw_only=True):
    """Which rows were never trained on: enough to find them again in the dataset.

    kind: "time", asked at or after `from_s`; "group", whose value of `by` falls in the share; "random", whose place in
    the table does. share: of groups or rows, in (0, 1), by a hash with `seed`.
    """

    kind: SplitKind
    from_s: float | None = None
    by: str | None = None
    share: float | None = None
    seed: int = 0


class Lineage(Record, frozen=True, kw_only=True):
    """Where a version comes from: enough to train it again. code: SHA-256 of each file of the project that was loaded, by
    its place in the project. environment: SHA-256 over what was installed.
    """

    dataset: DatasetRef
    train: str
    features: str
    features_hash: str
    commit: str | None
    is_dirty: bool | None
    environment: str
    code: dict[str, str] = {}
    seed: int
    run: str | None
    trained_from_s: float | None
    trained_until_s: float | None
    rows: int


class Parity(Record, frozen=True, kw_only=True):
    """Whether the compiled path may serve: measured against the native model on held-out rows.

    over_tolerance: share of rows whose answers differ by more than `tolerance`; worst: the largest difference;
    flips: rows whose decision changed: their side of one half, or their most likely class. reason: one sentence, also
    when it passed.
    """

    is_passed: bool
    rows: int
    over_tolerance: float
    worst: float
    flips: int
    tolerance: float
    reason: str


class Pace(Record, frozen=True, kw_only=True):
    """How fast one engine answered batches of `rows` rows: microseconds of CPU per row, median over repeats."""

    rows: int
    native_us: float
    onnx_us: float | None = None


class Benchmark(Record, frozen=True, kw_only=True):
    """Measured when the version was made. one_row_ms: (median, 99th percentile) of a single row, by engine; memory_mb:
    what loading and answering added to the process; native_from_rows: batches of so many rows or more go to the native
    model, None where the compiled path is faster at every size tried or there is none.
    """

    pace: tuple[Pace, ...]
    one_row_ms: dict[str, tuple[float, float]] = {}
    memory_mb: float | None = None
    native_from_rows: int | None = None


class Manifest(Record, frozen=True, kw_only=True):
    """What lies in a version's folder: `files` maps each file to its SHA-256; `inputs` are the columns the model sees,
    with the ranges of the training rows. classes: the outcome's labels as text, in the order of the model's chances;
    () for a regression. is_foreign: it came from elsewhere, so its native file is loaded in a child process alone;
    is_trusted: whoever brought it said that code outside known model libraries may run there.
    """

    model: str
    name: str
    role: Role
    format: Format
    task: Task
    lineage: Lineage
    inputs: tuple[Column, ...]
    files: dict[str, str]
    classes: tuple[str, ...] = ()
    library: Library | None = None
    is_foreign: bool = False
    is_trusted: bool = False
    schema: int = 1


class Version(Record, frozen=True, kw_only=True):
    """A registered version. `id` is the digest of its manifest; `short` is what people type.

    baseline: the best of the simpler versions trained beside it, None for the simplest. held_out: the rows that were
    never trained on, None where nobody knows. metrics: on those rows. curve: (rows trained on, loss on the held-out ones).
    cpu_s: processor time of its fit, None where it was not fitted here, or before this was kept.
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
    held_out: HeldOut | None = None
    benchmark: Benchmark | None = None
    curve: tuple[tuple[int, float], ...] = ()
    cpu_s: float | None = None
    schema: int = 1

    @property
    def short(self) -> str:
        return f"{self.name}-{self.id[:6]}"
