"""When the last call came, and until when it is known that none came after it."""

from __future__ import annotations

import math
from typing import NamedTuple

from lockgate.monitor.came import Came
from lockgate.records.duration import UNITS_S

LIVE_S = UNITS_S["h"]
"""A call that was answered so soon after it was asked goes by the clock; a table's row, or one that is replayed, says nothing
of now.
"""


class Heard(NamedTuple):
    """Event time. last_s: the last call; until_s: the moment up to which all calls are known."""

    last_s: float
    until_s: float


class LastCall:
    """Of one model, whoever answered."""

    def __init__(self) -> None:
        self._asked_s, self._answered_s = -math.inf, -math.inf

    def feed(self, calls: Came) -> None:
        """Calls dated far ahead of their answer are a wrong clock's."""
        asked_s, answered_s = calls.floats("asked_s"), calls.floats("answered_s")
        asked_s[asked_s > answered_s + LIVE_S] = -math.inf
        last = int(asked_s.argmax())
        if asked_s[last] > self._asked_s:
            self._asked_s, self._answered_s = float(asked_s[last]), float(answered_s[last])

    def heard(self, now_s: float) -> Heard | None:
        """None before the first call. now_s: wall time."""
        if math.isinf(self._asked_s):
            return None
        is_live = abs(self._answered_s - self._asked_s) <= LIVE_S
        since_s = max(0.0, now_s - self._answered_s) if is_live else 0.0
        return Heard(self._asked_s, self._asked_s + since_s)
