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
    the first that is answered closes it. clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_s = FIRST_S
        self._until: float | None = None  # open until then; None while closed

    @property
    def is_open(self) -> bool:
        return self._until is not None

    def admits(self) -> bool:
        """Whether a call may be tried. Open, the first to ask after the pause is the one that tries."""
        if not self.is_open:
            return True
        with self._lock:
            if self._until is None or self._clock() >= self._until:
                self._until = None if self._until is None else self._clock() + self._pause_s
                return True
            return False

    def saw(self, reason: str | None) -> None:
        """What became of a call: its failure's reason, None where it was answered."""
        if reason not in COSTLY:
            if self._failures:
                with self._lock:
                    self._failures, self._until, self._pause_s = 0, None, FIRST_S
            return
        with self._lock:
            self._failures += 1
            if self._until is not None:
                self._pause_s = min(LONGEST_S, 2 * self._pause_s)
                self._until = self._clock() + self._pause_s
            elif self._failures >= OPENS_AFTER:
                self._until = self._clock() + self._pause_s
