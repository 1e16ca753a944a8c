"""How a guarded callable's traffic is split: as its code says, until the workspace's routing board says otherwise."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from lockgate.decide.assign import Drawn, among, assign
from lockgate.errors import StoreError, unknown
from lockgate.records import ArmShare, Routing
from lockgate.records.prediction import Arm

LOOK_EVERY_S = 0.2
_log = logging.getLogger("lockgate.guard")
ReadBoard = Callable[[], Routing | None]


class Split(NamedTuple):
    """share: the challenger's part, in [0, 1], of the units by the salt. shadow: whether the other arm is called as well.
    arms: of an A/B under way.
    """

    champion: str
    challenger: str | None = None
    share: float = 0.0
    salt: str = ""
    rollout: str | None = None
    shadow: bool = False
    arms: tuple[ArmShare, ...] = ()

    @classmethod
    def of(cls, routing: Routing) -> Split:
        r = routing
        return cls(r.champion, r.challenger, r.share, r.salt, r.rollout, r.shadow, r.arms)

    def arm(self, unit: str) -> Arm:
        return "champion" if self.challenger is None else assign(self.salt, unit, self.share)

    def draw(self, unit: str) -> Drawn:
        """A unit's arm, and the version that answers it."""
        if not self.arms:
            arm = self.arm(unit)
            return Drawn(arm, self.version(arm))
        own = among(self.salt, unit, self.arms)
        return Drawn("champion", self.champion) if own is None else Drawn("challenger", own)

    def version(self, arm: Arm) -> str:
        return self.challenger if arm == "challenger" and self.challenger is not None else self.champion

    def other(self, arm: Arm) -> str | None:
        """The version that is called in shadow; None where none is."""
        if not self.shadow or self.challenger is None or (self.arms and arm == "champion"):
            return None
        return self.champion if arm == "challenger" else self.challenger


class Splits:
    """The split in force. The board is looked at by a call that comes 200 ms after the last look, so that no thread has to.

    What the board says is taken whole, but only with a champion that this process has; else the split before stays, and
    `problem` says why. Deadline and fallback are the code's.
    """

    def __init__(self, own: Split, known: Collection[str], read: ReadBoard | None) -> None:
        self._own = self._held = own
        self._known = known
        self._read = read
        self._next_s = 0.0
        self.problem: str | None = None

    def now(self) -> Split:
        if self._read is not None and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LOOK_EVERY_S
            self._look(self._read)
        return self._held

    def _look(self, read: ReadBoard) -> None:
        try:
            routing = read()
        except StoreError as error:
            self._tell(f"{error} Traffic goes as before.")
            return
        if routing is None:
            self._held, self.problem = self._own, None
        elif routing.champion not in self._known:
            known = unknown("version", routing.champion, self._known)
            self._tell(f"The routing of {routing.model} cannot be followed: {known} Traffic goes as before.")
        else:
            self._held, self.problem = Split.of(routing), None

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            _log.warning("%s", problem)
