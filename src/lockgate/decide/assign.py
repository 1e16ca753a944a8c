"""Unit -> arm: a pure, sticky function of the rollout's salt and the unit, the same in every process and release."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lockgate.records.ab import ArmShare
from lockgate.records.prediction import Arm

_SCALE = float(1 << 64)


class Drawing(Protocol):
    """What lots are drawn by: a routing, or a split that was made of one."""

    @property
    def champion(self) -> str: ...
    @property
    def challenger(self) -> str | None: ...
    @property
    def share(self) -> float: ...
    @property
    def salt(self) -> str: ...
    @property
    def arms(self) -> tuple[ArmShare, ...]: ...


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


def draw(by: Drawing, unit: str) -> Drawn:
    """The lot of a unit, among two arms or several. An arm that ends gives its units to the champion; nobody else moves."""
    if by.challenger is None or by.share <= 0:
        return Drawn("champion", by.champion)
    if not by.arms:
        arm = assign(by.salt, unit, by.share)
        return Drawn(arm, by.challenger if arm == "challenger" else by.champion)
    own = among(by.salt, unit, by.arms)
    return Drawn("champion", by.champion) if own is None else Drawn("challenger", own)
