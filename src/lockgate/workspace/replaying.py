"""A version asked once more: every call of a stretch at once, as a table is scored, and its features of each call alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from lockgate.errors import PredictError, SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records.spec import Task
from lockgate.runtime import folder
from lockgate.runtime.bounded_child import Limits, run
from lockgate.runtime.packed import one, packed, packed_one, unpacked
from lockgate.runtime.predictor import Predictor

LIMITS = Limits(seconds=120.0, memory_mb=4096)


class Replayed(NamedTuple):
    """values: of all calls at once, shape (n,), NaN where it raises. alone, together: its features, of each call by itself
    and of all of them, shape (n, len(names)); None of a version that is handed the columns themselves.
    """

    task: Task
    names: tuple[str, ...]
    values: Floats
    alone: Matrix | None
    together: Matrix | None


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    version: str
    project: str
    columns: bytes


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    task: Task
    names: tuple[str, ...]
    values: bytes
    alone: bytes | None
    together: bytes | None


def replay(path: Path, version: str, project: Path, columns: Columns) -> Replayed:
    """Here where it may run here, in a bounded child where it may not: what hangs or crashes does so there.

    path: the version's folder. Raises StoreError, SpecError or PredictError where it cannot be asked.
    """
    if folder.may_run_here(path, folder.verify(path, version)):
        return _replayed(folder.load(path, version), columns)
    asked = _Asked(path=str(path), version=version, project=str(project), columns=packed(columns))
    body = run("lockgate.workspace.replaying:in_child", msgspec.msgpack.encode(asked), LIMITS, what="The replay")
    said = msgspec.msgpack.decode(body, type=_Said)
    alone, together = (None if found is None else one(found) for found in (said.alone, said.together))
    return Replayed(said.task, said.names, one(said.values), alone, together)


def in_child(body: bytes) -> bytes:
    """The same as the bounded child does it."""
    asked = msgspec.msgpack.decode(body, type=_Asked)
    sys.path.insert(0, asked.project)  # a custom feature step is the project's own module
    columns = unpacked(asked.columns)
    if not isinstance(columns, dict):
        raise SpecError("Columns were asked for.")
    found = _replayed(folder.load(Path(asked.path), asked.version, is_child=True), columns)
    alone, together = (None if part is None else packed_one(part) for part in (found.alone, found.together))
    return msgspec.msgpack.encode(
        _Said(task=found.task, names=found.names, values=packed_one(found.values), alone=alone, together=together)
    )


def _replayed(predictor: Predictor, columns: Columns) -> Replayed:
    pipeline, rows = predictor.pipeline, length(columns)
    alone = together = None
    if not pipeline.is_raw:
        together = pipeline.matrix(columns)
        alone = np.vstack([pipeline.matrix(take(columns, np.array([row]))) for row in range(rows)])
    try:
        values = predictor.predict(columns).values
    except PredictError:
        values = np.full(rows, np.nan)
    return Replayed(predictor.manifest.task, pipeline.names, values, alone, together)
