"""A drill: the way back, rehearsed on a routing that no caller asks for, and how long the workers took to follow."""

from __future__ import annotations

from typing import Literal

from lockgate.records.evidence import Ruling
from lockgate.records.record import Record

_SUFFIX = "~drill"


def drill_name(model: str) -> str:
    """The name under which the routing of a model's drill stands on the board."""
    return model + _SUFFIX


def is_drill(name: str) -> bool:
    """Whether a routing is a drill's: its calls are answered like any others, and neither logged nor counted as evidence."""
    return name.endswith(_SUFFIX)


class Drill(Record, frozen=True, kw_only=True):
    """One rehearsal. leaves, to: the version that would lose the traffic, and the one that would get it. on: whose workers
    answered, the running server's or the drill's own.

    back_ms: by repetition, from the routing handed to the board until the last worker answered by it; there_ms: the same
    of the way there again. calls: made meanwhile, of which `refused` had another status than 200, `cut` no answer at all,
    `astray` were answered by a version that the worker should not answer by, and `fell_back` not by the version itself.
    """

    id: str
    model: str
    ruling: Ruling
    sentence: str
    leaves: str
    to: str
    on: Literal["server", "own"]
    workers: int
    back_ms: tuple[float, ...]
    there_ms: tuple[float, ...]
    calls: int
    refused: int
    cut: int
    astray: int
    fell_back: int
    bound_ms: float
    at_s: float
    written_s: float
    by: str
    schema: int = 1

    @property
    def median_ms(self) -> float | None:
        return _quantile(self.back_ms, 0.5)

    @property
    def p99_ms(self) -> float | None:
        return _quantile(self.back_ms, 0.99)

    @property
    def worst_ms(self) -> float | None:
        return max(self.back_ms, default=None)


def _quantile(values: tuple[float, ...], share: float) -> float | None:
    """The smallest value that so large a share does not exceed; of few values the 99th percentile is the largest."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None
