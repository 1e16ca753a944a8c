"""A matured day becomes blocks: one for the champion's own skill, one for the pair of a rollout. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics import Loss
from lockgate.monitor.fold import DAY_S
from lockgate.monitor.joined import Joined
from lockgate.records import Block, PairBlock, Rollout

Floats = NDArray[np.float64]


def champion_block(day: float, calls: Joined, *, champion: str, loss: Loss) -> Block:
    """What the champion did on a day's calls, whoever served them, beside the day's own base rate."""
    value, is_known = calls.values_of(champion)
    is_scored = is_known & calls.is_labelled
    values, outcomes = _scored(is_scored, value, calls.outcome[:, 0])
    base = np.full(outcomes.size, outcomes.mean() if outcomes.size else 0.0)
    return Block(
        model=calls.model,
        start_s=day,
        end_s=day + DAY_S,
        champion=champion,
        calls=len(calls),
        labelled=int(calls.is_labelled.sum()),
        scored=int(is_scored.sum()),
        loss=float(loss.of(values, outcomes).sum()),
        base_loss=float(loss.of(base, outcomes).sum()),
        outcome_sum=float(outcomes.sum()),
        failures=int(calls.by_way(lambda routed: routed.failure is not None).sum()),
    )


def pair_block(
    day: float,
    calls: Joined,
    *,
    rollout: Rollout,
    loss: Loss,
    is_replayed: bool = False,
    closed_s: float | None = None,
) -> PairBlock:
    """What both arms said of the same calls. Only calls of this rollout count, and only those both arms scored."""
    own = calls.of_rollout(rollout.id).sorted()
    champion, has_champion = own.values_of(rollout.champion)
    challenger, has_challenger = own.values_of(rollout.challenger)
    is_scored = own.is_labelled & has_champion & has_challenger
    before, after, outcomes = _scored(is_scored, champion, challenger, own.outcome[:, 0])
    return PairBlock(
        model=rollout.model,
        rollout=rollout.id,
        start_s=day,
        end_s=day + DAY_S,
        champion=rollout.champion,
        challenger=rollout.challenger,
        scored=int(is_scored.sum()),
        champion_loss=float(loss.of(before, outcomes).sum()),
        challenger_loss=float(loss.of(after, outcomes).sum()),
        cells=tuple(sorted(own.cells().values(), key=lambda cell: cell.share)),
        is_replayed=is_replayed,
        closed_s=closed_s,
    )


def _scored(is_scored: NDArray[np.bool_], *columns: Floats) -> tuple[Floats, ...]:
    """The scored rows of each column. They lie beside one another in one table, row by row, as they always have: elsewhere
    sums and logarithms of the same numbers may differ in their last bit.
    """
    table = np.stack([column[is_scored] for column in columns], axis=1)
    return tuple(table.T)
