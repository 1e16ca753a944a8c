"""What travels with a version: rows that it answered when it was made, and the index of an exported file."""

from __future__ import annotations

from lockgate.records.evidence import Verdict
from lockgate.records.prediction import Scalar
from lockgate.records.record import Record
from lockgate.records.spec import ModelSpec
from lockgate.records.version import Version


class Sample(Record, frozen=True, kw_only=True):
    """A few held-out rows and what the version said of them; asked again, anywhere, it should say the same.

    rows: values in the order of `columns`; answers: one number per row, or the chance of each class.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    answers: tuple[float | tuple[float, ...], ...]


class Archive(Record, frozen=True, kw_only=True):
    """versions: the one asked for, then the baselines that stand behind it; verdicts: what was ruled on them offline;
    spec: the model's part of lockgate.toml; files: place in the archive -> SHA-256.
    """

    model: str
    spec: ModelSpec
    versions: tuple[Version, ...]
    verdicts: tuple[Verdict, ...]
    files: dict[str, str]
    schema: int = 1
