"""What a person decides of a running rollout, from the workspace: the model's budget and clock filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lockgate.decide import ladder
from lockgate.errors import InvariantBroken
from lockgate.records import ModelSpec, Move, Override, OverrideKind
from lockgate.release.overriding import Asked, Overriding
from lockgate.workspace.wire import Wiring

Lasting = Literal["hold", "resume", "approve", "widen"]
Moving = Literal["promote", "skip"]


def lasting(
    wiring: Wiring,
    spec: ModelSpec,
    model: str,
    kind: Lasting,
    reason: str,
    by: str,
    now: Mapping[str, float],
    *,
    step: str | float | None = None,
    alpha: float | None = None,
) -> Override:
    """An override that moves no traffic by itself. now: `event_s` and `now_s`. Raises as `Overriding.make` does."""
    made = _made(wiring, spec, model, kind, reason, by, now, step=step, alpha=alpha)
    if not isinstance(made, Override):
        raise InvariantBroken(f"To {kind} {model} moved its traffic.")
    return made


def moved(
    wiring: Wiring, spec: ModelSpec, model: str, kind: Moving, reason: str, by: str, now: Mapping[str, float]
) -> Move:
    """The move that a person makes without proof."""
    made = _made(wiring, spec, model, kind, reason, by, now)
    if not isinstance(made, Move):
        raise InvariantBroken(f"To {kind} {model} did not move its traffic.")
    return made


def _made(
    wiring: Wiring,
    spec: ModelSpec,
    model: str,
    kind: OverrideKind,
    reason: str,
    by: str,
    now: Mapping[str, float],
    *,
    step: str | float | None = None,
    alpha: float | None = None,
) -> Override | Move:
    asked = Asked(
        kind=kind,
        by=by,
        reason=reason,
        event_s=now["event_s"],
        now_s=now["now_s"],
        step=None if step is None else ladder.step(step),
        alpha=alpha,
    )
    return Overriding(wiring.controller(model), wiring.records, spec.budget).make(asked)
