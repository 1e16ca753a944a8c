"""One call, as far as it is known: what was logged of it, what the other versions said, and what came true."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockgate.monitor.ways import Said
from lockgate.records import Outcome, Prediction

Key = tuple[float, str]


class Call(msgspec.Struct, frozen=True, gc=False, eq=False, kw_only=True):
    """A row of `Joined`, to be looked at by itself.

    routed: another call that was routed and answered the same way, for what both share. shadows: by version, the first that
    came of each.
    """

    id: str
    unit: str
    asked_s: float
    value: float
    latency_ms: float
    routed: Prediction
    shadows: Mapping[str, Said]
    outcome: Outcome | None

    @property
    def key(self) -> Key:
        """Where the call stands in the canonical order: by event time, then by id."""
        return self.asked_s, self.id

    def value_of(self, version: str) -> float | None:
        """What `version` said of this call, whoever served it; None where it did not say or failed."""
        if self.routed.version == version:
            return None if self.routed.failure else self.value
        said = self.shadows.get(version)
        return said.value if said else None
