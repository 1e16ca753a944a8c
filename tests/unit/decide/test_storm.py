"""A storm of fallbacks begins when the champion's failures are shown to be too many, and is over when shown to be few."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.decide import storm
from lockgate.errors import SpecError

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
