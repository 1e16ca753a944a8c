"""A spend: one draw on a model's alpha budget."""

from __future__ import annotations

import hashlib

import msgspec

from lockgate.errors import SpecError
from lockgate.records.record import Record

# The year 10000: a time in milliseconds lies beyond, where no stretch of the budget would ever see it.
LATEST_S = 253_402_300_800.0


class Spend(Record, frozen=True, kw_only=True):
    """The alpha that a gate, a step or an alarm draws before its first look. Written once, and never given back.

    alpha: in (0, 1). at_s: event time, which the budget's window is counted in; written_s: wall time. by: who asked.
    rollout: the rollout whose gate it is, None for an offline gate or a monitor. Raises SpecError for an alpha or a time
    that cannot be: NaN would pass for nothing spent.
    """

    id: str
    model: str
    gate: str
    alpha: float
    at_s: float
    written_s: float
    by: str = "lockgate"
    rollout: str | None = None
    schema: int = 1

    def __post_init__(self) -> None:
        place = f"The gate {self.gate!r} of {self.model}"
        if not 0 < self.alpha < 1:
            raise SpecError(f"{place} would spend an alpha of {self.alpha}.", cure="Give a chance above 0 and under 1.")
        for name, value in (("at_s", self.at_s), ("written_s", self.written_s)):
            if not 0 <= value < LATEST_S:
                raise SpecError(
                    f"{place} would spend at {name} = {value}, which is no time.",
                    cure="Give seconds since 1970, UTC; not milliseconds.",
                )

    def repeats(self, other: Spend) -> bool:
        """Whether it is the same draw, asked for at another time or by somebody else, as after a crash."""
        return self == msgspec.structs.replace(other, at_s=self.at_s, written_s=self.written_s, by=self.by)


def spend_id(model: str, about: tuple[str, ...], gate: str) -> str:
    """The id of a draw. about: the rollout's id, or the ids of the versions that an offline gate compares.

    It follows from what is judged, not from when: the same draw repeated after a crash is the same record.
    """
    named = "\x1f".join((model, *about, gate))
    return f"s{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}"
