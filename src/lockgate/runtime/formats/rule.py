"""The format of the rule baseline: cells over a few inputs, and the mean outcome of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records import Record, decode, encode, ready
from lockgate.runtime.formats.kind import Kind, head, reading
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.predictor import Engine

FILE = "native/rule.json"
Answer = float | tuple[float, ...]


class RuleFile(Record, frozen=True, kw_only=True):
    """Cells over a few inputs, and the mean outcome of each.

    columns: indices into the matrix. edges: per column, the inner edges e of its bins [e0, e1); a last bin is for
    missing. values: by cell, row-major over the columns, for k classes the chance of each; None where training saw no
    row, which answers `default`.
    """

    columns: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...]
    values: tuple[Answer | None, ...]
    default: Answer

    @property
    def cells(self) -> tuple[int, ...]:
        return tuple(len(edges) + 2 for edges in self.edges)


def rule(file: RuleFile) -> Engine:
    """Raises SpecError where the file's sizes do not fit each other."""
    if len(file.edges) != len(file.columns) or len(file.values) != int(np.prod(file.cells, dtype=np.int64)):
        raise SpecError(f"A rule over {len(file.columns)} columns does not have {len(file.values)} cells.")
    if any(low >= high for edges in file.edges for low, high in pairwise(edges)):
        raise SpecError("The edges of a rule must grow.")
    answers = [file.default if value is None else value for value in file.values]
    if len({np.shape(answer) for answer in [*answers, file.default]}) > 1:
        raise SpecError("The cells of a rule must all answer for the same classes.")
    values = np.array(answers, dtype=np.float64)

    def answer(matrix: Matrix) -> Floats:
        found: Floats = values[rule_cells(matrix, file.columns, file.edges)]
        return found

    return answer


def rule_cells(matrix: NDArray[Any], columns: Sequence[int], edges: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """The cell of each row, shape (n,), row-major over the columns; missing is the last cell of its column."""
    found = np.zeros(len(matrix), dtype=np.int64)
    for column, inner in zip(columns, edges, strict=True):
        given = matrix[:, column].astype(np.float64)
        bins = np.searchsorted(np.array(inner), given, side="right")
        bins[np.isnan(given)] = len(inner) + 1
        found = found * (len(inner) + 2) + bins
    return found


def save_rule(folder: Path, file: RuleFile) -> Engine:
    engine = rule(file)
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(file))
    return engine


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    with reading(path, "a rule"):
        file = decode(RuleFile, path.read_bytes())
        answer = rule(file)
    is_single = isinstance(file.default, float)
    return Loaded(
        format="rule",
        model=None,
        answer=answer,
        takes="matrix",
        task=None if is_single else "multiclass",
        gives="values" if is_single else "chances",
    )


def sniff(path: Path) -> bool:
    return head(path).startswith(b'{"columns":')


ready(RuleFile)
KIND = Kind(format="rule", file=FILE, what="a rule", sniff=sniff, load=load)
