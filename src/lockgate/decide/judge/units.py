"""Units that have been seen: 8 bytes each, the arm in the last bit, so that a unit that goes back is caught."""

from __future__ import annotations

import sys

import numpy as np

from lockgate.errors import SpecError


class Units:
    """A set of hashed units, at most `most` of them; later ones are passed over."""

    def __init__(self, most: int = sys.maxsize) -> None:
        self._most = most
        self._held: set[int] = set()

    @property
    def is_full(self) -> bool:
        return len(self._held) >= self._most

    def is_first(self, hashed: int, arm: int, fresh: dict[int, int]) -> bool:
        """Whether the unit is new, beside the held ones and those in `fresh`.

        Raises SpecError for a unit that was the canary's and is the champion's now: shares only grow within a rollout.
        """
        known = self._held
        if hashed | 1 in known or hashed | 1 in fresh:
            if not arm:
                raise SpecError(
                    "A unit went back from the canary to the champion.",
                    cure="Within one rollout shares only grow and units stay; judge a new rollout with a new judge.",
                )
            return False
        return not (hashed in known or hashed in fresh) and len(known) + len(fresh) < self._most

    def add(self, hashed: int, arm: int) -> None:
        self._held.add(hashed | arm)

    def take(self, fresh: dict[int, int], start: int, last: int) -> None:
        """Keep those of a batch that came in its rows from `start` to `last`."""
        self._held.update(hashed for hashed, place in fresh.items() if start <= place <= last)

    def packed(self) -> bytes:
        return np.array(sorted(self._held), dtype=np.uint64).tobytes()

    def unpack(self, packed: bytes) -> None:
        self._held = set(np.frombuffer(packed, dtype=np.uint64).tolist())
