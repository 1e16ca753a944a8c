"""What is to be trained, on what, and the ports that training writes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.records import Contract, Dataset, ModelSpec
from lockgate.store.ports import Records, Tracker, VersionFolders

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The ports that training writes to."""

    records: Records
    folders: VersionFolders
    tracker: Tracker


@dataclass(frozen=True, kw_only=True)
class Question:
    """table: the dataset's rows. train: "module:function", or where a model that was fitted elsewhere came from. features:
    "module:function", None where the model is handed the columns themselves. name: what people will call the candidate.
    project: the folder that the user's code lives in.
    """

    model: str
    spec: ModelSpec
    contract: Contract
    dataset: Dataset
    table: pl.DataFrame
    train: str
    features: str | None
    name: str | None
    project: Path
    now_s: float
