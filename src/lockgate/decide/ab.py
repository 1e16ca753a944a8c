"""An A/B's arms and its moves: (rollout, verdicts, now) -> the next move, or none. Nothing is read, nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lockgate.decide.ladder import PROMOTION, step
from lockgate.errors import SpecError, unknown
from lockgate.records import AbSpec, ArmShare, Rollout, Ruling, Verdict
from lockgate.records.ab import OF_CALLS, OUTCOME
from lockgate.records.rollout import MoveKind

SAMPLE_RATIO = "sample ratio"
DIGITS = 12  # of a position: thirds add up to what they should


def gate_name(metric: str, version: str, *, is_guardrail: bool = False) -> str:
    return f"{'guardrail ' if is_guardrail else ''}{metric} of {version[:6]}"


def arms(versions: Sequence[str], spec: AbSpec) -> tuple[ArmShare, ...]:
    """Each challenger's stretch of positions, from 0 up; the rest is the champion's. One share stands for all; even where
    none is said. Raises SpecError for a share too few or too many.
    """
    shares = spec.share or (1 / (len(versions) + 1),)
    shares = shares * len(versions) if len(shares) == 1 else shares
    if len(shares) != len(versions):
        raise SpecError(
            f"{len(shares)} shares for {len(versions)} challengers.", cure="Give one share for all, or one for each."
        )
    if sum(shares) >= 1:
        raise SpecError(f"{len(versions)} challengers at {shares[0]:g} leave the champion nothing.", cure="Give less.")
    ends = [round(sum(shares[:place]), DIGITS) for place in range(len(shares) + 1)]
    return tuple(ArmShare(version=v, low=ends[i], high=ends[i + 1]) for i, v in enumerate(versions))


def check(spec: AbSpec, known: Collection[str]) -> None:
    """Whether the metrics are there. known: those that are told by unit. Raises SpecError naming the nearest."""
    if spec.metric is None:
        raise SpecError("An A/B is decided by a metric, and none is named.", cure="Name it: --metric conversion, say.")
    if spec.metric in OF_CALLS:
        raise SpecError(
            f"{spec.metric} may stop an arm, and never makes one the champion.",
            cure="Name what the business gains: a metric told by unit, or outcome.",
        )
    for name in (spec.metric, *(guarded.metric for guarded in spec.guarded)):
        if name not in (*known, OUTCOME, *OF_CALLS):
            raise SpecError(
                unknown("metric", name, (*known, OUTCOME, *OF_CALLS)),
                cure=f'Declare it: metrics = ["{name}"] under [model.NAME.outcomes] in lockgate.toml.',
            )
    if spec.metric in [guarded.metric for guarded in spec.guarded]:
        raise SpecError(f"{spec.metric} decides, and guards besides.", cure="Leave it out of ab.guardrails.")


def share_of(live: Sequence[ArmShare]) -> float:
    """Of all challengers together."""
    return round(sum(arm.share for arm in live), DIGITS)


def stretches(rollout: Rollout) -> dict[float, tuple[ArmShare, ...]]:
    """By the challengers' share together, the arms that took part under it: at the start, after the first that ended..."""
    return {
        share_of(live): live
        for ends in range(len(rollout.ended) + 1)
        for live in (tuple(arm for arm in rollout.arms if arm.version not in rollout.ended[:ends]),)
    }


def wants_approval(rollout: Rollout) -> bool:
    """Whether the model's policy keeps its promotions for a person to approve, an A/B's like a ladder's."""
    return any(step(rung).name == PROMOTION.name for rung in rollout.spec.require_approval)


def due(
    rollout: Rollout, verdicts: Sequence[Verdict], now_s: float
) -> tuple[MoveKind, str | None, Verdict | None] | None:
    """The kind of the move that is due, the version it is about, and the verdict; gravest first: harm, then the deadline,
    then a winner. Unsound evidence moves nothing until a person ends it or the deadline does; a hold keeps winners waiting.

    Several winners at once: the one whose interval's near end is farthest.
    """
    live = [arm.version for arm in rollout.live]
    harm = next((v for v in verdicts if v.ruling is Ruling.FAIL and v.subject[0] in live), None)
    if harm is not None:
        return ("end_arm" if len(live) > 1 else "roll_back"), harm.subject[0], harm
    if now_s >= rollout.deadline_s:
        told = [v for v in verdicts if v.gate.claim == "better" and v.subject[0] in live]
        return "undecided", None, max(told, key=_gain, default=None)
    if rollout.held is not None or any(v.ruling is Ruling.VOID for v in verdicts):
        return None
    winners = [v for v in verdicts if v.ruling is Ruling.PASS and v.gate.claim == "better" and v.subject[0] in live]
    if not winners:
        return None
    best = max(winners, key=_gain)
    return "promote", best.subject[0], best


def _gain(told: Verdict) -> float:
    """How far the near end of the interval lies on the good side, in the metric's units."""
    low, high = told.evidence.low, told.evidence.high
    if told.evidence.detail.get("is_down"):
        return -float("inf") if high is None else -high
    return -float("inf") if low is None else low
