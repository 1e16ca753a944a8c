"""A circuit breaker: a version that keeps its callers waiting for nothing is left alone for a while.

Only what costs time opens it: late, gone, busy. A model that raises answers at once, and raises for some rows alone: its
other rows must not suffer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

COSTLY = frozenset({"late", "gone", "busy"})
OPENS_AFTER = 5
FIRST_S = 1.0
LONGEST_S = 30.0


class Breaker:
    """Opens after some costly failures in a row; then one call at a time is let through, after 1 s, 2 s, 4 s ... up to 30 s;
    the first that is answered closes it. What becomes of calls that were let through before it opened says nothing of the
    version as it is by then: however many fail late, the pause is doubled by the one that tries alone.

    clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_s = FIRST_S
        self._turn = 1  # counts openings and tries: calls let through before the last of them are of another time
        self._until: float | None = None  # open until then; None while closed

    @property
    def is_open(self) -> bool:
        return self._until is not None

    def admits(self) -> int:
        """Whether a call may be tried: 0 where not, else what `saw` asks for. Open, the first to ask after the pause is the
        one that tries.
        """
        if not self.is_open:
            return self._turn
        with self._lock:
            if self._until is None:
                return self._turn
            if self._clock() < self._until:
                return 0
            self._until = self._clock() + self._pause_s
            self._turn += 1
            return self._turn

    def saw(self, reason: str | None, admitted: int | None = None) -> None:
        """What became of a call: its failure's reason, None where it was answered. admitted: what `admits` gave it; one let
        through just now where left out.
        """
        if reason not in COSTLY and not self._failures:
            return
        with self._lock:
            if admitted is not None and admitted != self._turn:
                return
            if reason not in COSTLY:
                self._failures, self._until, self._pause_s = 0, None, FIRST_S
                return
            self._failures += 1
            if self._until is not None:
                self._pause_s = min(LONGEST_S, 2 * self._pause_s)
                self._until = self._clock() + self._pause_s
            elif self._failures >= OPENS_AFTER:
                self._until = self._clock() + self._pause_s
                self._turn += 1
