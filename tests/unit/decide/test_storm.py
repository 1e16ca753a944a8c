"""A storm of fallbacks begins when the champion's failures are shown to be too many, and is over when shown to be few."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.decide import storm
from lockgate.errors import SpecError
from lockgate.stats import rate_bet

WORST = 0.05


def turns(failures: np.ndarray, chunk: int) -> list[tuple[str, int]]:
    """What is found, and behind which call, when so many calls are looked at together."""
    state, found, at = storm.calm(WORST), [], 0
    while at < failures.size:
        state, turn, taken = storm.after(state, failures[at : at + chunk], worst=WORST)
        at += taken
        if turn is not None:
            found.append((turn, at))
    return found


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_storm_begins_within_some_calls_however_many_are_looked_at_together(chunk: int) -> None:
    rng = np.random.default_rng(1)
    quiet, bad = rng.random(5_000) < 0.01, rng.random(400) < 0.9
    found = turns(np.concatenate([quiet, bad]), chunk)
    assert [turn for turn, _ in found] == ["begun"]
    assert 5_000 < found[0][1] < 5_040


def test_the_same_call_is_found_whatever_the_chunks() -> None:
    rng = np.random.default_rng(2)
    failures = np.concatenate([rng.random(3_000) < 0.02, rng.random(500) < 0.5])
    assert len({turns(failures, chunk)[0] for chunk in (1, 13, 500)}) == 1


@pytest.mark.parametrize("chunk", [1, 50])
def test_it_is_over_once_calls_are_answered_again_and_may_begin_anew(chunk: int) -> None:
    rng = np.random.default_rng(3)
    parts = [rng.random(300) < 0.8, rng.random(1_000) < 0.01, rng.random(300) < 0.8]
    found = turns(np.concatenate(parts), chunk)
    assert [turn for turn, _ in found] == ["begun", "over", "begun"]
    assert found[1][1] < 300 + 400


def test_a_storm_that_lasts_is_told_once() -> None:
    failures = np.random.default_rng(4).random(20_000) < 0.3
    assert [turn for turn, _ in turns(failures, 100)] == ["begun"]


def test_a_champion_at_what_is_tolerated_wakes_nobody() -> None:
    """200 streams of 5,000 calls at the very rate: a million calls, in which one false beginning is promised on average.

    The chance of more than six is under 1e-4 (Poisson, mean 1, an upper bound of what was measured).
    """
    rng = np.random.default_rng(5)
    begun = sum(bool(turns(rng.random(5_000) < WORST, 1_000)) for _ in range(200))
    assert begun <= 6


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError):
        storm.calm(0.0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 400), st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0])), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 300), min_size=1, max_size=9),
)
def test_however_calls_fall_into_looks_the_same_is_found(
    parts: list[tuple[int, float]], seed: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    failures = np.concatenate([rng.random(size) < share for size, share in parts])
    state, found, at, look = storm.calm(WORST), [], 0, 0
    while at < failures.size:
        state, turn, taken = storm.after(state, failures[at : at + cuts[look % len(cuts)]], worst=WORST)
        at, look = at + taken, look + 1
        found += [(turn, at)] if turn else []
    assert found == turns(failures, failures.size) == turns(failures, 1)


def test_the_end_is_the_one_that_looks_at_fixed_calls_find() -> None:
    """Against bets written down call by call."""
    rng = np.random.default_rng(6)
    failures = np.repeat(rng.choice([0.0, 0.04, 0.05, 0.2], 40), 100) > rng.random(4_000)
    calls = bad = 0
    expected = None
    for at, failed in enumerate(failures.tolist(), 1):
        calls, bad = calls + 1, bad + failed
        if at % storm.EVERY == 0:
            log_e = float(rate_bet.log_e_under(calls, bad, tolerance=WORST))
            if log_e >= storm.OVER_LINE:
                expected = at
                break
            calls, bad = (calls, bad) if log_e > 0 else (0, 0)
    assert expected is not None
    state, turn, taken = storm.after(storm.Storm(None), failures, worst=WORST)
    assert (turn, taken) == ("over", expected)
    assert state.watch is not None


def test_calls_that_all_fail_at_the_end_of_a_long_look_keep_the_storm() -> None:
    rng = np.random.default_rng(7)
    failures = np.concatenate([np.ones(40, dtype=bool), rng.random(40_000) < 0.01, np.ones(1_500, dtype=bool)])
    assert [turn for turn, _ in turns(failures, failures.size)] == ["begun", "over", "begun"]


def test_a_false_end_takes_five_thousand_calls_on_average_at_least() -> None:
    """200 storms at the very rate that is tolerated. The mean's standard error is some 7 % of it."""
    rng = np.random.default_rng(8)
    taken = [storm.after(storm.Storm(None), rng.random(60_000) < WORST, worst=WORST)[2] for _ in range(200)]
    assert np.mean(taken) > 5_000


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_a_million_calls_are_looked_through_in_well_under_a_second_of_cpu(share: float) -> None:
    failures = np.random.default_rng(9).random(1_000_000) < share
    began = time.process_time()
    state = storm.Storm(None)
    at = 0
    while at < failures.size:  # where it is over the rest is still a storm, here
        _, _, taken = storm.after(state, failures[at:], worst=WORST)
        at += max(taken, 200_000)
    assert time.process_time() - began < 1.0
