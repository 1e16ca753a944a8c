"""Unit -> arm: a pure, sticky function of the rollout's salt and the unit, the same in every process and release."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from lockgate.records.ab import ArmShare
from lockgate.records.prediction import Arm
from lockgate.records.routing import Routing

_SCALE = float(1 << 64)


class Drawn(NamedTuple):
    """What a unit's lot says: its arm, and the version that answers it."""

    arm: Arm
    version: str


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


def among(salt: str, unit: str, arms: Sequence[ArmShare]) -> str | None:
    """Whose stretch a unit stands in; None where it is nobody's, so the champion's."""
    at = position(salt, unit)
    return next((one.version for one in arms if one.low <= at < one.high), None)


def draw(routing: Routing, unit: str) -> Drawn:
    """The lot of a unit, among two arms or several. An arm that ends gives its units to the champion; nobody else moves."""
    if routing.challenger is None or routing.share <= 0:
        return Drawn("champion", routing.champion)
    if not routing.arms:
        arm = assign(routing.salt, unit, routing.share)
        return Drawn(arm, routing.challenger if arm == "challenger" else routing.champion)
    own = among(routing.salt, unit, routing.arms)
    return Drawn("champion", routing.champion) if own is None else Drawn("challenger", own)
