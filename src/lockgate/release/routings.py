"""The routing that a rollout's state, or the way back, asks for: what callers are answered by, as one record."""

from __future__ import annotations

import msgspec

from lockgate.decide.ab import share_of
from lockgate.records import Rollout, RolloutState, Routing
from lockgate.records.ab import CHAMPION_SCORE


def routed(rollout: Rollout, before: Routing) -> Routing:
    """The routing that a rollout's state asks for. The salt is the rollout's own, so that shares only grow in it."""
    revision = before.revision + 1
    if rollout.state is RolloutState.PROMOTED:
        return msgspec.structs.replace(
            _without_challenger(before),
            revision=revision,
            champion=rollout.challenger,
            previous=rollout.champion,
            withdrawn=None if before.withdrawn == rollout.challenger else before.withdrawn,
            ended=_ended(before, rollout, rollout.challenger),
        )
    if not rollout.is_running:
        return msgspec.structs.replace(
            _without_challenger(before),
            revision=revision,
            withdrawn=rollout.challenger,
            ended=_ended(before, rollout, before.champion),
        )
    if rollout.kind == "ab":
        return _split(before, rollout, revision)
    return msgspec.structs.replace(
        before,
        revision=revision,
        challenger=rollout.challenger,
        rollout=rollout.id,
        salt=rollout.id,
        share=rollout.step.share,
        shadow=rollout.step.kind != "replay",
    )


def earlier(before: Routing, target: str) -> Routing:
    """All traffic to a version that was champion once."""
    return msgspec.structs.replace(
        before,
        champion=target,
        previous=before.champion,
        withdrawn=before.champion,
        ended=tuple(version for version in before.ended if version != target),
        revision=before.revision + 1,
    )


def _without_challenger(routing: Routing) -> Routing:
    return msgspec.structs.replace(routing, challenger=None, rollout=None, salt="", share=0.0, shadow=False, arms=())


def _split(before: Routing, rollout: Rollout, revision: int) -> Routing:
    """The routing of an A/B under way: each live arm keeps its units, all others are the champion's."""
    live = rollout.live
    return msgspec.structs.replace(
        before,
        revision=revision,
        challenger=live[0].version,
        rollout=rollout.id,
        salt=rollout.id,
        share=share_of(live),
        shadow=rollout.ab is not None and rollout.ab.covariate == CHAMPION_SCORE,
        arms=live,
        ended=_ended(before, rollout, before.champion),
    )


def _ended(before: Routing, rollout: Rollout, champion: str) -> tuple[str, ...]:
    """The arms of A/Bs that answer no more, whose rows callers may send still: those of the last one, and while that runs,
    of the one before it too.
    """
    if rollout.kind != "ab":
        found = before.ended
    else:
        found = (*before.ended, *rollout.ended) if rollout.is_running else rollout.challengers
    taking = (champion, *((arm.version for arm in rollout.live) if rollout.is_running else ()))
    return tuple(dict.fromkeys(version for version in found if version not in taking))
