"""Turns of a model that end in a conflict: once is somebody who wrote first, again and again is a model that stands still."""

from __future__ import annotations

import logging
from typing import NamedTuple

from lockgate.records.duration import minute

SINCE_S = 60.0
_log = logging.getLogger("lockgate.loop")


class _Held(NamedTuple):
    """is_told: the log has it as a warning."""

    since_s: float
    turns: int
    problem: str
    is_told: bool = False


class Conflicts:
    """By model, since when none of its turns came to its end. Times are wall time."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def ended(self, model: str) -> None:
        """A turn of the model came to its end."""
        self._held.pop(model, None)

    def met(self, model: str, problem: str, now_s: float) -> None:
        """A turn of the model ended in this."""
        before = self._held.get(model, _Held(now_s, 0, problem))
        held = before._replace(turns=before.turns + 1, problem=problem)
        if not held.is_told and now_s - held.since_s >= SINCE_S:
            _log.warning("%s: %s", model, _said(held))
            held = held._replace(is_told=True)
        self._held[model] = held
        _log.info("The turn of %s was another's: %s", model, problem)

    def stalled(self, model: str) -> str | None:
        """A sentence for a person; None while a conflict is but somebody who wrote first."""
        held = self._held.get(model)
        return _said(held) if held is not None and held.is_told else None


def _said(held: _Held) -> str:
    return f"The loop gets no turn of it done since {minute(held.since_s)}, {held.turns:,} tries: {held.problem}"
