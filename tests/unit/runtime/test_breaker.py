"""A breaker leaves a version alone that keeps its callers waiting, and tries it again, ever more seldom."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lockgate.runtime.breaker import FIRST_S, LONGEST_S, OPENS_AFTER, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, reason: str = "late") -> Breaker:
    breaker = Breaker(clock)
    for _ in range(OPENS_AFTER):
        assert breaker.admits()
        breaker.saw(reason)
    return breaker


@pytest.mark.parametrize("reason", ["late", "gone", "busy"])
def test_some_costly_failures_in_a_row_open_it(reason: str) -> None:
    breaker = opened(Clock(), reason)
    assert breaker.is_open
    assert not breaker.admits()


def test_a_model_that_raises_for_some_rows_is_never_left_alone() -> None:
    breaker = Breaker(Clock())
    for _ in range(100):
        breaker.saw("raised")
        assert breaker.admits()


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = Breaker(Clock())
    for _ in range(20):
        for _ in range(OPENS_AFTER - 1):
            breaker.saw("late")
        breaker.saw(None)
    assert not breaker.is_open


def test_after_the_pause_one_call_tries_and_its_answer_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += FIRST_S
    assert [bool(breaker.admits()) for _ in range(5)] == [True, False, False, False, False]
    breaker.saw(None)
    assert all(breaker.admits() for _ in range(5))


def test_a_version_that_stays_ill_is_tried_ever_more_seldom_but_always_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    tries: list[float] = []
    while clock.now < 300:
        clock.now += 0.25
        if breaker.admits():
            tries.append(clock.now)
            breaker.saw("late")
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_S


def test_a_call_that_never_comes_back_does_not_keep_it_open_for_good() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += FIRST_S
    assert breaker.admits()  # and nothing is ever heard of that one
    clock.now += LONGEST_S
    assert breaker.admits()


def test_one_hiccup_with_many_calls_in_hand_opens_it_for_the_first_pause_alone() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    in_hand = [breaker.admits() for _ in range(50)]
    for admitted in in_hand:
        breaker.saw("late", admitted)
    clock.now += FIRST_S
    tried = breaker.admits()
    assert tried
    breaker.saw(None, tried)
    assert not breaker.is_open


def test_while_it_is_open_only_the_call_that_tries_counts() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    in_hand = [breaker.admits() for _ in range(OPENS_AFTER + 2)]
    for admitted in in_hand[:OPENS_AFTER]:
        breaker.saw("late", admitted)
    breaker.saw(None, in_hand[OPENS_AFTER])
    assert breaker.is_open
    clock.now += FIRST_S
    tried = breaker.admits()
    breaker.saw("late", in_hand[OPENS_AFTER + 1])
    breaker.saw("late", tried)
    clock.now += 2 * FIRST_S
    assert breaker.admits()
