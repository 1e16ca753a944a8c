"""Unit -> arm: a pure, sticky function of the rollout's salt and the unit, the same in every process and release."""

from __future__ import annotations

import hashlib

from lockgate.records.prediction import Arm

_SCALE = float(1 << 64)


def bits(salt: str, unit: str) -> int:
    """64 bits of a unit, uniformly over units and independently over salts."""
    return int.from_bytes(hashlib.blake2b(f"{salt}\x1f{unit}".encode(), digest_size=8).digest(), "big")


def place(bits: int) -> float:
    """Where a unit of these bits stands in [0, 1)."""
    return bits / _SCALE


def position(salt: str, unit: str) -> float:
    """Where a unit stands in [0, 1)."""
    return place(bits(salt, unit))


def assign(salt: str, unit: str, share: float) -> Arm:
    """The arm of a unit. A growing share moves units from champion to challenger and never back."""
    return "challenger" if share > 0 and position(salt, unit) < share else "champion"
