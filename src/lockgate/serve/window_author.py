"""One who counts calls and writes windows of them: a worker, or whoever scores a table."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter

from lockgate.records.duration import UNITS_S
from lockgate.records.prediction import Window
from lockgate.records.profile import Profile
from lockgate.records.record import encode

HOUR_S = UNITS_S["h"]


class WindowAuthor:
    """Known by a word that nobody else has ever had; numbers what it writes of each version without a gap."""

    def __init__(self) -> None:
        self._who = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}"
        self._numbers: Counter[tuple[str, str]] = Counter()

    def window(self, model: str, version: str, hour_s: float, counted: Profile, *, refused: str = "") -> Window:
        """hour_s: where the hour begins, event time."""
        number = self._numbers[model, version]
        self._numbers[model, version] += 1
        return Window(
            model=model,
            version=version,
            who=self._who,
            number=number,
            since_s=hour_s,
            until_s=hour_s + HOUR_S,
            profile=encode(counted).decode(),
            refused=refused,
        )
