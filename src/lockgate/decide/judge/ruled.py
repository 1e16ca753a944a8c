"""A judge's ruling as a verdict: the gate, the evidence, and a sentence for a person."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judge.capital import Capital
from lockgate.decide.judge.tally import Tally
from lockgate.records.evidence import Claim, Evidence, Gate, Ruling, Verdict
from lockgate.records.policy import Policy, PolicyKind
from lockgate.stats import ranks
from lockgate.stats.mismatch import VOID_AT, Mismatch

MEASURES: dict[PolicyKind, str] = {
    "rate": "failures",
    "accuracy": "wrong answers",
    "latency": "latency_ms",
    "paired": "failures",
}
_CLAIMS: dict[Ruling, Claim] = {Ruling.FAIL: "harmful", Ruling.PASS: "not worse", Ruling.VOID: "harmful"}


class Facts(NamedTuple):
    """What a judge knows when it rules."""

    policy: Policy
    tally: Tally
    capital: Capital
    mismatch: Mismatch
    reference: NDArray[np.int64]


def verdict(facts: Facts, ruling: Ruling, *, model: str, at_s: float, now_s: float) -> Verdict:
    """The verdict; its id follows from the policy, the calls and the ruling, not from when it was written."""
    policy = facts.policy
    is_promotion = ruling is Ruling.PASS
    gate = Gate(
        name=f"judge of {MEASURES[policy.kind]}",
        question="harm",
        claim=_CLAIMS[ruling],
        measure=MEASURES[policy.kind],
        method="label bet on pairs" if policy.kind == "paired" else f"label bet, {policy.kind}",
        margin=policy.margin_ratio if is_promotion else 1.0,
        alpha=1 / VOID_AT if ruling is Ruling.VOID else policy.alpha,
        guarantee="exact",
    )
    seen = evidence(facts, ruling)
    named = f"{model}\x1f{policy}\x1f{seen.digest}\x1f{seen.n}\x1f{ruling}"
    return Verdict(
        id=f"v{hashlib.blake2b(named.encode(), digest_size=6).hexdigest()}",
        model=model,
        ruling=ruling,
        gate=gate,
        evidence=seen,
        subject=("canary", "champion"),
        sentence=sentence(facts, ruling, seen),
        at_s=at_s,
        written_s=now_s,
    )


def evidence(facts: Facts, ruling: Ruling) -> Evidence:
    """All that the ruling rests on."""
    policy, tally, capital = facts.policy, facts.tally, facts.capital
    last = capital.last(tally.total)
    looks = capital.looks if capital.looks and capital.looks[-1] == last else [*capital.looks, last]
    for_claim, other = (last.log_e, last.log_e_no_worse)
    if ruling is Ruling.PASS:
        for_claim, other = (last.log_e_no_worse or 0.0), last.log_e
    detail = {"line": math.log(1 / policy.alpha), "mismatch_e": facts.mismatch.e}
    if policy.kind == "latency":
        detail |= _quantiles(facts.reference)
    return Evidence(
        estimate=_ratio(facts),
        low=last.low,
        high=last.high,
        log_e=for_claim,
        log_e_other=other,
        n=(tally.calls[0], tally.calls[1]),
        events=(tally.bad[0], tally.bad[1]),
        path=tuple(look.log_e_no_worse or 0.0 if ruling is Ruling.PASS else look.log_e for look in looks),
        looks=tuple(looks),
        shares=tuple(tally.shares.items()),
        exposure=tally.calls[1] - tally.pairs,
        extra_events=None if policy.kind == "latency" or tally.pairs else _extra(tally),
        digest=f"{tally.fingerprint:016x}",
        detail=detail,
    )


def sentence(facts: Facts, ruling: Ruling, seen: Evidence) -> str:
    """What a manager reads: so far, on these calls, at this strength."""
    if ruling is Ruling.VOID:
        way = "more" if facts.mismatch.excess > 0 else "fewer"
        return (
            f"The arms did not come up as their shares said: {seen.n[1]:,} canary calls beside {seen.n[0]:,} of the "
            f"champion's, {abs(facts.mismatch.excess):,.0f} {way} than foretold. "
            f"Something routes or loses calls by arm: nothing passes on this evidence, harm alone may still stop it; mend it "
            f"and begin anew."
        )
    odds = f"evidence {math.exp(min(seen.log_e or 0.0, 700)):,.3g} of the {1 / facts.policy.alpha:,.0f} that decide"
    figures = _figures(facts, seen)
    if ruling is Ruling.PASS:
        margin = f"{facts.policy.margin_ratio:g} times"
        return f"So far the canary is shown less than {margin} as bad as the champion: {figures}; {odds}."
    if facts.mismatch.e >= VOID_AT:
        return (
            f"So far the canary looks worse: {figures}; {odds}. The arms do not come up as their shares said, so that it may "
            f"be them and not the canary: it is stopped to be safe."
        )
    return f"So far the canary is worse: {figures}; {odds}."


def _figures(facts: Facts, seen: Evidence) -> str:
    if facts.policy.kind == "latency":
        detail = seen.detail
        return (
            f"median {detail['canary_p50']:.3g} ms against {detail['champion_p50']:.3g}, p99 {detail['canary_p99']:.3g} ms "
            f"against {detail['champion_p99']:.3g}, over {seen.n[1]:,} and {seen.n[0]:,} calls"
        )
    interval = f" [{seen.low or 0:.2g}, {'∞' if seen.high is None else f'{seen.high:.2g}'}]"
    times = "" if seen.estimate is None else f", {seen.estimate:.2f} times as often{interval}"
    word = MEASURES[facts.policy.kind]
    return f"{seen.events[1]:,} {word} in {seen.n[1]:,} calls against {seen.events[0]:,} in {seen.n[0]:,}{times}"


def _ratio(facts: Facts) -> float | None:
    tally = facts.tally
    if facts.policy.kind == "latency":
        found = _quantiles(facts.reference)
        ratio = found["canary_p50"] / found["champion_p50"] if found else math.nan
        return ratio if math.isfinite(ratio) else None
    if not (tally.bad[0] and tally.calls[0] and tally.calls[1]):
        return None
    return tally.bad[1] / tally.calls[1] / (tally.bad[0] / tally.calls[0])


def _extra(tally: Tally) -> float | None:
    return tally.bad[1] - tally.calls[1] * tally.bad[0] / tally.calls[0] if tally.calls[0] else None


def _quantiles(reference: NDArray[np.int64]) -> dict[str, float]:
    if not reference.any(axis=1).all():
        return {}
    return {
        f"{name}_p{round(100 * q)}": ranks.quantile(counts, q)
        for name, counts in zip(("champion", "canary"), reference, strict=True)
        for q in (0.5, 0.99)
    }
