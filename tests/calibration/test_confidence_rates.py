"""How often a confidence sequence ever leaves the truth out, looked at after every value; and how wide it is.

The truth is left out once the bet against it reaches 2 / alpha on either side: alpha .05, the whole path of every run.
A world fails above alpha + 3 standard errors. Betting is exact, so on a fresh seed a world fails with chance .002 at most,
and at the rates measured here (.020 at most) in under 1 of 10,000. Seeds are fixed.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from lockgate.stats import mean_bet

ALPHA = 0.05
LINE = math.log(2 / ALPHA)
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def bursts(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """The mean given the past is always .3, but values spread only after a value above it: dependent, not alike."""
    found = np.empty(shape)
    above = np.zeros(shape[0], dtype=bool)
    for at in range(shape[1]):
        coin = rng.random(shape[0]) < 0.3
        found[:, at] = np.where(above, coin, np.where(coin, 0.37, 0.27))
        above = found[:, at] > 0.3
    return found


def paired(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Differences of two versions' losses on the same call, one alike in 95 of 100."""
    loss = rng.random((2, *shape)) < 0.15
    return np.where(rng.random(shape) < 0.05, loss[1] * 1.0 - loss[0], 0.0)


WORLDS: dict[str, tuple[float, float, Draw]] = {
    "half": (0.5, 0.0, lambda rng, shape: (rng.random(shape) < 0.5) * 1.0),
    "one in ten": (0.1, 0.0, lambda rng, shape: (rng.random(shape) < 0.1) * 1.0),
    "one in a hundred": (0.01, 0.0, lambda rng, shape: (rng.random(shape) < 0.01) * 1.0),
    "small and even": (0.1, 0.0, lambda rng, shape: rng.beta(2, 18, shape)),
    "rare and large": (0.12, 0.0, lambda rng, shape: np.where(rng.random(shape) < 0.02, 1.0, 0.1 / 0.98)),
    "bursts": (0.3, 0.0, bursts),
    "paired differences": (0.0, -1.0, paired),
}


def check_misses(missed: np.ndarray, world: str) -> None:
    rate, paths = float(missed.mean()), missed.size
    print(f"{world}: truth left out in {rate:.4f} (SE {math.sqrt(rate * (1 - rate) / paths):.4f}) of runs at {ALPHA}")
    assert rate <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / paths)


def ever_misses(world: str, paths: int, length: int) -> np.ndarray:
    mean, low, draw = WORLDS[world]
    values = draw(np.random.default_rng([41, list(WORLDS).index(world)]), (paths, length))
    above, below = mean_bet.log_e_paths(values, mean=mean, low=low, high=1.0)
    return (np.maximum(above, below) >= LINE).any(axis=1)


@pytest.mark.parametrize("world", WORLDS)
def test_the_mean_is_seldom_ever_left_out(world: str) -> None:
    check_misses(ever_misses(world, 500, 1_500), world)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_the_long_form_of_2000_runs_seldom_leaves_the_mean_out_too(world: str) -> None:
    runs = [ever_misses(world, 2_000, 4_000)]
    check_misses(np.concatenate(runs), world)


SHARES: dict[str, Callable[[int], np.ndarray]] = {
    "one in twenty": lambda length: np.full(length, 0.05),
    "even": lambda length: np.full(length, 0.5),
    "a ladder": lambda length: np.repeat([0.01, 0.05, 0.25, 0.5], length // 4),
}


def difference_ever_missed(shares: str, paths: int, length: int, *, gap: float) -> np.ndarray:
    """Both arms' rates swing together by half, which confounds every pooled comparison under a ladder."""
    rng = np.random.default_rng([42, list(SHARES).index(shares), int(1000 * gap)])
    share = SHARES[shares](length)
    base = 0.2 * (1 + 0.5 * np.sin(np.arange(length) * 2 * np.pi / length * 1.5))
    canary = rng.random((paths, length)) < share
    values = (rng.random((paths, length)) < base + gap * canary) * 1.0
    above, below = mean_bet.log_e_paths_randomised(
        values, canary=canary, share=share, difference=gap, low=0.0, high=1.0
    )
    return (np.maximum(above, below) >= LINE).any(axis=1)


@pytest.mark.parametrize("gap", [0.0, 0.05])
@pytest.mark.parametrize("shares", SHARES)
def test_the_difference_of_randomised_arms_is_seldom_ever_left_out(shares: str, gap: float) -> None:
    check_misses(difference_ever_missed(shares, 500, 1_200, gap=gap), f"difference {gap}, {shares}")


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, 0.05])
@pytest.mark.parametrize("shares", SHARES)
def test_the_long_form_of_2000_runs_seldom_leaves_the_difference_out_too(shares: str, gap: float) -> None:
    check_misses(difference_ever_missed(shares, 2_000, 4_000, gap=gap), f"difference {gap}, {shares}")


def half_width(values: np.ndarray) -> float:
    """In standard errors of the mean, where one look at a fixed n has 1.96."""
    low, high = mean_bet.interval(mean_bet.after(mean_bet.start(0, 1), values), alpha=ALPHA)
    return (high - low) / 2 / (values.std() / math.sqrt(values.size))


def plug_in_half_width(values: np.ndarray) -> float:
    """The rival: hedged betting with the predictable plug-in (Waudby-Smith, Ramdas 2024, eq. 26), c = .75, by halving."""
    t = np.arange(1, values.size + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    variance = np.concatenate([[0.25], ((0.25 + np.cumsum((values - means) ** 2)) / (t + 1))[:-1]])
    stake = np.sqrt(2 * math.log(2 / ALPHA) / (variance * t * np.log(t + 1)))

    def reach(x: np.ndarray) -> float:
        low, high = 1e-9, float(x.mean())
        for _ in range(40):
            m = (low + high) / 2
            is_out = np.log1p(np.minimum(stake, 0.75 / m) * (x - m)).sum() >= LINE
            low, high = (m, high) if is_out else (low, m)
        return float(x.mean()) - low

    return (reach(values) + reach(1 - values)) / 2 / (values.std() / math.sqrt(values.size))


@pytest.mark.parametrize(("n", "runs"), [(1_000, 8), (10_000, 3), (30_000, 1)])
def test_the_sequence_is_no_wider_than_was_said(n: int, runs: int) -> None:
    """At most 3.9 standard errors in three worlds, and the widest of them narrower than the plug-in's widest; where values
    spread little (*small and even*) the plug-in is up to an eighth narrower at 1,000 to 10,000 values.
    """
    rng = np.random.default_rng([43, n])
    widest: dict[str, float] = {"ours": 0.0, "plug-in": 0.0}
    for world in ("half", "one in ten", "small and even"):
        samples = [WORLDS[world][2](rng, (1, n))[0] for _ in range(runs)]
        ours, rival = (float(np.mean([width(x) for x in samples])) for width in (half_width, plug_in_half_width))
        print(
            f"{world}, {n:,} values: half-width {ours:.2f} standard errors, the plug-in's {rival:.2f}, one look's 1.96"
        )
        widest = {"ours": max(widest["ours"], ours), "plug-in": max(widest["plug-in"], rival)}
    assert widest["ours"] <= 3.9
    assert widest["ours"] < widest["plug-in"]
