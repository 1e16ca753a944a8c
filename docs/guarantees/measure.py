"""Measure every error rate and every cost that the guarantees name, on streams whose truth is known.

Run it:  python docs/guarantees/measure.py             2,000 paths, half an hour on two quick cores
         python docs/guarantees/measure.py --short     100 paths, some minutes; written beside, to figures-short.json
         python docs/guarantees/measure.py --only exposure ladder --paths 500

Results go to docs/guarantees/figures.json, section by section: each figure with its standard error, paths and seed. Then
`python docs/guarantees/write.py` makes the page. Ours is `lockgate.Judge` itself, a look after every call; rivals look every
100 calls at the same streams.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import decay_days
import drift_windows
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lockgate import Judge, Policy
from lockgate.errors import SpecError
from lockgate.records import RolloutSpec, RolloutState
from lockgate.records.policy import PolicyKind
from lockgate.sim import days, rivals, streams
from lockgate.sim.rollouts import BROKEN, LATE, healthy
from lockgate.sim.streams import Calls
from lockgate.stats import glst, label_bet, mismatch
from lockgate.stats.change import highest_risk
from lockgate.testing.rollouts import Direct, Simulation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEED = 2026
ROLLBACK, PROMOTION, MARGIN = 0.01, 0.05, 1.5
BASE: dict[PolicyKind, float] = {"rate": 0.02, "accuracy": 0.1, "paired": 0.05, "latency": 1.0}
LENGTH: dict[PolicyKind, int] = {"rate": 20_000, "accuracy": 8_000, "paired": 8_000, "latency": 8_000}
AT_ONCE = 16_384
FEWER = 5  # rivals, whose rates are large, see one path in so many
DAYS: tuple[glst.Memory, ...] = ("independent", "new", "short", "long")

Floats = NDArray[np.float64]
Make = Callable[[np.random.Generator], Calls]
Row = dict[str, Any]


# ---- one path


def rngs(name: str, paths: int) -> Iterator[np.random.Generator]:
    """Each path has a generator of its own, so that a path can be repeated alone."""
    return (np.random.default_rng([SEED, zlib.crc32(name.encode()), path]) for path in range(paths))


def judged(calls: Calls, policy: Policy) -> tuple[str, int, int]:
    """(move or void, canary calls, calls) where the judge stopped, or where the stream ended."""
    judge = Judge(policy)
    share = None if calls.shadow is not None else calls.share
    found = None
    for start in range(0, calls.arm.size, AT_ONCE):
        few = calls.part(slice(start, start + AT_ONCE))
        found = judge.observe_batch(few.arm, few.value, None if share is None else few.share, few.unit, few.shadow)
        if found is not None:
            break
    if found is None:
        return "none", int(calls.arm.sum()), calls.arm.size
    at = sum(found.evidence.n) if calls.shadow is None else found.evidence.n[0]
    return ("void" if found.ruling.value == "void" else found.move), found.evidence.n[1], at


def rate_row(hits: int, paths: int, **about: Any) -> Row:
    value = hits / paths
    # A rate of 0 has no standard error to show; the one of a single hit stands in for it.
    spread = max(value * (1 - value), (1 / paths) * (1 - 1 / paths))
    return about | {"value": value, "se": math.sqrt(spread / paths), "paths": paths, "seed": SEED}


def mean_row(values: list[float], **about: Any) -> Row:
    found = np.array(values, dtype=float)
    row = {"value": float(found.mean()), "se": float(found.std(ddof=1) / math.sqrt(found.size))}
    return about | row | {"median": float(np.median(found)), "paths": found.size, "seed": SEED}


# ---- the worlds of false verdicts


def worlds(kind: PolicyKind, ratio: float = 1.0) -> dict[str, Make]:
    """Every stream that a kind is measured on; in all of them the canary is `ratio` times as bad."""
    n, base = LENGTH[kind], BASE[kind]
    still = streams.constant(n, share=0.05, rate=base)
    climb = streams.climbing(n, low=base / 2, high=base * 1.5)
    swing = streams.swinging(n, share=0.05, rate=base)
    flat_climb = streams.Traffic(climb.share, still.rate)

    def by_days(rng: np.random.Generator) -> streams.Traffic:
        return streams.by_days(rng, n, share=0.05, rate=base)

    if kind == "latency":
        found: dict[str, Make] = {
            f"constant, {tail}": lambda rng, tail=tail: streams.latencies(rng, still, tail=tail)
            for tail in streams.TAILS
        }
        return found | {
            "share ramp, load rising threefold": lambda rng: streams.latencies(rng, climb),
            "swinging load": lambda rng: streams.latencies(rng, swing),
            "good and bad days": lambda rng: streams.latencies(rng, by_days(rng)),
            "sticky heavy users": lambda rng: streams.latencies(rng, flat_climb, units=n // 4),
        }
    draw = streams.pairs if kind == "paired" else streams.by_lot
    found = {
        "constant": lambda rng: draw(rng, still, ratio=ratio),
        "share ramp, base rate rising threefold": lambda rng: draw(rng, climb, ratio=ratio),
        "swinging base rate": lambda rng: draw(rng, swing, ratio=ratio),
        "good and bad days": lambda rng: draw(rng, by_days(rng), ratio=ratio),
    }
    if kind == "paired":
        return found
    quarter = streams.constant(n, share=0.25, rate=base)
    late = streams.constant(n + n // 4, share=0.05, rate=base)
    found["constant, a quarter of the traffic"] = lambda rng: streams.by_lot(rng, quarter, ratio=ratio)
    found["sticky heavy users"] = lambda rng: streams.sticky(rng, flat_climb, units=n // 4, ratio=ratio)
    found["late failures, matured"] = lambda rng: (
        streams.delayed(rng, streams.by_lot(rng, late, ratio=ratio), mean=n / 20, horizon=n / 4).matured
    )
    if kind == "rate":
        found["ladder moved by the evidence"] = lambda rng: streams.ladder(rng, n, rate=base, ratio=ratio)
    return found


def harm_rules(calls: Calls, kind: PolicyKind, alpha: float, *, base: float) -> dict[str, NDArray[np.bool_]]:
    """What each rival says of harm at each of its looks. Fixed limits stand at twice the champion's usual rate."""
    is_rate = kind != "latency"
    seen = rivals.looks(rivals.unpaired(calls), is_rate=is_rate)
    effect = base if is_rate else 0.2 * streams.MEDIAN_MS
    found = {
        "peeking z test": rivals.peeking_z(seen, alpha=alpha),
        "mixture SPRT": rivals.mixture_sprt(seen, alpha=alpha, effect=effect),
        "asymptotic sequence, pooled": rivals.asymptotic_pooled(seen, alpha=alpha),
        "asymptotic sequence, weighted": rivals.asymptotic_weighted(seen, alpha=alpha),
        "sliding Mann-Whitney": rivals.sliding_ranks(seen),
    }
    if is_rate:
        found["limit on the canary"] = rivals.over_a_limit(seen, limit=2 * base)
        found["limit over the champion"] = rivals.over_the_champion(seen, excess=base)
    else:
        found["limit over the champion"] = rivals.over_the_champion(seen, excess=0.2, is_relative=True)
    return found


def rollback(paths: int, kind: PolicyKind) -> list[Row]:
    """Canaries that are no worse: how often each rule stops them."""
    rows: list[Row] = []
    for world, make in worlds(kind).items():
        moves: list[str] = []
        hits: dict[str, int] = {}
        for path, rng in enumerate(rngs(f"rollback {kind} {world}", paths)):
            calls = make(rng)
            moves.append(judged(calls, Policy(kind=kind, alpha=ROLLBACK))[0])
            if path % FEWER == 0:
                for rule, says in harm_rules(calls, kind, ROLLBACK, base=BASE[kind]).items():
                    hits[rule] = hits.get(rule, 0) + bool(says.any())
        about = {"kind": kind, "world": world, "promised": ROLLBACK, "calls": LENGTH[kind]}
        rows.append(rate_row(moves.count("roll_back"), paths, rule="Lockgate", **about))
        report(rows[-1])
        rows.append(rate_row(moves.count("void"), paths, rule="Lockgate, void", **about))
        rows += [rate_row(count, paths // FEWER, rule=rule, **about) for rule, count in hits.items()]
    return rows


def promotion(paths: int, kind: PolicyKind) -> list[Row]:
    """Canaries exactly at the margin, 1.5 times as bad: how often each rule promotes them."""
    rows: list[Row] = []
    for world, make in worlds(kind, MARGIN).items():
        moves: list[str] = []
        alone = 0
        hits: dict[str, int] = {}
        for path, rng in enumerate(rngs(f"promotion {kind} {world}", paths)):
            calls = make(rng)
            moves.append(judged(calls, Policy(kind=kind, alpha=PROMOTION, promote=True))[0])
            alone += promotion_alone(calls, kind)
            if path % FEWER == 0:
                for rule, is_promoted in rivals_promote(calls, kind).items():
                    hits[rule] = hits.get(rule, 0) + is_promoted
        about = {"kind": kind, "world": world, "promised": PROMOTION, "calls": LENGTH[kind]}
        rows.append(rate_row(moves.count("promote"), paths, rule="Lockgate", **about))
        report(rows[-1])
        rows.append(rate_row(alone, paths, rule="Lockgate, nothing stops it first", **about))
        rows += [rate_row(count, paths // FEWER, rule=rule, **about) for rule, count in hits.items()]
    return rows


def harm_alone(calls: Calls) -> bool:
    """Whether the bets of failures for harm ever reach the line, with no check of the lot that voids them first."""
    bets = betting(calls)
    gained = label_bet.log_gain(
        calls.share[bets, None], label_bet.RATIOS, np.log(label_bet.RATIOS), calls.arm[bets, None]
    )
    log_e = logsumexp(np.cumsum(gained, axis=0) + np.log(label_bet.PRIOR), axis=1)
    return bool(log_e.max(initial=0.0) >= math.log(1 / ROLLBACK))


def betting(calls: Calls, *, only_failures: bool = True) -> NDArray[np.intp]:
    """The calls that bet: every failure, or call, but of named units the first."""
    bets = np.flatnonzero(calls.value > 0) if only_failures else np.arange(calls.arm.size)
    return bets if calls.unit is None else np.sort(bets[np.unique(calls.unit[bets], return_index=True)[1]])


def promotion_alone(calls: Calls, kind: PolicyKind = "rate") -> bool:
    """Whether the bets for promotion ever reach the line, in a judge that would never roll back: the claim by itself."""
    if calls.shadow is not None:
        one = calls.value != calls.shadow
        label, share = calls.shadow[one].astype(np.int64), np.full(int(one.sum()), label_bet.PAIRED)
    else:
        bets = betting(calls, only_failures=kind == "rate")
        bets = bets[calls.value[bets] > 0]
        label, share = calls.arm[bets], calls.share[bets]
    scores = np.append(label_bet.NO_WORSE, MARGIN)
    gained = np.cumsum(label_bet.log_gain(share[:, None], scores, np.log(scores), label[:, None]), axis=0)
    log_e = logsumexp(gained[:, :-1] - gained[:, -1:] + np.log(label_bet.NO_WORSE_PRIOR), axis=1)
    return bool(log_e.max(initial=0.0) >= math.log(1 / PROMOTION))


def rivals_promote(calls: Calls, kind: PolicyKind) -> dict[str, bool]:
    """Sequences prove "under 1.5 times" the same way as harm, on values turned round; rules that only ever stop a canary
    promote what they have not stopped when the plan ends.
    """
    plain = rivals.unpaired(calls)
    turned = plain._replace(value=-plain.value * np.where(plain.arm == 1, 1.0, MARGIN))
    seen = rivals.looks(turned)
    stops = harm_rules(calls, kind, ROLLBACK, base=BASE[kind])
    return {
        "peeking z test": bool(rivals.peeking_z(seen, alpha=PROMOTION).any()),
        "mixture SPRT": bool(rivals.mixture_sprt(seen, alpha=PROMOTION, effect=BASE[kind]).any()),
        "asymptotic sequence, pooled": bool(rivals.asymptotic_pooled(seen, alpha=PROMOTION).any()),
        "asymptotic sequence, weighted": bool(rivals.asymptotic_weighted(seen, alpha=PROMOTION).any()),
    } | {rule: not stops[rule].any() for rule in stops if rule.startswith(("limit", "sliding"))}


# ---- how soon


class Harm:
    """A canary truly worse, and the two limits that it is measured against."""

    def __init__(
        self, name: str, kind: PolicyKind, *, goal: float | None, calls: int, harm: float | None = None, **true: float
    ):
        self.name, self.kind, self.goal, self.calls, self.harm, self.true = name, kind, goal, calls, harm, true

    def draw(self, rng: np.random.Generator) -> Calls:
        base = self.true["base"]
        traffic = streams.constant(self.calls, share=0.05, rate=base)
        if self.kind == "latency":
            return streams.latencies(rng, traffic, slower=self.true["ratio"])
        if self.kind == "paired":
            return streams.pairs(rng, traffic, ratio=self.true["ratio"], both=self.true["both"])
        return streams.by_lot(rng, traffic, ratio=self.true["ratio"])

    def gains(self, calls: Calls) -> tuple[Floats, Floats]:
        """Log likelihood ratios of each call: of its label given the outcome, what a label bet may use; and of the whole
        outcome where the champion's distribution is known beforehand.
        """
        base, ratio = self.true["base"], self.true["ratio"]
        if calls.shadow is not None:
            return self._pair_gains(calls)
        if self.kind == "latency":
            shift = math.log(ratio) / streams.SPREAD
            z = np.log(calls.value / streams.MEDIAN_MS) / streams.SPREAD
            log_score = shift * z - shift**2 / 2
        else:
            clean = math.log((1 - ratio * base) / (1 - base)) if self.kind == "accuracy" else 0.0
            log_score = np.where(calls.value > 0, math.log(ratio), clean)
        score = np.exp(log_score)
        whole = log_score
        if self.kind == "rate":
            whole = np.where(calls.value > 0, log_score, math.log((1 - ratio * base) / (1 - base)))
        return label_bet.log_gain(calls.share, score, log_score, calls.arm), calls.arm * whole

    def _pair_gains(self, calls: Calls) -> tuple[Floats, Floats]:
        base, ratio, both = self.true["base"], self.true["ratio"], self.true["both"]
        odds = (ratio - both) / (1 - both)
        assert calls.shadow is not None
        one, canary = calls.value != calls.shadow, (calls.shadow > calls.value).astype(np.int64)
        label = label_bet.log_gain(0.5, np.full(one.size, odds), np.full(one.size, math.log(odds)), canary)
        neither = math.log((1 - base * (1 + ratio - both)) / (1 - base * (2 - both)))
        whole = np.where(canary == 1, math.log(odds), np.where((calls.value == 0) & (calls.shadow == 0), neither, 0.0))
        return np.where(one, label, 0.0), whole


HARMS = [
    Harm("failures 1 to 2 %", "rate", goal=1.35, calls=120_000, base=0.01, ratio=2.0),
    Harm("failures 1 to 5 %", "rate", goal=1.5, calls=40_000, base=0.01, ratio=5.0),
    Harm("failures 1 to 50 %", "rate", goal=2.0, calls=20_000, base=0.01, ratio=50.0),
    Harm("failures 1 to 2 %, harm declared", "rate", goal=1.25, calls=120_000, harm=2.0, base=0.01, ratio=2.0),
    Harm("accuracy, wrong 10 to 12 %", "accuracy", goal=None, calls=200_000, base=0.1, ratio=1.2),
    Harm("accuracy, 10 to 12 %, harm declared", "accuracy", goal=None, calls=200_000, harm=1.2, base=0.1, ratio=1.2),
    Harm("latency +20 %", "latency", goal=1.4, calls=40_000, base=1.0, ratio=1.2),
    Harm("pairs, wrong 10 to 11 %, agree 95 %", "paired", goal=1.3, calls=60_000, base=0.1, ratio=1.1, both=0.8),
    Harm("pairs, wrong 10 to 11 %, agree 90 %", "paired", goal=1.3, calls=120_000, base=0.1, ratio=1.1, both=0.55),
    Harm("pairs, wrong 10 to 12 %, agree 94 %", "paired", goal=1.3, calls=20_000, base=0.1, ratio=1.2, both=0.8),
    Harm("pairs, failures 1 to 2 %", "paired", goal=1.3, calls=40_000, base=0.01, ratio=2.0, both=0.5),
]


def exposure(paths: int) -> list[Row]:
    """Canary calls (pairs, for shadow) until the rollback at alpha .01, over Wald's test told both true distributions."""
    rows: list[Row] = []
    for case in HARMS:
        spent: dict[str, list[float]] = {"Lockgate": [], "labels": [], "outcomes": []}
        late = voids = 0
        for rng in rngs(f"exposure {case.name}", paths):
            calls = case.draw(rng)
            counted = np.arange(1, calls.arm.size + 1) if calls.shadow is not None else np.cumsum(calls.arm)
            move, canary, _ = judged(calls, Policy(kind=case.kind, alpha=ROLLBACK, harm=case.harm))
            if move == "void":  # its calls say nothing; a path in two hundred
                voids += 1
                continue
            spent["Lockgate"].append(canary)
            late += move == "none"
            for which, gained in zip(("labels", "outcomes"), case.gains(calls), strict=True):
                over = np.cumsum(gained) >= math.log(1 / ROLLBACK)
                spent[which].append(float(counted[np.argmax(over)] if over.any() else counted[-1]))
        means = {which: float(np.mean(values)) for which, values in spent.items()}
        row = mean_row(spent["Lockgate"], rule="Lockgate", world=case.name, kind=case.kind, goal=case.goal)
        for which in ("labels", "outcomes"):
            row[f"limit_{which}"], row[f"over_{which}"] = means[which], means["Lockgate"] / means[which]
            row[f"over_{which}_se"] = ratio_se(spent["Lockgate"], spent[which])
        row |= {"not_stopped": late, "void": voids / paths, "p90": float(np.quantile(spent["Lockgate"], 0.9))}
        rows.append(row)
        report(row)
    return rows + rivals_exposed(max(20, paths // FEWER))


def ratio_se(above: list[float], below: list[float]) -> float:
    """Of a ratio of means over the same paths, by the delta method."""
    a, b = np.array(above), np.array(below)
    ratio = a.mean() / b.mean()
    return float(np.std(a - ratio * b, ddof=1) / math.sqrt(a.size) / b.mean())


def rivals_exposed(paths: int) -> list[Row]:
    """The same canaries under the rivals; one that is never stopped counts with all its calls in the stream."""
    rows: list[Row] = []
    for case in HARMS:
        if case.harm is not None or case.kind == "paired":
            continue
        spent: dict[str, list[float]] = {}
        late: dict[str, int] = {}
        for rng in rngs(f"exposure {case.name}", paths):
            calls = case.draw(rng)
            seen = np.cumsum(calls.arm)
            for rule, says in harm_rules(calls, case.kind, ROLLBACK, base=case.true["base"]).items():
                stop = rivals.first(says)
                spent.setdefault(rule, []).append(float(seen[(stop or calls.arm.size) - 1]))
                late[rule] = late.get(rule, 0) + (stop is None)
        for rule, values in spent.items():
            rows.append(mean_row(values, rule=rule, world=case.name, kind=case.kind) | {"not_stopped": late[rule]})
        report(rows[-1])
    return rows


def ladder(paths: int) -> list[Row]:
    """Calls until an equal canary is promoted at alpha .05 and margin 1.5, and what share was rolled back instead."""
    rows: list[Row] = []
    plans: dict[str, Callable[[np.random.Generator, float], Calls]] = {
        "ladder": lambda rng, rate: streams.ladder(rng, 400_000, rate=rate),
        "fixed 5 %": lambda rng, rate: streams.by_lot(rng, streams.constant(400_000, share=0.05, rate=rate)),
    }
    for plan, draw in plans.items():
        for base in (0.02, 0.01):
            ends = [
                judged(draw(rng, base), Policy(kind="rate", alpha=PROMOTION, promote=True))
                for rng in rngs(f"ladder {plan} {base}", max(50, paths // 4))
            ]
            calls = [float(at) for move, _, at in ends if move == "promote"]
            row = mean_row(calls, rule="Lockgate", world=f"{plan}, failures {base:.0%}")
            rows.append(row | {"promoted": len(calls) / len(ends), "of": len(ends)})
            report(rows[-1])
    return rows


# ---- coverage, mismatch, and assumptions that do not hold


def coverage(paths: int) -> list[Row]:
    """How often the ratio's confidence sequence ever leaves the truth out: looked at after every failure."""
    rows: list[Row] = []
    cases: dict[str, tuple[streams.Traffic, float]] = {
        "alike, share 25 %": (streams.constant(10_000, share=0.25, rate=0.02), 1.0),
        "twice as bad, share 5 %": (streams.constant(10_000, share=0.05, rate=0.02), 2.0),
        "1.5 times, share ramp, rising base rate": (streams.climbing(10_000, low=0.01, high=0.03), 1.5),
    }
    for world, (traffic, ratio) in cases.items():
        missed = {"low": 0, "high": 0}
        for rng in rngs(f"coverage {world}", paths):
            calls = streams.by_lot(rng, traffic, ratio=ratio)
            bad = np.flatnonzero(calls.value > 0)
            gained = label_bet.log_gain(
                calls.share[bad, None], label_bet.GRID, np.log(label_bet.GRID), calls.arm[bad, None]
            )
            ends = [label_bet.ratio_interval(total, PROMOTION) for total in np.cumsum(gained, axis=0)]
            missed["low"] += any(low > ratio for low, _ in ends)
            missed["high"] += any(high < ratio for _, high in ends)
        for end, count in missed.items():
            rows.append(rate_row(count, paths, rule="Lockgate", world=world, end=end, promised=PROMOTION))
            report(rows[-1])
    return rows


def sample_ratio(paths: int) -> list[Row]:
    """How often a fair lot is ever void, and how soon a lot is that loses a fifth of the canary's calls."""
    rows: list[Row] = []
    plans = {
        "share 5 %": np.full(20_000, 0.05),
        "share 50 %": np.full(20_000, 0.5),
        "share ramp": streams.climbing(20_000, low=0.1, high=0.1).share,
    }
    for world, share in plans.items():
        for lost in (0.0, 0.2):
            first: list[float] = []
            for rng in rngs(f"mismatch {world} {lost}", paths):
                arm = (rng.random(share.size) < share * (1 - lost) / (1 - lost * share)).astype(np.int64)
                over = mismatch.path(mismatch.Mismatch(), arm, share)[1] >= mismatch.VOID_AT
                first.append(float(np.argmax(over)) + 1 if over.any() else math.inf)
            row = rate_row(sum(map(math.isfinite, first)), paths, rule="Lockgate", world=world, lost=lost)
            row |= {"promised": 1 / mismatch.VOID_AT} if not lost else {"median": float(np.median(first))}
            rows.append(row)
            report(row)
    return rows


def broken(paths: int) -> list[Row]:
    """What the same judge does when something that the guarantee leans on does not hold."""
    n, base = 20_000, 0.02
    climb = streams.climbing(n, low=base, high=base)
    late = streams.constant(28_000, share=0.05, rate=base)
    late_climb = streams.climbing(28_000, low=base, high=base)

    def late_calls(rng: np.random.Generator, traffic: streams.Traffic) -> streams.Delayed:
        return streams.delayed(rng, streams.by_lot(rng, traffic, ratio=MARGIN), mean=1_000, horizon=8_000)

    def wrong_share(rng: np.random.Generator, recorded: float) -> Calls:
        calls = streams.by_lot(rng, streams.constant(n, share=0.05, rate=base))
        return calls._replace(share=np.full(n, recorded))

    def share_on_arrival(rng: np.random.Generator) -> Calls:
        found = late_calls(rng, late_climb)
        return found.reported._replace(share=late_climb.share[found.arrived])

    def own_days(rng: np.random.Generator) -> Calls:
        factor = np.exp(0.5 * rng.standard_normal(20) - 0.125)
        traffic = streams.constant(n, share=0.25, rate=base)
        return streams.by_lot(rng, traffic, ratio=factor[np.arange(n) * 20 // n])

    flat = streams.Traffic(np.full(n, 0.25), np.full(n, base))
    stop, go = Policy(kind="rate", alpha=ROLLBACK), Policy(kind="rate", alpha=PROMOTION, promote=True)
    cases: dict[str, tuple[str, Policy, Make]] = {
        "kept: one bet per unit, sticky users": ("roll_back", stop, lambda rng: streams.sticky(rng, climb, units=5_000)),
        "a bet for every call of sticky users": (
            "roll_back", stop, lambda rng: streams.sticky(rng, climb, units=5_000)._replace(unit=None)),
        "kept: outcomes matured, the canary's failures four times later": (
            "promote", go, lambda rng: late_calls(rng, late).matured),
        "outcomes as they come, the canary's failures four times later": (
            "promote", go, lambda rng: late_calls(rng, late).reported),
        "kept: matured on a ramp, share as routed": ("promote", go, lambda rng: late_calls(rng, late_climb).matured),
        "the share in force when the outcome came, on a ramp": ("promote", go, share_on_arrival),
        "5 % routed, 4 % recorded": ("roll_back", stop, lambda rng: wrong_share(rng, 0.04)),
        "5 % routed, 4.5 % recorded": ("roll_back", stop, lambda rng: wrong_share(rng, 0.045)),
        "users who fail on the canary go back, unnamed": (
            "promote", go, lambda rng: going_back(rng, flat)._replace(unit=None)),
        "users who fail on the canary go back, named": ("promote", go, lambda rng: going_back(rng, flat)),
        "each version has days of its own, nobody better in the long run": ("roll_back", stop, own_days),
    }  # fmt: skip
    rows: list[Row] = []
    for world, (wrong, policy, make) in cases.items():
        ends: list[str] = []
        alone = 0
        for rng in rngs(f"broken {world}", paths):
            calls = make(rng)
            ends.append(outcome(calls, policy))
            alone += promotion_alone(calls) if policy.promote else harm_alone(calls)
        row = rate_row(ends.count(wrong), paths, rule="Lockgate", world=world, wrong=wrong, promised=policy.alpha)
        rows.append(
            row | {"void": ends.count("void") / paths, "refused": ends.count("refused") / paths, "alone": alone / paths}
        )
        report(rows[-1])
    return rows


def outcome(calls: Calls, policy: Policy) -> str:
    try:
        return judged(calls, policy)[0]
    except SpecError:
        return "refused"


def going_back(rng: np.random.Generator, traffic: streams.Traffic) -> Calls:
    """Sticky users at 1.5 times the failures, of whom each that fails on the canary is the champion's from then on."""
    calls = streams.sticky(rng, traffic, units=5_000, ratio=MARGIN)
    assert calls.unit is not None
    failed_at = np.full(5_000, calls.arm.size)
    failing = np.flatnonzero((calls.value > 0) & (calls.arm == 1))
    np.minimum.at(failed_at, calls.unit[failing], failing)
    has_left = (calls.arm == 1) & (np.arange(calls.arm.size) > failed_at[calls.unit])
    # The champion fails these users less: a failure stays with a chance of 1 / 1.5.
    stays = rng.random(calls.arm.size) < 1 / MARGIN
    return calls._replace(arm=np.where(has_left, 0, calls.arm), value=np.where(has_left & ~stays, 0.0, calls.value))


# ---- what other parts measure


def blocks(paths: int) -> list[Row]:
    """The block tests of METHODS 3: false verdicts with a look after each of 400 blocks, and blocks to decide."""
    rows: list[Row] = []
    for memory in DAYS:
        for world, draw in days.WORLDS.items():
            rng = next(rngs(f"blocks {memory} {world}", 1))
            found = block_evidence(memory, draw(rng, (paths, 400)), draw(rng, (paths, 60)))
            for alpha in (0.05, 0.01):
                hits = int((found >= math.log(1 / alpha)).any(axis=1).sum())
                rows.append(rate_row(hits, paths, rule=memory, world=world, promised=alpha))
            report(rows[-2])
        for effect in (0.9, 0.5):
            rng = next(rngs(f"blocks {memory} {effect}", 1))
            found = block_evidence(memory, effect + rng.standard_normal((paths, 200)), rng.standard_normal((paths, 60)))
            over = found >= math.log(20)
            needed = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 201).astype(float)
            rows.append(mean_row(needed.tolist(), rule=memory, world=f"blocks to decide, effect {effect}"))
            report(rows[-1])
    return rows


def block_evidence(memory: glst.Memory, differences: Floats, history: Floats) -> Floats:
    if memory in ("independent", "new"):
        return glst.log_e(differences, memory=memory)
    both = zip(differences, history, strict=True)
    return np.stack([glst.log_e(row, memory=memory, history=past) for row, past in both])


def change(paths: int) -> list[Row]:
    """The detector's delay over the best CUSUM's, by the functions of tests/calibration/test_change_rates.py."""
    path = ROOT / "tests/calibration/test_change_rates.py"
    if not path.exists():
        return []
    test: ModuleType = _load(path)
    rows: list[Row] = []
    for before, after in test.RISES:
        best = test.best_cusum(before, after)
        bad = np.random.default_rng(32).binomial(test.REFERENCE, before, 25)
        bounds = [highest_risk(test.REFERENCE, int(count), delta=0.05) for count in bad]
        for baseline, goal, worsts in (
            ("known", test.GOAL_KNOWN, [before] * 25),
            ("estimated", test.GOAL_ESTIMATED, bounds),
        ):
            runs = [
                test.loss_alarms(test.binary(after), worst=worst, paths=paths // 25, longest=int(16 * best), seed=place)
                for place, worst in enumerate(worsts)
            ]
            # Paths under one reference are alike, so the error is taken over the references.
            row = mean_row([float(run.mean()) / best for run in runs], rule="e-SR", world=f"{before:g} to {after:g}")
            rows.append(row | {"baseline": baseline, "goal": goal, "best": best, "paths": paths, "seed": 31})
            report(rows[-1])
    for world, (worst, draw) in test.QUIET.items():
        found = test.loss_alarms(draw, worst=worst, paths=max(paths // 5, 100), longest=20_000, A=2_000) / 2_000
        rows.append(mean_row(found.tolist(), rule="e-SR", world=f"quiet: {world}") | {"seed": 31})
        report(rows[-1])
    return rows


# In 400 days: one champion in 20; a false alarm in 400 days on average, which any of them may have.
DECAY_PROMISES = {"block test": 0.05, "e-detector": 1.0, "both": 1.0}
DRIFT_REFERENCES, DRIFT_ROWS = (20_000, 100_000), (1_000, 50_000)


def drift(paths: int) -> list[Row]:
    """Alarms in quiet worlds over those promised, and windows until a change is shown: by the judge's own bets, of
    drift_windows.py; clusters and pairs by the functions of tests/calibration/test_drift_rates.py. A reference stands for 33
    paths.
    """
    path = ROOT / "tests/calibration/test_drift_rates.py"
    if not path.exists():
        return []
    test: ModuleType = _load(path)
    return [*_drift_quiet(max(5, paths // 33)), *_drift_clusters(test), *_drift_found(test, max(50, paths // 10))]


def _drift_quiet(references: int) -> Iterator[Row]:
    for before in DRIFT_REFERENCES:
        runs = [
            drift_windows.quiet(rng, reference_rows=before, rows=DRIFT_ROWS, windows=drift_windows.A)
            for rng in rngs(f"drift quiet {before}", references)
        ]
        for world, window in runs[0]:
            found = [float(run[world, window]) for run in runs]
            row = mean_row(found, rule="Lockgate", world=world, reference_rows=before, rows=window)
            # No alarm at all has no spread to show; that of a single one stands in for it.
            row |= {"se": max(row["se"], 1 / references), "promised_alarms": 1}
            report(row)
            yield row


def _drift_clusters(test: ModuleType) -> Iterator[Row]:
    for size in (5, 50):
        for deff in (1, size):
            asked = {"reference_rows": 20_000, "rows": 1_000, "references": 20, "windows": 200}
            found = test.quiet_alarms("quiet", **asked, cluster=size, deff=deff)
            row = mean_row(found.tolist(), rule="Lockgate", world=f"clusters of {size} rows", deff=deff)
            row |= {"se": max(row["se"], 1 / 20), "seed": 61}
            report(row)
            yield row


def _drift_found(test: ModuleType, runs: int) -> Iterator[Row]:
    for before in DRIFT_REFERENCES:
        each = [
            drift_windows.windows_until(rng, reference_rows=before, rows=1_000, longest=60)
            for rng in rngs(f"drift found {before}", runs)
        ]
        waits = {name: np.array([one[name] for one in each]) for name in each[0]}
        waits["correlation .6 to .3"] = test.pair_windows(reference_rows=before, runs=min(runs, 100))
        for name, found in waits.items():
            row = rate_row(int((found <= 3).sum()), found.size, rule="Lockgate", world=f"found: {name}")
            row |= {"reference_rows": before, "median": float(np.median(found)), "longest": int(found.max())}
            row |= {"seed": 64} if name.startswith("correlation") else {}
            report(row)
            yield row


def decay(paths: int) -> list[Row]:
    """What decay_days.py measures: champions that are called decayed and are not, and days until a decay is found. A path
    stands for 20.
    """
    drawn = max(20, paths // 20)
    found: list[Row] = []
    for world, values in decay_days.worlds(np.random.default_rng(SEED), drawn):
        about = {"world": world, "days": decay_days.DAYS}
        for where, moved in (("at the bar", 0.0), ("within", decay_days.WITHIN)):
            quiet = decay_days.paths_of(values + moved)
            for test, promised in DECAY_PROMISES.items():
                hits = round(decay_days.false_alarms(quiet, test) * drawn)
                found.append(rate_row(hits, drawn, rule=test, where=where, promised=promised, **about))
                report(found[-1])
        for size in decay_days.SIZES:
            worse = decay_days.decayed(values, size)
            for test in DECAY_PROMISES:
                # Where most paths have no alarm the median is infinite: as long as there are days.
                wait = min(decay_days.delay(worse, test), float(decay_days.DAYS - decay_days.DECAY))
                found.append(about | {"rule": test, "size": size, "value": wait, "paths": drawn, "seed": SEED})
                report(found[-1])
    return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- whole rollouts


EXPOSED = RolloutSpec(ladder=("replay", 0.05, 0.25, 0.5, 1.0))  # nothing is seen before callers are served
MINUTELY, HOURLY = 1_440, 24  # looks a day


def rollouts(paths: int) -> list[Row]:
    """Through the real guardrails, worth test and controller, to the end of each."""
    rows: list[Row] = []
    for made in (_broken(paths // FEWER), _late(paths // FEWER), _healthy(paths)):
        for row in made:
            report(row)
            rows.append(row)
    return rows


def _healthy(paths: int) -> list[Row]:
    """Those whose plan holds: others are refused before they begin."""
    begun = (Simulation(healthy(path), [SEED, 1, path]) for path in range(paths))
    ends = [one.run() for one in begun if one.plan.is_sound]
    n = len(ends)
    back = [end for end in ends if end.state is RolloutState.ROLLED_BACK]
    promoted = [end for end in ends if end.state is RolloutState.PROMOTED]
    soon = sum(end.days <= 2 * (end.plan.days or 0.0) for end in promoted)
    took = [end.days / (end.plan.days or math.nan) for end in promoted]
    return [
        rate_row(len(back), n, world="healthy", rule="rolled back", said=dict(Counter(end.said for end in back))),
        rate_row(len(promoted), n, world="healthy", rule="promoted by the deadline"),
        rate_row(soon, n, world="healthy", rule="promoted within twice the forecast"),
        mean_row(took, world="healthy", rule="days over the forecast"),
        rate_row(paths - n, paths, world="healthy", rule="refused beforehand"),
    ]


def _broken(paths: int) -> Iterator[Row]:
    """With a shadow, and without: then the calls are the callers'."""
    for name, spec in (("in shadow first", None), ("on callers at once", EXPOSED)):
        ends = [Simulation(BROKEN, [SEED, 2, path], spec, looks=MINUTELY).run() for path in range(paths)]
        assert all(end.state is RolloutState.ROLLED_BACK for end in ends)
        for what in ("canary_calls", "fell_back"):
            values = [float(getattr(end, what)) for end in ends]
            yield mean_row(values, world=f"half of its calls fail, {name}", rule=what.replace("_", " "))


def _late(paths: int) -> Iterator[Row]:
    """Matured, as it is done; and joined as the failures come in."""
    for name, slack_s in (("matured", None), ("as they come in", 1.0)):
        found: Counter[str] = Counter()
        for path in range(paths if slack_s is None else paths // FEWER):
            one = Simulation(LATE, [SEED, 3, path], EXPOSED, looks=HOURLY)
            found[one.run(Direct(one, slack_s=slack_s)).state.value] += 1
        yield rate_row(found["promoted"], found.total(), world=f"late failures, {name}", rule="promoted")


# ---- all of it

PROMOTED: tuple[PolicyKind, ...] = ("rate", "accuracy", "paired")
SECTIONS: Mapping[str, Callable[[int], list[Row]]] = (
    {
        part.__name__: part
        for part in (coverage, sample_ratio, ladder, change, drift, decay, blocks, broken, exposure, rollouts)
    }
    | {f"rollback-{kind}": partial(rollback, kind=kind) for kind in LENGTH}
    | {f"promotion-{kind}": partial(promotion, kind=kind) for kind in PROMOTED}
)


def report(row: Row) -> None:
    named = " | ".join(
        str(row[name])
        for name in (
            "kind",
            "world",
            "rule",
            "baseline",
            "end",
            "lost",
            "where",
            "size",
            "reference_rows",
            "rows",
            "deff",
        )
        if name in row
    )
    more = {
        name: row[name]
        for name in ("over_labels", "over_outcomes", "median", "void", "alone", "refused", "promoted", "not_stopped")
        if name in row
    }
    print(f"{named}: {row['value']:.4g} (SE {row.get('se', math.nan):.2g})", more or "", flush=True)


def measured(name: str, paths: int) -> tuple[list[Row], int]:
    """A section's rows, and the seconds it took."""
    began = time.monotonic()
    return SECTIONS[name](paths), round(time.monotonic() - began)


def main() -> None:
    asked = argparse.ArgumentParser(description="Measure what docs/guarantees.md says.")
    asked.add_argument("--short", action="store_true", help="100 paths, to figures-short.json")
    asked.add_argument("--paths", type=int, help="so many paths instead of 2,000")
    asked.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="these sections alone")
    asked.add_argument(
        "--at-once", type=int, default=os.cpu_count(), help="sections at a time; one for each core if left out"
    )
    args = asked.parse_args()
    out = HERE / ("figures-short.json" if args.short else "figures.json")
    paths = args.paths or (100 if args.short else 2_000)
    held = json.loads(out.read_text()) if out.exists() else {"sections": {}}
    took = {name: section["seconds"] for name, section in held["sections"].items()}
    longest_first = sorted(args.only, key=lambda name: -took.get(name, 0))
    with ProcessPoolExecutor(args.at_once) as pool:
        running = {pool.submit(measured, name, paths): name for name in longest_first}
        for done in as_completed(running):
            name, (rows, seconds) = running[done], done.result()
            command = f"python docs/guarantees/measure.py --only {name}" + (
                "" if paths == 2_000 else f" --paths {paths}"
            )
            held["sections"][name] = {"command": command, "seconds": seconds, "rows": rows}
            out.write_text(json.dumps(held, indent=1) + "\n")
            print(f"{name}: {seconds} s", flush=True)


if __name__ == "__main__":
    main()
