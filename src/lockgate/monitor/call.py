"""One call, as far as it is known: what was logged of it, what the other versions said, and what came true."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockgate.monitor.ways import Said
from lockgate.records import Outcome, Prediction

Key = tuple[float, str]


class Call(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A row of `Joined`, to be looked at by itself. shadows: by version, the first that came of each."""

    prediction: Prediction
    shadows: Mapping[str, Said]
    outcome: Outcome | None

    @property
    def id(self) -> str:
        return self.prediction.id

    @property
    def asked_s(self) -> float:
        return self.prediction.asked_s

    @property
    def routed(self) -> Prediction:
        return self.prediction

    @property
    def key(self) -> Key:
        """Where the call stands in the canonical order: by event time, then by id."""
        return self.asked_s, self.id

    def value_of(self, version: str) -> float | None:
        """What `version` said of this call, whoever served it; None where it did not say or failed."""
        if self.prediction.version == version:
            return None if self.prediction.failure else self.prediction.value
        said = self.shadows.get(version)
        return said.value if said else None
