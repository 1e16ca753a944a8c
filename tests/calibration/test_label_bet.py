"""How often the label bet stops a challenger that is no worse, and how soon one that is; and the bet behind *safe*.

2,000 paths of 3,000 calls with a look after every call, fixed seeds, both arms failing alike: the worst case of "no more
often". A world fails above alpha + 3 standard errors. The bets are exact, so a fresh seed fails with chance .003 at most
per world; label bets, measured at half of alpha and less, with chance under 1 in 10,000.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.stats import label_bet, rate_bet

PATHS, CALLS = 2_000, 3_000
ALPHA = 0.01
LINE = math.log(1 / ALPHA)
BOUND = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / PATHS)
BASE_RATES = {
    "constant": np.full(CALLS, 0.02),
    "rising threefold": np.linspace(0.01, 0.03, CALLS),
    "swinging": 0.02 * (1 + 0.9 * np.sin(np.arange(CALLS) * 2 * np.pi / 500)),
}


def stopped(share: np.ndarray, champion: np.ndarray, challenger: np.ndarray, *, margin: float = 1.0) -> np.ndarray:
    """Whether each path ever crosses. champion, challenger: shape (paths, calls), who failed at that call; share: (calls,).

    The bet restated for many paths at once; `test_the_restated_bet_is_the_one_that_is_used` holds it to the real one.
    """
    return (log_e_paths(share, champion, challenger, margin=margin) >= LINE).any(axis=1)


def log_e_paths(share: np.ndarray, champion: np.ndarray, challenger: np.ndarray, *, margin: float = 1.0) -> np.ndarray:
    total = np.full(champion.shape, -np.inf)
    null = share * margin / (share * margin + 1 - share)
    for ratio, prior in zip(label_bet.RATIOS * margin, label_bet.PRIOR, strict=True):
        q = share * ratio / (share * ratio + 1 - share)
        step = np.where(challenger, np.log(q / null), 0) + np.where(champion, np.log((1 - q) / (1 - null)), 0)
        np.logaddexp(total, np.cumsum(step, axis=1) + math.log(prior), out=total)
    return total


def randomised(rng: np.random.Generator, share: np.ndarray, rate: np.ndarray, ratio: float = 1.0) -> list[np.ndarray]:
    """Failures of the champion and of the challenger, each call routed by lot."""
    is_challenger = rng.random((PATHS, CALLS)) < share
    has_failed = rng.random((PATHS, CALLS)) < np.where(is_challenger, rate * ratio, rate)
    return [has_failed & ~is_challenger, has_failed & is_challenger]


def paired(rng: np.random.Generator, rate: np.ndarray) -> list[np.ndarray]:
    """Calls that one of the two versions alone failed, both having seen every call."""
    champion, challenger = rng.random((PATHS, CALLS)) < rate, rng.random((PATHS, CALLS)) < rate
    return [champion & ~challenger, challenger & ~champion]


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_the_restated_bet_is_the_one_that_is_used(margin: float) -> None:
    rng = np.random.default_rng(20)
    share = rng.choice([0.05, 0.25, 0.5], 300)
    champion, challenger = rng.random((5, 300)) < 0.1, rng.random((5, 300)) < 0.05
    found = log_e_paths(share, champion, challenger, margin=margin)
    for path in range(5):
        for call in (0, 40, 299):
            seen = slice(0, call + 1)
            cells = [
                (
                    w,
                    int(champion[path, seen][share[seen] == w].sum()),
                    int(challenger[path, seen][share[seen] == w].sum()),
                )
                for w in (0.05, 0.25, 0.5)
            ]
            assert found[path, call] == pytest.approx(label_bet.log_e(cells, margin=margin), abs=1e-9)


@pytest.mark.parametrize("world", BASE_RATES)
def test_a_paired_challenger_no_worse_is_stopped_no_more_often_than_alpha(world: str) -> None:
    rng = np.random.default_rng([21, list(BASE_RATES).index(world)])
    found = stopped(np.full(CALLS, label_bet.PAIRED), *paired(rng, BASE_RATES[world])).mean()
    print(f"paired, {world}: {found:.4f} false at {ALPHA}")
    assert found <= BOUND


@pytest.mark.parametrize("share", [0.05, 0.25])
@pytest.mark.parametrize("world", BASE_RATES)
def test_a_canary_no_worse_is_stopped_no_more_often_than_alpha(share: float, world: str) -> None:
    rng = np.random.default_rng([22, list(BASE_RATES).index(world), int(100 * share)])
    shares = np.full(CALLS, share)
    found = stopped(shares, *randomised(rng, shares, BASE_RATES[world])).mean()
    print(f"share {share}, {world}: {found:.4f} false at {ALPHA}")
    assert found <= BOUND


def test_a_climbing_share_under_a_rising_base_rate_confounds_nothing() -> None:
    """The trap of pooling: later calls fail more and are more often the canary's."""
    shares = np.repeat([0.05, 0.25, 0.5], CALLS // 3)
    found = stopped(shares, *randomised(np.random.default_rng(23), shares, BASE_RATES["rising threefold"])).mean()
    print(f"ramp: {found:.4f} false at {ALPHA}")
    assert found <= BOUND


def test_a_canary_at_the_margin_is_stopped_no_more_often_than_alpha() -> None:
    shares = np.full(CALLS, 0.25)
    failures = randomised(np.random.default_rng(24), shares, BASE_RATES["constant"], ratio=1.5)
    assert stopped(shares, *failures, margin=1.5).mean() <= BOUND


def test_a_canary_that_fails_every_other_call_is_stopped_within_ten_of_its_calls() -> None:
    """At 5 % of traffic over a champion failing 1 %; METHODS 1 measured 4 to 6 calls. The median of 500 has a SE of .3."""
    rng = np.random.default_rng(25)
    log_e = [[label_bet.log_e([(0.05, champion, canary)]) for canary in range(30)] for champion in range(60)]
    spent = []
    for _ in range(500):
        champion = canary = calls = 0
        while log_e[champion][canary] < LINE:
            is_canary = rng.random() < 0.05
            calls += is_canary
            if rng.random() < (0.5 if is_canary else 0.01):
                champion, canary = champion + (not is_canary), canary + is_canary
        spent.append(calls)
    print(f"median {np.median(spent):.0f} canary calls")
    assert np.median(spent) <= 10


def fewest_calls(failures: int, tolerance: float, line: float) -> int:
    """The first call at which so many failures are shown safe; found by halving, for evidence only grows with clean calls."""
    low, high = failures, 100_000
    while low < high:
        middle = (low + high) // 2
        is_safe = rate_bet.log_e_under(middle, failures, tolerance=tolerance) >= line
        low, high = (low, middle) if is_safe else (middle + 1, high)
    return low


@pytest.mark.parametrize("tolerance", [0.005, 0.02])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_a_canary_at_the_tolerance_is_called_safe_no_more_often_than_alpha(tolerance: float, alpha: float) -> None:
    """A look after each of 6,000 calls. One with so many failures is called safe once it has lived long enough."""
    horizon = 6_000
    has_failed = np.random.default_rng([26, int(1000 * tolerance)]).random((PATHS, horizon)) < tolerance
    failures = np.cumsum(has_failed, axis=1)
    needed = np.array([fewest_calls(f, tolerance, math.log(1 / alpha)) for f in range(int(failures.max()) + 1)])
    found = float((np.arange(1, horizon + 1) >= needed[failures]).any(axis=1).mean())
    print(f"safe at a tolerance of {tolerance}: {found:.4f} false at {alpha}")
    assert found <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / PATHS)


@pytest.mark.parametrize("tolerance", [0.01, 0.05])
def test_a_challenger_at_the_tolerance_is_called_over_it_no_more_often_than_alpha(tolerance: float) -> None:
    """The guardrail of contract breaks, a look after each of 3,000 calls."""
    has_broken = np.random.default_rng([27, int(1000 * tolerance)]).random((PATHS, CALLS)) < tolerance
    calls, bad = np.arange(1, CALLS + 1), np.cumsum(has_broken, axis=1)
    most_calls = np.array([longest_over(count, tolerance) for count in range(int(bad.max()) + 1)])
    found = float((calls <= most_calls[bad]).any(axis=1).mean())
    print(f"over a tolerance of {tolerance}: {found:.4f} false at {ALPHA}")
    assert found <= BOUND


def longest_over(bad: int, tolerance: float) -> int:
    """The last call at which so many bad ones are still shown to be over; 0 where they never are."""
    low, high = bad - 1, 100_000
    while low < high:
        middle = (low + high + 1) // 2
        is_over = rate_bet.log_e_over(middle, bad, tolerance=tolerance) >= LINE
        low, high = (middle, high) if is_over else (low, middle - 1)
    return low if low >= bad else 0


def test_a_clean_canary_is_called_safe_after_about_the_promised_number_of_calls() -> None:
    """ln(1/alpha)/tolerance calls, and the price of the prior: half the capital is on a rate of nought."""
    assert 1 <= fewest_calls(0, 0.01, LINE) / (LINE / 0.01) <= 1.2
