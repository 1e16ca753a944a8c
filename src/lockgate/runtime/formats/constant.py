"""The format of the simplest baseline: the same answer to everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lockgate.features.columns import length
from lockgate.features.pipeline import Floats
from lockgate.records import Record, decode, encode, ready
from lockgate.runtime.formats.kind import Kind, head, reading
from lockgate.runtime.loaded import Loaded
from lockgate.runtime.predictor import Engine, Inputs

FILE = "native/constant.json"


class ConstantFile(Record, frozen=True, kw_only=True):
    """value: the chance of class 1 or a value; for k classes, the chance of each."""

    value: float | tuple[float, ...]


def constant(file: ConstantFile) -> Engine:
    answer = np.array(file.value, dtype=np.float64)

    def same(inputs: Inputs) -> Floats:
        rows = length(inputs) if isinstance(inputs, dict) else len(inputs)
        return np.tile(answer, (rows, *(1 for _ in answer.shape)))

    return same


def save_constant(folder: Path, value: float | tuple[float, ...]) -> Engine:
    file = ConstantFile(value=value)
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(file))
    return constant(file)


def load(path: Path, *, trust: bool = False) -> Loaded:  # noqa: ARG001 - there is nothing in it to trust
    with reading(path, "a constant"):
        file = decode(ConstantFile, path.read_bytes())
    is_single = isinstance(file.value, float)
    return Loaded(
        format="constant",
        model=None,
        answer=constant(file),
        takes="columns",
        task=None if is_single else "multiclass",
        gives="values" if is_single else "chances",
    )


def sniff(path: Path) -> bool:
    return head(path).startswith(b'{"value":')


ready(ConstantFile)
KIND = Kind(format="constant", file=FILE, what="a constant", sniff=sniff, load=load)
