"""Losses: (prediction, outcome) -> number, smaller is better; one per call, so they may judge an arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    p: Floats = np.clip(value, CLIP, 1 - CLIP)
    return np.asarray(-(outcome * np.log(p) + (1 - outcome) * np.log1p(-p)), dtype=np.float64)


def _brier(value: Floats, outcome: Floats) -> Floats:
    error: Floats = value - outcome
    return error * error


def _zero_one(value: Floats, outcome: Floats) -> Floats:
    is_wrong: NDArray[np.bool_] = (value >= 0.5) != (outcome >= 0.5)
    return is_wrong.astype(np.float64)


def _absolute_error(value: Floats, outcome: Floats) -> Floats:
    return np.abs(value - outcome)


def _squared_error(value: Floats, outcome: Floats) -> Floats:
    error: Floats = value - outcome
    return error * error


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            name="log_loss",
            tasks=("binary",),
            cap=float(-np.log(CLIP)),
            reason="judges the chances themselves, and a confident mistake hardest",
            of=_log_loss,
        ),
        Loss(name="brier", tasks=("binary",), cap=1.0, reason="judges the chances, bounded by 1", of=_brier),
        Loss(name="zero_one", tasks=("binary",), cap=1.0, reason="counts wrong decisions at one half", of=_zero_one),
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
    return found
