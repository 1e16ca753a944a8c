"""A few threads for work that may hang: what is late is given up, and what hangs is counted."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from lockgate.errors import PredictError
from lockgate.runtime import bounded
from lockgate.runtime.bounded import Pool


def reason_of(pool: Pool, work: object, deadline_s: float = 5.0) -> str:
    with pytest.raises(PredictError) as caught:
        pool.run(work, deadline_s)  # type: ignore[arg-type]
    return caught.value.reason


def test_work_in_time_gives_what_it_gives():
    assert Pool(1).run(lambda: 7, 5.0) == 7


def test_what_work_raises_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        Pool(1).run(lambda: 1 // 0, 5.0)


def test_late_work_is_given_up_at_its_deadline():
    never = threading.Event()
    began = time.perf_counter()
    assert reason_of(Pool(1), never.wait, 0.05) == "late"
    assert time.perf_counter() - began < 1.0
    never.set()


def test_a_pool_whose_threads_all_hang_is_busy_at_once_and_well_again_when_they_are_done():
    pool, never = Pool(2), threading.Event()
    assert [reason_of(pool, never.wait, 0.02) for _ in range(2)] == ["late", "late"]
    assert pool.hanging == 2
    began = time.perf_counter()
    assert reason_of(pool, lambda: 1, 5.0) == "busy"
    assert time.perf_counter() - began < 0.5
    never.set()
    give_up = time.monotonic() + 5
    while pool.hanging and time.monotonic() < give_up:
        time.sleep(0.005)
    assert pool.hanging == 0
    assert pool.run(lambda: 3, 5.0) == 3


def test_work_given_up_while_it_waited_is_never_begun():
    pool, gate, begun = Pool(1), threading.Event(), threading.Event()
    holder = threading.Thread(target=pool.run, args=(gate.wait, 5.0))
    holder.start()
    while not pool._taken:
        time.sleep(0.001)
    assert reason_of(pool, begun.set, 0.02) == "late"
    assert pool.hanging == 0, "the thread in hand is in time: it does not hang"
    gate.set()
    holder.join(5)
    assert pool.run(lambda: 5, 5.0) == 5
    assert not begun.is_set()


def test_a_step_that_calls_exit_ends_its_call_and_not_the_thread():
    pool = Pool(1)
    assert reason_of(pool, lambda: sys.exit(3)) == "raised"
    assert pool.run(threading.current_thread, 5.0).is_alive()


def test_idle_threads_go_and_come_back(monkeypatch):
    monkeypatch.setattr(bounded, "IDLE_S", 0.02)
    pool = Pool(3)
    thread = pool.run(threading.current_thread, 5.0)
    thread.join(5)
    assert not thread.is_alive()
    assert pool.run(lambda: 1, 5.0) == 1


def test_many_callers_are_all_answered_by_at_most_that_many_threads():
    pool, seen, lock = Pool(3), set(), threading.Lock()
    answers: list[int] = []

    def work(number: int) -> int:
        time.sleep(0.001)
        with lock:
            seen.add(threading.get_ident())
        return number

    def call(number: int) -> None:
        found = pool.run(lambda: work(number), 10.0)
        with lock:
            answers.append(found)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(60)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert sorted(answers) == list(range(60))
    assert len(seen) <= 3


def test_a_system_without_threads_to_give_is_busy_and_the_pool_is_well_again_when_it_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(2)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_thread)
        assert [reason_of(pool, lambda: 1) for _ in range(5)] == ["busy"] * 5
    assert [pool.run(lambda: 3, 5.0) for _ in range(5)] == [3] * 5
    assert pool.hanging == 0


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
