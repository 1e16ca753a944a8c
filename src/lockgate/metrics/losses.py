"""Losses: (prediction, outcome) -> number, smaller is better; one per call, so they may judge an arm.

Binary: the chance of 1, and 0 or 1. Multiclass: the chance of each class, shape (n, k), and the class that happened as its
place; -1 for a label that is none of them, which no model of these classes can be right about: it was given no chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown

Floats = NDArray[np.float64]
CLIP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Loss:
    """`cap`: the largest value a call can have, None where there is none. `tasks`: where it makes sense."""

    name: str
    tasks: tuple[str, ...]
    cap: float | None
    reason: str
    of: Callable[[Floats, Floats], Floats]


def _log_loss(value: Floats, outcome: Floats) -> Floats:
    """Minus the log of the chance given to what happened; chances clipped to [1e-6, 1 - 1e-6]."""
    if value.ndim == 2:
        given: Floats = -np.log(np.clip(_chance_of(value, outcome), CLIP, 1 - CLIP))
        return given
    p: Floats = np.clip(value, CLIP, 1 - CLIP)
    return np.asarray(-(outcome * np.log(p) + (1 - outcome) * np.log1p(-p)), dtype=np.float64)


def _brier(value: Floats, outcome: Floats) -> Floats:
    if value.ndim == 2:
        # The sum over the classes of (chance - indicator)^2, multiplied out.
        summed: Floats = np.square(value).sum(axis=1) - 2 * _chance_of(value, outcome) + 1
        return summed
    error: Floats = value - outcome
    return error * error


def _zero_one(value: Floats, outcome: Floats) -> Floats:
    is_wrong: NDArray[np.bool_] = decided(value) != (outcome if value.ndim == 2 else outcome >= 0.5)
    return is_wrong.astype(np.float64)


def _chance_of(value: Floats, outcome: Floats) -> Floats:
    place = outcome.astype(np.int64)
    found: Floats = value[np.arange(place.size), np.maximum(place, 0)]
    return np.where(place >= 0, found, 0.0)


def decided(value: Floats) -> Floats:
    """The decision in each prediction, shape (n,): 1 from a chance of one half up; of many classes the likeliest."""
    if value.ndim == 2:
        likeliest: Floats = value.argmax(axis=1).astype(np.float64)
        return likeliest
    return (value >= 0.5).astype(np.float64)


def _absolute_error(value: Floats, outcome: Floats) -> Floats:
    return np.abs(value - outcome)


def _squared_error(value: Floats, outcome: Floats) -> Floats:
    error: Floats = value - outcome
    return error * error


CLASSES = ("binary", "multiclass")
LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            name="log_loss",
            tasks=CLASSES,
            cap=float(-np.log(CLIP)),
            reason="judges the chances themselves, and a confident mistake hardest",
            of=_log_loss,
        ),
        Loss(name="brier", tasks=CLASSES, cap=1.0, reason="judges the chances, and is bounded", of=_brier),
        Loss(name="zero_one", tasks=CLASSES, cap=1.0, reason="counts wrong decisions", of=_zero_one),
        Loss(
            name="absolute_error",
            tasks=("regression",),
            cap=None,
            reason="stays in the target's own units; one outlier does not rule it",
            of=_absolute_error,
        ),
        Loss(
            name="squared_error",
            tasks=("regression",),
            cap=None,
            reason="for means; large misses rule",
            of=_squared_error,
        ),
    )
}


def loss(name: str, task: str) -> Loss:
    """The loss of that name. Raises SpecError for an unknown name, or one that does not fit the task."""
    found = LOSSES.get(name)
    if found is None:
        raise SpecError(unknown("metric", name, LOSSES))
    if task not in found.tasks:
        fitting = [known.name for known in LOSSES.values() if task in known.tasks]
        raise SpecError(
            f"The metric {name!r} does not fit a {task} task.", cure=f"Choose one of: {', '.join(fitting)}."
        )
    # All chance on one class, and another happened: two classes are off by 1.
    return replace(found, cap=2.0) if (name, task) == ("brier", "multiclass") else found


def cost(false_alarm: float, miss: float) -> Loss:
    """What each decision costs where a false alarm and a miss cost this much: 1 is said from the chance on at which
    silence would cost more. Binary alone. Raises SpecError unless both are positive and finite.

    Source: Elkan (2001), the threshold of two costs.
    """
    if not (0 < false_alarm < np.inf and 0 < miss < np.inf):
        raise SpecError(
            f"Costs of {false_alarm:g} for a false alarm and {miss:g} for a miss cannot be weighed.",
            cure="Give two positive numbers in one unit.",
        )
    threshold = false_alarm / (false_alarm + miss)

    def of(value: Floats, outcome: Floats) -> Floats:
        says = value >= threshold
        return np.where(outcome >= 0.5, miss * ~says, false_alarm * says).astype(np.float64)

    return Loss(
        name="cost",
        tasks=("binary",),
        cap=max(false_alarm, miss),
        reason=f"what decisions cost, 1 being said from {threshold:.3g} on",
        of=of,
    )
