"""A matured day becomes blocks: one for the champion's own skill, one for the pair of a rollout. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.reading import read_elsewhere
from lockgate.features.columns import from_tuples
from lockgate.features.profiles.columns import window
from lockgate.metrics import Loss
from lockgate.monitor.call import Call
from lockgate.monitor.fold import DAY_S, cells
from lockgate.records import Block, Contract, PairBlock, Profile, Rollout

Floats = NDArray[np.float64]


def champion_block(
    day: float, calls: Sequence[Call], *, champion: str, loss: Loss, contract: Contract, reference: Profile | None
) -> Block:
    """What the champion did on a day's calls, whoever served them, beside the day's own base rate."""
    model = calls[0].prediction.model
    pairs = [(call.value_of(champion), call.outcome) for call in calls]
    known = [(value, outcome.value) for value, outcome in pairs if value is not None and outcome is not None]
    values, outcomes = _arrays(known)
    base = np.full(outcomes.size, outcomes.mean() if outcomes.size else 0.0)
    return Block(
        model=model,
        start_s=day,
        end_s=day + DAY_S,
        champion=champion,
        calls=len(calls),
        labelled=sum(call.outcome is not None for call in calls),
        scored=len(known),
        loss=float(loss.of(values, outcomes).sum()),
        base_loss=float(loss.of(base, outcomes).sum()),
        outcome_sum=float(outcomes.sum()),
        failures=sum(call.without_inputs.failure is not None for call in calls),
        profile=None if reference is None else _profile(calls, champion, contract, reference),
    )


def pair_block(
    day: float,
    calls: Sequence[Call],
    *,
    rollout: Rollout,
    loss: Loss,
    is_replayed: bool = False,
    closed_s: float | None = None,
) -> PairBlock:
    """What both arms said of the same calls. Only calls of this rollout count, and only those both arms scored."""
    own = sorted((call for call in calls if call.routed.rollout == rollout.id), key=lambda call: call.key)
    known = [
        (champion, challenger, call.outcome.value)
        for call in own
        if call.outcome is not None
        and (champion := call.value_of(rollout.champion)) is not None
        and (challenger := call.value_of(rollout.challenger)) is not None
    ]
    before, after, outcomes = _arrays(known, width=3)
    return PairBlock(
        model=rollout.model,
        rollout=rollout.id,
        start_s=day,
        end_s=day + DAY_S,
        champion=rollout.champion,
        challenger=rollout.challenger,
        scored=len(known),
        champion_loss=float(loss.of(before, outcomes).sum()),
        challenger_loss=float(loss.of(after, outcomes).sum()),
        cells=tuple(sorted(cells(own, rollout.id).values(), key=lambda cell: cell.share)),
        is_replayed=is_replayed,
        closed_s=closed_s,
    )


def _arrays(rows: Sequence[tuple[float, ...]], width: int = 2) -> tuple[Floats, ...]:
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    return tuple(table.T)


def _profile(calls: Sequence[Call], champion: str, contract: Contract, reference: Profile) -> Profile:
    """Counts over the reference's cells. Rows logged under another contract do not fit and are left out."""
    width = len(contract.asked)
    is_elsewhere = read_elsewhere((call.routed for call in calls), champion)
    own = [call for call in calls if not is_elsewhere(call.routed)]
    read = [(inputs, call.value_of(champion)) for call in own if len(inputs := call.prediction.inputs) == width]
    said = np.array([np.nan if value is None else value for _, value in read], dtype=np.float64)
    return window(from_tuples(contract.asked, [inputs for inputs, _ in read]), reference, predictions=said)
