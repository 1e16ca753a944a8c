"""The plan of a rollout: how many calls and days each step needs, the smallest harm it sees, and what can never decide."""

from __future__ import annotations

import math
from typing import NamedTuple

from lockgate.decide import ladder, safety
from lockgate.decide.harm import share_of_alpha
from lockgate.errors import SpecError
from lockgate.records import RolloutSpec, Step
from lockgate.records.duration import UNITS_S, seconds
from lockgate.records.plan import Plan, PlanStep
from lockgate.stats import forecast, glst, label_bet
from lockgate.stats.label_bet import PAIRED

FEWEST_PAIRS = 30
# Beyond so many deadlines a forecast in days is no comfort.
PATIENT = 10
# A forecast of blocks is a mean, and half of all rollouts take longer. A plan promises more, as its forecasts of calls do:
# 1.25 to 1.45 times the median. Of equal challengers 19 in 20 are then promoted within twice of it (test_rollouts.py).
PROMISE = 1.3
SHARES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


class Traffic(NamedTuple):
    """What is known, or expected, of a model's calls.

    failure_rate: the champion's. gain: how much smaller the challenger's mean loss is expected to be, per call, in the
    metric's units, None where nobody knows; block_sd: of the difference of day means; lag1: of neighbouring days. history:
    blocks of the pair from before the test. horizon_days: how long outcomes take. replayed: blocks of logged calls that
    replay scores at once.
    """

    calls_per_day: float
    failure_rate: float
    gain: float | None = None
    block_sd: float | None = None
    lag1: float = 0.0
    history: int = 0
    horizon_days: float = 0.0
    replayed: int = 0


def plan(spec: RolloutSpec, traffic: Traffic, *, not_worse_by: float) -> Plan:
    """The plan. Raises SpecError for a ladder or figures that cannot be; what cannot decide is named in `refusals`."""
    _check(traffic)
    rungs = ladder.steps(spec)
    deadline_days = seconds(spec.deadline) / UNITS_S["d"]
    guarded = [rung for rung in rungs if rung.kind != "replay" and rung.share < 1.0]
    steps = tuple(_step(spec, rung, traffic, len(guarded)) for rung in guarded)
    days = math.fsum(math.inf if step.days is None else step.days for step in steps)
    memory = glst.effective_memory(spec.memory, traffic.history)
    margin = not_worse_by if spec.prove == "not worse" else 0.0
    block_days = seconds(spec.block) / UNITS_S["d"]
    last = (deadline_days - traffic.horizon_days) / block_days + traffic.replayed
    sd = traffic.block_sd
    effect = None if traffic.gain is None or not sd else (traffic.gain + margin) / sd
    blocks = None if effect is None else _finite(PROMISE * _blocks(effect, memory, spec, traffic))
    least = _least(last, memory, spec, traffic)
    worth_days = None
    if blocks is not None:
        worth_days = max(blocks - traffic.replayed, 0.0) * block_days + traffic.horizon_days
    refusals = [
        *_refused_steps(spec, guarded, steps, traffic, deadline_days, days),
        *_refused_worth(spec, traffic, _Worth(memory, effect, least, worth_days, deadline_days, block_days)),
    ]
    return Plan(
        calls_per_day=traffic.calls_per_day,
        failure_rate=traffic.failure_rate,
        steps=steps,
        memory=memory,
        effect=effect,
        blocks=blocks,
        smallest_effect=None if not sd or math.isinf(least) else least * sd - margin,
        days=_finite(max(days, worth_days or 0.0)),
        deadline_days=deadline_days,
        alpha=2 * spec.alpha + 2 * spec.worth_alpha,
        refusals=tuple(refusals),
    )


def _step(spec: RolloutSpec, rung: Step, traffic: Traffic, guarded: int) -> PlanStep:
    """The sooner of both ways, for a challenger that fails as the champion does."""
    alpha = safety.share_of_alpha(spec, guarded)
    rate, is_shadow = traffic.failure_rate, rung.kind == "shadow"
    share = PAIRED if is_shadow else rung.share
    own = forecast.calls_until_safe(tolerance=rung.tolerance, alpha=alpha, rate=rate)
    by_rate = own if is_shadow else own / rung.share
    by_ratio = forecast.calls_until_no_worse(
        share=share, failure_rate=rate, margin=safety.margin(rung.share), alpha=alpha
    )
    calls = min(by_rate, by_ratio)
    is_finite = math.isfinite(calls)
    harm = math.inf
    if rate and is_finite:
        harm = forecast.smallest_ratio(calls=calls, share=share, failure_rate=rate, alpha=share_of_alpha(spec))
    return PlanStep(
        name=rung.name,
        share=rung.share,
        calls=_finite(calls),
        days=_finite(calls / traffic.calls_per_day),
        exposed=calls * rung.share if is_finite else 0.0,
        by="rate" if by_rate <= by_ratio else "ratio",
        smallest_harm=_finite(harm),
        stops_at=_stops_at(share, share_of_alpha(spec)),
    )


def _stops_at(share: float, alpha: float) -> int:
    """Failures of the challenger beside none of the champion's that a guardrail takes for harm."""
    failures = 1
    while label_bet.log_e([(share, 0, failures)]) < math.log(1 / alpha):
        failures += 1
    return failures


def _refused_steps(
    spec: RolloutSpec,
    rungs: list[Step],
    steps: tuple[PlanStep, ...],
    traffic: Traffic,
    deadline_days: float,
    days: float,
) -> list[str]:
    found: list[str] = []
    for rung, step in zip(rungs, steps, strict=True):
        if step.days is None:
            sentence = (
                f"{step.name} is never shown safe: the champion itself fails {traffic.failure_rate:.2%} of calls, over the "
                f"{rung.tolerance:.2%} that is put up with there. Mend the failures, or begin with a larger share, where the "
                f"ratio of failures decides."
            )
            found.append(sentence)
    if found or days <= deadline_days:
        return found
    slow = max(steps, key=lambda step: step.days or 0.0)
    spare = deadline_days - (days - (slow.days or 0.0))
    share = _share_in_time(spec, slow, traffic, len(rungs), spare)
    mend = "take it out of the ladder" if share is None else f"a share of {share:g} there would be in time"
    sentence = (
        f"The steps need {days:,.0f} days at {traffic.calls_per_day:,.0f} calls a day, and the deadline is "
        f"{deadline_days:,.0f}. {slow.name} alone takes {slow.days:,.0f}: {mend}; or set rollout.deadline = "
        f'"{math.ceil(days)}d".'
    )
    return [sentence]


def _share_in_time(spec: RolloutSpec, slow: PlanStep, traffic: Traffic, guarded: int, days: float) -> float | None:
    """The least larger share, of those people write, that is shown safe within so many days; None where none is."""
    for share in SHARES:
        if slow.share < share:
            found = _step(spec, ladder.step(share), traffic, guarded)
            if found.days is not None and found.days <= days:
                return share
    return None


class _Worth(NamedTuple):
    """What the block test is foretold: the effect expected, and the least that is proved in time, in block sds."""

    memory: glst.Memory
    effect: float | None
    least: float
    days: float | None
    deadline_days: float
    block_days: float


def _refused_worth(spec: RolloutSpec, traffic: Traffic, worth: _Worth) -> list[str]:
    per_block = traffic.calls_per_day * worth.block_days
    if per_block < FEWEST_PAIRS:
        sentence = (
            f"A block of {spec.block} holds {per_block:.0f} calls, and {FEWEST_PAIRS} are needed to judge one: worth is "
            f"never proved. Bring more traffic, or prove it offline."
        )
        return [sentence]
    if math.isinf(worth.least):
        fewest = PROMISE * forecast.blocks_until_verdict(effect=100.0, memory=worth.memory, alpha=spec.worth_alpha)
        days = math.ceil(fewest * worth.block_days + traffic.horizon_days)
        sentence = (
            f"No gain at all is proved within {worth.deadline_days:,.0f} days with memory {worth.memory}. "
            f'Set rollout.deadline = "{days}d" or more.'
        )
        return [sentence]
    if worth.effect is None or (worth.days is not None and worth.days <= worth.deadline_days):
        return []
    sd, gain = traffic.block_sd or 0.0, traffic.gain or 0.0
    mends = [f"a margin of {worth.least * sd - gain:.4f} (gate.not_worse_by) would be proved in time"]
    is_near = worth.days is not None and worth.days <= PATIENT * worth.deadline_days
    if worth.days is not None and is_near:
        mends.append(f'so would rollout.deadline = "{math.ceil(worth.days)}d"')
    if worth.memory == "new" and spec.memory != "new":
        mends.append("a gate.holdout of 21 days would give the history that is decided sooner by")
    took = f"after some {worth.days:,.0f} days" if is_near else "in no time worth waiting for"
    sentence = (
        f"At the gain expected, {gain:+.4f} a call, worth is proved {took}, and the deadline is "
        f"{worth.deadline_days:,.0f} days: {'; '.join(mends)}."
    )
    return [sentence]


def _blocks(effect: float, memory: glst.Memory, spec: RolloutSpec, traffic: Traffic) -> float:
    return forecast.blocks_until_verdict(effect=effect, memory=memory, alpha=spec.worth_alpha, lag1=traffic.lag1)


def _least(blocks: float, memory: glst.Memory, spec: RolloutSpec, traffic: Traffic) -> float:
    """The least effect that is promised within so many blocks."""
    return forecast.smallest_effect(
        blocks=max(blocks, 0.0) / PROMISE, memory=memory, alpha=spec.worth_alpha, lag1=traffic.lag1
    )


def _check(traffic: Traffic) -> None:
    if not 0 < traffic.calls_per_day < math.inf:
        raise SpecError(f"{traffic.calls_per_day} calls a day decide nothing.", cure="Give a number above 0.")
    if not 0 <= traffic.failure_rate < 1:
        raise SpecError(f"A failure rate of {traffic.failure_rate} cannot be.", cure="Give a share of calls, 0.01 say.")
    if traffic.block_sd is not None and not 0 < traffic.block_sd < math.inf:
        raise SpecError(f"A standard deviation of {traffic.block_sd} cannot be.", cure="Give that of day differences.")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
