"""Streams of calls whose truth is known: what a judge of two arms is measured on.

A stream is made in two steps. `Traffic` says what was true at each call: the canary's share, and the champion's rate of
failures. Then calls are drawn from it: by lot, in pairs, by units that stay, with outcomes that come late, or as latencies.
`ratio` is how many times as often the canary fails, so 1 is a canary that is no worse. METHODS 1, 8.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.safety import margin, tolerance
from lockgate.errors import SpecError, unknown
from lockgate.stats import label_bet, rate_bet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tail = Literal["log-normal", "t3", "Pareto"]

RAMP = (0.01, 0.05, 0.25, 0.5)
TAILS: tuple[Tail, ...] = ("log-normal", "t3", "Pareto")
MEDIAN_MS, SPREAD = 20.0, 0.5


class Traffic(NamedTuple):
    """What was true at each call, shape (n,): the canary's share, and the champion's chance to fail."""

    share: Floats
    rate: Floats


class Calls(NamedTuple):
    """Answered calls in the order they are judged, shape (n,), as `lockgate.Judge.observe_batch` takes them.

    arm: 1 the canary's; value: 1.0 failed, 0.0 not, or milliseconds; share: the canary's when the call was routed; unit:
    who called, None where every call is a unit of its own; shadow: the other version's value on the same call, or None.
    """

    arm: Ints
    value: Floats
    share: Floats
    unit: Ints | None = None
    shadow: Floats | None = None

    def part(self, which: NDArray[np.intp] | slice) -> Calls:
        """Some of the calls, in the order asked for."""
        unit = None if self.unit is None else self.unit[which]
        shadow = None if self.shadow is None else self.shadow[which]
        return Calls(self.arm[which], self.value[which], self.share[which], unit, shadow)


def constant(calls: int, *, share: float, rate: float) -> Traffic:
    """Nothing moves."""
    return Traffic(np.full(calls, share), np.full(calls, rate))


def climbing(calls: int, *, low: float, high: float) -> Traffic:
    """A share that climbs 1, 5, 25, 50 % while the base rate rises: later calls fail more and are more often the canary's."""
    return Traffic(np.array(RAMP)[np.arange(calls) * len(RAMP) // calls], np.linspace(low, high, calls))


def swinging(calls: int, *, share: float, rate: float, swing: float = 0.9, period: int = 500) -> Traffic:
    """A base rate that swings to and fro by `swing` of itself."""
    return Traffic(np.full(calls, share), rate * (1 + swing * np.sin(np.arange(calls) * 2 * math.pi / period)))


def by_days(
    rng: np.random.Generator, calls: int, *, share: float, rate: float, days: int = 20, spread: float = 0.7
) -> Traffic:
    """Good days and bad days: both arms share a log-normal factor of mean 1 with log sd `spread`."""
    factor = np.exp(spread * rng.standard_normal(days) - spread**2 / 2)
    return Traffic(np.full(calls, share), np.minimum(rate * factor[np.arange(calls) * days // calls], 0.9))


def by_lot(rng: np.random.Generator, traffic: Traffic, *, ratio: float | Floats = 1.0) -> Calls:
    """Each call's arm drawn by its share, each outcome by its arm's rate. ratio: one number, or shape (n,)."""
    arm = (rng.random(traffic.share.size) < traffic.share).astype(np.int64)
    failed = rng.random(arm.size) < traffic.rate * np.where(arm == 1, ratio, 1.0)
    return Calls(arm, failed.astype(np.float64), traffic.share)


def pairs(rng: np.random.Generator, traffic: Traffic, *, ratio: float = 1.0, both: float = 0.5) -> Calls:
    """Each call answered by the champion and shown to the canary too. both: the share of the champion's failures that the
    canary fails as well.
    """
    draw, n = rng.random(traffic.rate.size), traffic.rate.size
    champion, shared = draw < traffic.rate, draw < both * traffic.rate
    alone = (ratio - both) * traffic.rate / (1 - traffic.rate)
    canary = shared | (~champion & (rng.random(n) < alone))
    return Calls(
        np.zeros(n, dtype=np.int64), champion.astype(np.float64), traffic.share, shadow=canary.astype(np.float64)
    )


def sticky(
    rng: np.random.Generator, traffic: Traffic, *, units: int, correlation: float = 0.17, ratio: float = 1.0
) -> Calls:
    """Heavy users who stay: few units make most calls, each fails at a rate of its own, and a unit that the growing share
    has brought to the canary never leaves it.

    correlation: of two outcomes of one unit (beta-binomial); calls per unit fall like 1 / rank.
    """
    unit, arm = _placed(rng, traffic, units)
    strength, room = 1 / correlation - 1, max(ratio, 1.0)
    mean = float(traffic.rate.mean())
    # Scaled so that the worst unit's rate times `ratio` is a chance still: the ratio then holds for every unit.
    own = rng.beta(room * mean * strength, (1 - room * mean) * strength, units) / room
    chance = own[unit] * traffic.rate / mean * np.where(arm == 1, ratio, 1.0)
    return Calls(arm, (rng.random(arm.size) < chance).astype(np.float64), traffic.share, unit)


def latencies(
    rng: np.random.Generator, traffic: Traffic, *, tail: Tail = "log-normal", slower: float = 1.0, units: int = 0
) -> Calls:
    """Milliseconds with a heavy tail; the traffic's rate, over its mean, is how slow everybody is at that call.

    slower: by what factor the canary is. tail: log sd .5; the same with t3 in the logs; Pareto with exponent 1.5, so
    without a variance. units: above 0 they stay and differ, an intra-class correlation of .17 in the logs.
    """
    if tail not in TAILS:
        raise SpecError(unknown("tail", str(tail), TAILS))
    n = traffic.share.size
    unit, arm = _placed(rng, traffic, units) if units else (None, (rng.random(n) < traffic.share).astype(np.int64))
    if tail == "Pareto":
        value = MEDIAN_MS * (2 * (1 - rng.random(n))) ** (-1 / 1.5)
    else:
        value = MEDIAN_MS * np.exp(SPREAD * (rng.standard_normal(n) if tail == "log-normal" else rng.standard_t(3, n)))
    if unit is not None:
        value = value * np.exp(SPREAD * math.sqrt(0.17 / 0.83) * rng.standard_normal(units))[unit]
    return Calls(arm, value * traffic.rate / traffic.rate.mean() * np.where(arm == 1, slower, 1.0), traffic.share, unit)


class Delayed(NamedTuple):
    """One stream twice: as its outcomes came in, and matured, each call held until its horizon. arrived: the call number
    at which each reported outcome was known.
    """

    reported: Calls
    matured: Calls
    arrived: Ints


def delayed(rng: np.random.Generator, calls: Calls, *, mean: float, horizon: float, slower: float = 4.0) -> Delayed:
    """Good outcomes come at once; failures after an exponential delay of `mean` calls, the canary's `slower` times later.

    No delay is longer than `horizon`. What is not yet known when the stream ends is in neither form.
    """
    n = calls.arm.size
    late = rng.exponential(mean * np.where(calls.arm == 1, slower, 1.0))
    known = np.arange(n) + np.where(calls.value > 0, np.minimum(late, horizon), 0.0)
    order = np.argsort(known, kind="stable")
    order = order[known[order] < n]
    matured = calls.part(slice(0, max(0, n - math.ceil(horizon))))
    return Delayed(calls.part(order), matured, known[order].astype(np.int64))


def ladder(
    rng: np.random.Generator, calls: int, *, rate: float, ratio: float = 1.0, alpha: float = 0.01, every: int = 250
) -> Calls:
    """A share that moves with the evidence: it climbs 1, 5, 25, 50 % as soon as a look, every so many calls, shows the
    step *safe* (METHODS 8): fewer failures than the step's margin, or a rate under its tolerance; each step anew.
    """
    drawn: list[Calls] = []
    left = calls
    for step in RAMP:
        stretch = by_lot(rng, constant(left, share=step, rate=rate), ratio=ratio)
        taken = left if step == RAMP[-1] else _until_safe(stretch, step, alpha, every)
        drawn.append(stretch.part(slice(0, taken)))
        left -= taken
        if not left:
            break
    return Calls(*(np.concatenate([getattr(part, name) for part in drawn]) for name in ("arm", "value", "share")))


def _until_safe(stretch: Calls, step: float, alpha: float, every: int) -> int:
    """How many calls the step takes."""
    line = math.log(2 * len(RAMP) / alpha)
    looks = np.arange(every, stretch.arm.size + 1, every)
    canary = np.cumsum(stretch.arm)[looks - 1]
    bad, canary_bad = (np.cumsum(part)[looks - 1] for part in (stretch.value, stretch.value * stretch.arm))
    under = rate_bet.log_e_under(canary, canary_bad.astype(np.int64), tolerance=tolerance(step))
    for look, (total, own) in enumerate(zip(bad.tolist(), canary_bad.tolist(), strict=True)):
        cells = [(step, int(total - own), int(own))]
        if under[look] >= line or label_bet.log_e_no_worse(cells, margin=margin(step)) >= line:
            return int(looks[look])
    return stretch.arm.size


def _placed(rng: np.random.Generator, traffic: Traffic, units: int) -> tuple[Ints, Ints]:
    """Who calls, and in which arm: the canary's as soon as the share reaches the unit's place."""
    weight = 1 / np.arange(1, units + 1)
    unit = np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random(traffic.share.size)).astype(np.int64)
    place = rng.random(units)
    return unit, (place[unit] < traffic.share).astype(np.int64)
