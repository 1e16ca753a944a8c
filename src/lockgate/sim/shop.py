"""A shop with a known truth: visitors come over days, are split among arms, call several times, and some buy, later.

What moves together moves in all arms alike: weekends bring more visitors and other habits, days have a mood of their own.
Purchases are rare and their amounts log-normal, so that revenue is zero for most and huge for a few. A visitor's habit, known
before the first call, says something of what they will do. Outcomes are told late, some too late to count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY_S = 86_400.0
WEEK = np.array([1.0, 0.95, 0.95, 1.0, 1.1, 1.45, 1.3])


@dataclass(frozen=True, kw_only=True)
class Shop:
    """lift: what each arm does to the chance of buying, as a ratio, the champion's 1 first. rate: of buying under the
    champion. spread: of the logarithm of an amount; mood: of a day's own chance; habit: how much of buying a visitor's habit
    explains, in logits. late_s: the median wait until an outcome is told.
    """

    lift: tuple[float, ...] = (1.0, 1.0, 1.0)
    shares: tuple[float, ...] = (0.34, 0.33, 0.33)
    rate: float = 0.03
    visitors_per_day: float = 2_000.0
    days: int = 14
    amount: float = 40.0
    spread: float = 1.2
    mood: float = 0.15
    habit: float = 0.8
    late_s: float = 3_600.0


@dataclass(frozen=True)
class Visitors:
    """By visitor, in the order they came; all of shape (n,). arm: 0 is the champion; habit: known before the first call;
    bought: 1.0 or 0.0; spent: their revenue; calls: how often they called; told_s: when their purchase was told.
    """

    first_s: Floats
    arm: NDArray[np.intp]
    habit: Floats
    bought: Floats
    spent: Floats
    calls: NDArray[np.int64]
    told_s: Floats


def visitors(shop: Shop, rng: np.random.Generator) -> Visitors:
    """One run of the shop from time 0."""
    moods = np.exp(rng.normal(0.0, shop.mood, shop.days) - shop.mood**2 / 2)
    week = WEEK[np.arange(shop.days) % 7]
    counts = np.asarray(rng.poisson(shop.visitors_per_day * week / WEEK.mean()), dtype=np.int64)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # numpy leaves it open
    day = np.repeat(np.arange(shop.days), counts)
    first_s = np.sort(DAY_S * (day + rng.random(day.size)))
    # Inverse of the cumulated shares: a lot, as the assignment's hash is one.
    arm = np.searchsorted(np.cumsum(shop.shares)[:-1], rng.random(day.size), side="right")
    habit = rng.normal(size=day.size)
    chance = chances(shop, day, moods, habit) * np.array(shop.lift)[arm]
    bought = (rng.random(day.size) < chance).astype(np.float64)
    spent = bought * shop.amount * np.exp(rng.normal(0.0, shop.spread, day.size) - shop.spread**2 / 2)
    calls = 1 + rng.poisson(1.0, day.size)
    told_s = first_s + rng.exponential(shop.late_s / np.log(2), day.size)
    return Visitors(first_s, arm, habit, bought, spent, calls, told_s)


def chances(shop: Shop, day: NDArray[np.intp], moods: Floats, habit: Floats) -> Floats:
    """Each visitor's chance of buying under the champion: under 1 even where everything comes together."""
    weekend = np.where(np.isin(day % 7, (5, 6)), 1.25, 1.0)
    tilt = np.exp(shop.habit * habit - shop.habit**2 / 2)
    return np.minimum(0.5, shop.rate * weekend * moods[day] * tilt)


def truth(shop: Shop, arm: int, runs: int = 200, seed: int = 0) -> tuple[float, float]:
    """What the arm changes of purchases and of revenue per visitor, on average, over the shop's own days."""
    base = np.mean([_base(shop, np.random.default_rng([seed, run])) for run in range(runs)])
    gain = float(base) * (shop.lift[arm] - shop.lift[0])
    return gain, gain * shop.amount


def _base(shop: Shop, rng: np.random.Generator) -> float:
    moods = np.exp(rng.normal(0.0, shop.mood, shop.days) - shop.mood**2 / 2)
    week = WEEK[np.arange(shop.days) % 7]
    counts = np.asarray(rng.poisson(shop.visitors_per_day * week / WEEK.mean()), dtype=np.int64)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # numpy leaves it open
    day = np.repeat(np.arange(shop.days), counts)
    return float(chances(shop, day, moods, rng.normal(size=day.size)).mean())
