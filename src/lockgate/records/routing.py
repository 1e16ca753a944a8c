"""Routing: the current shares per arm, as one record, swapped whole."""

from __future__ import annotations

from lockgate.records.ab import ArmShare
from lockgate.records.record import Record
from lockgate.records.spec import Task


class Routing(Record, frozen=True, kw_only=True):
    """All a worker needs to answer for one model.

    revision: grows by one with every change. salt: names the rollout in the assignment's hash. share: the challenger's
    part of traffic, in [0, 1]; with no challenger, 0. shadow: whether the arm that did not serve is called as well, so
    that pairs go on through the whole ladder. constant: what answers when nothing else can.
    withdrawn: the version that was rolled back last; callers may send its rows still, and it answers none; ended: so are the
    arms of the last A/B that were stopped, or lost. chain: what lies
    behind the chosen version, in order: champion, baseline, a rule of the user's own ("module:function"),
    constant. arms: the challengers of an A/B under way, each with its own units; `challenger` is the first of them then,
    `share` that of all together, and in shadow the champion alone scores what they answer.
    """

    model: str
    revision: int
    champion: str
    baseline: str | None
    constant: float
    previous: str | None = None
    withdrawn: str | None = None
    ended: tuple[str, ...] = ()
    challenger: str | None = None
    rollout: str | None = None
    salt: str = ""
    share: float = 0.0
    shadow: bool = False
    unit: str | None = None
    time: str | None = None
    chain: tuple[str, ...] = ("champion", "baseline", "constant")
    deadline_ms: float = 50.0
    task: Task = "binary"
    arms: tuple[ArmShare, ...] = ()
    schema: int = 1

    @property
    def rules(self) -> tuple[str, ...]:
        """The user's own rules in the chain."""
        return tuple(link for link in self.chain if ":" in link)

    @property
    def challengers(self) -> tuple[str, ...]:
        """Every version that may answer in the champion's place."""
        if self.arms:
            return tuple(arm.version for arm in self.arms)
        return () if self.challenger is None else (self.challenger,)

    @property
    def readers(self) -> tuple[str, ...]:
        """Every version whose rows are read, the champion first: callers change what they send sooner or later than the
        champion changes.
        """
        named = (self.champion, *self.challengers, self.previous, self.withdrawn, *self.ended)
        return tuple(dict.fromkeys(version for version in named if version is not None))

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that must stay loaded, the champion first."""
        named = (self.champion, *self.challengers, self.baseline, self.previous)
        return tuple(dict.fromkeys(version for version in named if version is not None))
