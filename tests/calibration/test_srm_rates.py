"""How often a fair lot is called a mismatch, and how soon an unfair one is, with a look after every unit.

Line 100, so a false void in at most 1 of 100 rollouts; a world fails above that and 3 standard errors. The e-value is
exact: on a fresh seed a world fails with chance .004 at most, if its rate were .01 itself. Seeds are fixed.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from lockgate.stats import srm

BOUND = 1 / srm.VOID_AT
Shares = Callable[[int], np.ndarray]
LADDER: Shares = lambda length: np.repeat([0.01, 0.05, 0.25, 0.5], length // 4)  # noqa: E731 - one of three alike
SHARES: dict[str, Shares] = {
    "even": lambda length: np.full(length, 0.5),
    "one in twenty": lambda length: np.full(length, 0.05),
    "a ladder": LADDER,
    "forty shares": lambda length: np.repeat(np.linspace(0.02, 0.5, 40), length // 40),
}


def log_e_paths(share: np.ndarray, is_canary: np.ndarray, every: int) -> np.ndarray:
    """Evidence at a look after each `every` units. share: shape (n,); is_canary: (paths, n). Returns (paths, looks)."""
    shares = np.unique(share)
    looks = np.arange(every - 1, share.size, every)
    counts = []
    for arm in (~is_canary, is_canary):
        seen = [np.cumsum(arm & (share == one), axis=1)[:, looks] for one in shares]
        counts.append(np.stack(seen, axis=-1))
    return srm.log_e(shares, *counts)


def units_until_void(path: np.ndarray, every: int) -> np.ndarray:
    is_void = path >= math.log(srm.VOID_AT)
    return np.where(is_void.any(axis=1), (is_void.argmax(axis=1) + 1) * every, np.inf)


def false_voids(shares: str, *, paths: int, units: int, every: int) -> None:
    rng = np.random.default_rng([51, list(SHARES).index(shares)])
    share = SHARES[shares](units)
    chunks = [log_e_paths(share, rng.random((100, units)) < share, every) for _ in range(paths // 100)]
    rate = float(np.isfinite(units_until_void(np.concatenate(chunks), every)).mean())
    print(f"{shares}: {rate:.4f} false voids (SE {math.sqrt(rate * (1 - rate) / paths):.4f}) at {BOUND}")
    assert rate <= BOUND + 3 * math.sqrt(BOUND * (1 - BOUND) / paths)


@pytest.mark.parametrize(
    ("shares", "every"), [("even", 1), ("one in twenty", 1), ("a ladder", 5), ("forty shares", 25)]
)
def test_a_fair_lot_is_seldom_ever_void(shares: str, every: int) -> None:
    false_voids(shares, paths=400, units=2_000, every=every)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "every"), [("even", 1), ("one in twenty", 1), ("a ladder", 2), ("forty shares", 20)]
)
def test_the_long_form_of_2000_fair_lots_is_seldom_ever_void_too(shares: str, every: int) -> None:
    false_voids(shares, paths=2_000, units=4_000, every=every)


def following_share(rng: np.random.Generator, paths: int, looks: int, step: int) -> np.ndarray:
    """A share that goes up when the canary came up too often so far, and down when too seldom: optional continuation."""
    grid = np.array([0.05, 0.25, 0.5])
    counts, at, evidence = np.zeros((2, paths, 3)), np.ones(paths, dtype=int), np.full(paths, -np.inf)
    expected = np.zeros(paths)
    for _ in range(looks):
        drawn = rng.binomial(step, grid[at])
        counts[1, np.arange(paths), at] += drawn
        counts[0, np.arange(paths), at] += step - drawn
        expected += step * grid[at]
        evidence = np.maximum(evidence, srm.log_e(grid, counts[0], counts[1]))
        at = np.clip(at + np.where(counts[1].sum(axis=1) > expected, 1, -1), 0, 2)
    return evidence


def test_a_share_that_follows_the_counts_makes_no_false_voids() -> None:
    evidence = following_share(np.random.default_rng(52), paths=2_000, looks=200, step=10)
    rate = float((evidence >= math.log(srm.VOID_AT)).mean())
    print(f"a share that follows: {rate:.4f} false voids at {BOUND}")
    assert rate <= BOUND + 3 * math.sqrt(BOUND * (1 - BOUND) / 2_000)


def losing(share: np.ndarray, part: float) -> np.ndarray:
    """The chance of the canary among the units that are seen, where so many of its own are lost."""
    return share * (1 - part) / (1 - share * part)


@pytest.mark.parametrize(("shares", "within"), [("even", 600), ("a ladder", 9_000), ("forty shares", 3_500)])
def test_three_in_ten_of_the_canarys_units_lost_is_seen_under_any_schedule(shares: str, within: int) -> None:
    """The median of 60 runs; its standard error is a tenth of it."""
    units, every = 12_000, 100
    share = SHARES[shares](units)
    drawn = np.random.default_rng([53, list(SHARES).index(shares)]).random((60, units)) < losing(share, 0.3)
    median = float(np.median(units_until_void(log_e_paths(share, drawn, every), every)))
    print(f"{shares}: void after {median:.0f} units")
    assert median <= within


def test_a_share_that_is_stuck_is_seen_soon_after_the_first_step() -> None:
    """The ladder goes from .01 to .05 after 3,000 units, the router stays: measured 350 units later."""
    share = LADDER(12_000)
    drawn = np.random.default_rng(54).random((60, 12_000)) < 0.01
    late = float(np.median(units_until_void(log_e_paths(share, drawn, 50), 50))) - 3_000
    print(f"stuck: void {late:.0f} units after the step")
    assert 0 < late <= 700
