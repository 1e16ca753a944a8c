"""Which rows of a dataset were never trained on, from the record of it: the same rows in training and at the gate."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.features.columns import Columns, length
from lockgate.records import HeldOut

_MIX = np.uint64(0x9E3779B97F4A7C15)


def is_held_out(columns: Columns, held_out: HeldOut, time: str | None) -> NDArray[np.bool_]:
    """Shape (n,). time: the contract's time column. Raises SpecError where the columns lack what the record names."""
    if held_out.kind == "time":
        if time is None or held_out.from_s is None:
            raise SpecError("Rows held out by time need a time column.", cure='Name it: time = "..." in lockgate.toml.')
        found: NDArray[np.bool_] = columns[time] >= held_out.from_s
        return found
    if held_out.kind == "random":
        keys = np.arange(length(columns), dtype=np.uint64)
    else:
        if held_out.by not in columns:
            raise SpecError(unknown("column", str(held_out.by), columns))
        keys = _codes(columns[held_out.by])
    return _chance(keys, held_out.seed) < (held_out.share or 0.0)


def _codes(values: NDArray[np.generic]) -> NDArray[np.uint64]:
    """A number for each value, from its text alone: the same value gives the same number in any table."""
    labels, place = np.unique(np.array([str(value) for value in values.tolist()]), return_inverse=True)
    codes = [
        int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "big") for label in labels.tolist()
    ]
    return np.array(codes, dtype=np.uint64)[place]


def _chance(keys: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each key (SplitMix64: Steele, Lea, Flood 2014)."""
    with np.errstate(over="ignore"):
        z = keys * _MIX + np.uint64(seed % 2**64) * np.uint64(0xD1B54A32D192ED03)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53
