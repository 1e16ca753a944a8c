"""The recipe's replay: what training again was worth at past cut-offs, against a model as old as a champion gets. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judgement import Judgement
from lockgate.decide.worth import worth
from lockgate.records import RolloutSpec, Ruling
from lockgate.records.duration import UNITS_S

Floats = NDArray[np.float64]
DAY_S = UNITS_S["d"]
MOST, FEWEST = 4, 2  # cut-offs
LEAST_AGE_S, LEAST_HISTORY_S = 7 * DAY_S, 28 * DAY_S


class Replay(NamedTuple):
    """cuts: when the recipe is trained, oldest first; each is judged over the `age_s` that follow, against the same recipe
    trained `age_s` earlier. is_younger: history was too short for a model as old as the champion is.
    """

    cuts: tuple[float, ...]
    age_s: float
    is_younger: bool


def replay(*, began_s: float, until_s: float, age_s: float) -> Replay | None:
    """Past cut-offs on whole days, as far apart as the champion is old; None where the history has no room for FEWEST.

    began_s: of the oldest outcome; until_s: where what is judged must end. The oldest training sees LEAST_HISTORY_S at least.
    """
    room_s = until_s - began_s - LEAST_HISTORY_S
    longest_s = np.floor(room_s / (FEWEST + 1) / DAY_S) * DAY_S
    apart_s = min(max(np.ceil(age_s / DAY_S) * DAY_S, LEAST_AGE_S), longest_s)
    if apart_s < LEAST_AGE_S:
        return None
    count = int(min(MOST, room_s // apart_s - 1))
    cuts = tuple(float(until_s - apart_s * back) for back in range(count, 0, -1))
    return Replay(cuts, float(apart_s), bool(apart_s < age_s))


def judged(
    spec: RolloutSpec, found: Replay, *, metric: str, not_worse_by: float, differences: Floats, window: str
) -> Judgement:
    """Whether the recipe, trained again, is worth what the rollout would ask of its version.

    differences: shape (days,), mean loss of the fresh training minus that of the older one on the same calls, oldest first.
    The claim, the alpha and the method are a rollout's, without a history: memory is *new*. It is the recipe that is proved,
    never the version at hand, whose own calls are yet to come.
    """
    plain = msgspec.structs.replace(spec, memory="new")
    item = worth(plain, metric=metric, not_worse_by=not_worse_by, differences=differences, history=np.empty(0))
    gate = msgspec.structs.replace(item.gate, name="recipe")
    days = found.age_s / DAY_S
    younger = ", younger than the champion for want of history," if found.is_younger else ""
    said = {
        Ruling.PASS: "The recipe was proved, not this version",
        Ruling.FAIL: "The recipe made it worse",
    }.get(item.ruling, "The recipe was not proved")
    estimate = float(differences[: item.evidence.blocks].mean()) if differences.size else 0.0
    sentence = (
        f"{said}: trained on {window!r} at {len(found.cuts)} past cut-offs and judged on the {days:,.0f} days after each, "
        f"its {metric} differs by {estimate:+.4f} from that of the recipe's own model of {days:,.0f} days before{younger} "
        f"over {item.evidence.blocks} days."
    )
    return Judgement(ruling=item.ruling, gate=gate, evidence=item.evidence, sentence=sentence)
