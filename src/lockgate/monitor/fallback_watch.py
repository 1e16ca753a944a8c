"""The champion's failures, watched call by call: who is on call hears when a fallback answers too often, and when it is
over.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

from lockgate.decide import storm
from lockgate.decide.judgement import Judgement
from lockgate.records import Prediction
from lockgate.records.prediction import LogEntry

SHOWN = 100  # calls that a sentence counts, at most


class FallbackWatch:
    """One model's. worst: the share of the champion's calls that may fail."""

    def __init__(self, worst: float) -> None:
        self._worst = worst
        self._waiting: deque[Prediction] = deque()
        self._champion: str | None = None
        self._storm = storm.calm(worst)
        self._last: deque[str | None] = deque(maxlen=SHOWN)  # failures of the last calls, None for those answered

    def feed(self, entries: Sequence[LogEntry]) -> None:
        self._waiting += (e for e in entries if isinstance(e, Prediction) and e.arm == "champion")

    def look(self, champion: str) -> list[Judgement]:
        """What is new since the last look: a beginning, an end. Another champion begins with a clean slate."""
        if champion != self._champion:
            self._champion, self._storm = champion, storm.calm(self._worst)
            self._last.clear()
        calls = [call for call in self._waiting if call.version == champion]
        self._waiting.clear()
        found: list[Judgement] = []
        while calls:
            failures = np.array([call.failure is not None for call in calls], dtype=bool)
            self._storm, turn, taken = storm.after(self._storm, failures, worst=self._worst)
            self._last += (call.failure for call in calls[:taken])
            if turn is not None:
                found.append(self._judged(turn, calls[taken - 1].answered_s))
            calls = calls[taken:]
        return found

    def _judged(self, turn: storm.Turn, until_s: float) -> Judgement:
        reasons = Counter(failure for failure in self._last if failure is not None)
        return storm.judged(
            turn,
            calls=len(self._last),
            bad=sum(reasons.values()),
            reasons=dict(reasons),
            worst=self._worst,
            until_s=until_s,
        )
