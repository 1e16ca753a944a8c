"""One model's calls: who is asked, what is logged, and what the other arm says of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from lockgate.decide.assign import assign
from lockgate.errors import Conflict
from lockgate.records import Column, Contract, Prediction, Routing, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.runtime.predictor import Predictor
from lockgate.serve import requests
from lockgate.serve.batch import Batch, from_columns
from lockgate.serve.call import Caller

CONTRACT = Contract(
    model="late",
    columns=(
        Column(name="unit", type="text"),
        Column(name="wait", type="float", low=0.0, high=10.0),
        Column(name="late", type="int", is_known_before=False),
    ),
    target="late",
    unit="unit",
)
Make = Callable[..., Predictor]


def batch(rows: int, *, prefix: str = "r", wait: float = 1.0) -> Batch:
    columns = {
        "unit": np.array([f"u{i}" for i in range(rows)], dtype=object),
        "wait": np.full(rows, wait),
    }
    return from_columns(columns, CONTRACT, prefix=prefix, now_s=100.0)


def routing(**more: Any) -> Routing:
    plain = {"model": "late", "revision": 1, "champion": "c", "baseline": None, "constant": 0.2, "deadline_ms": 2000.0}
    return Routing(**(plain | more))


def canary(share: float, *, shadow: bool = False) -> Routing:
    return routing(challenger="n", share=share, salt="s", rollout="r1", shadow=shadow)


class Log:
    def __init__(self) -> None:
        self.entries: list[LogEntry] = []

    def append(self, entries: Sequence[LogEntry]) -> None:
        self.entries += entries

    def of(self, kind: type[Any]) -> list[Any]:
        return [entry for entry in self.entries if isinstance(entry, kind)]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def pair(predictor: Make) -> Mapping[str, Predictor]:
    return {"c": predictor("c", lambda m: np.full(len(m), 0.3)), "n": predictor("n", lambda m: np.full(len(m), 0.6))}


def test_the_champion_answers_every_row_in_order(log: Log, pair: Mapping[str, Predictor]):
    told = Caller(CONTRACT, routing(), pair, log.append).answer(batch(5))
    assert [p.id for p in told] == [f"r-u{i}" for i in range(5)]
    assert {(p.arm, p.version, p.served_by, p.value, p.share, p.failure) for p in told} == {
        ("champion", "c", "c", 0.3, 0.0, None)
    }
    assert log.entries == told
    assert told[0].inputs == ("u0", 1.0)


def test_rows_go_to_the_arm_that_their_unit_is_assigned_and_keep_their_order(log: Log, pair: Mapping[str, Predictor]):
    told = Caller(CONTRACT, canary(0.4), pair, log.append).answer(batch(200))
    assert [p.unit for p in told] == [f"u{i}" for i in range(200)]
    for p in told:
        assert p.arm == assign("s", p.unit, 0.4)
        assert (p.version, p.value) == (("n", 0.6) if p.arm == "challenger" else ("c", 0.3))
        assert (p.share, p.rollout) == (0.4, "r1")
    assert 40 < sum(p.arm == "challenger" for p in told) < 120


def test_a_failing_challenger_is_answered_for_by_the_champion_and_the_arm_stays(log: Log, pair: Any, predictor: Make):
    broken = predictor("n", lambda m: m.nothing)
    told = Caller(CONTRACT, canary(1.0), pair | {"n": broken}, log.append).answer(batch(3))
    assert {(p.arm, p.version, p.served_by, p.value, p.failure) for p in told} == {
        ("challenger", "n", "c", 0.3, "raised")
    }


def test_predictions_are_in_the_log_before_they_are_returned(pair: Mapping[str, Predictor]):
    def refuse(_: Sequence[LogEntry]) -> None:
        raise RuntimeError("the log comes first")

    with pytest.raises(RuntimeError, match="the log comes first"):
        Caller(CONTRACT, routing(), pair, refuse).answer(batch(1))


def test_a_request_id_that_failed_may_be_asked_again(log: Log, pair: Mapping[str, Predictor]):
    failures = [RuntimeError("once")]

    def append(entries: Sequence[LogEntry]) -> None:
        if failures:
            raise failures.pop()
        log.append(entries)

    caller = Caller(CONTRACT, routing(), pair, append)
    with pytest.raises(RuntimeError):
        caller.answer(batch(1), request="q")
    assert len(caller.answer(batch(1), request="q")) == 1


def test_the_same_id_at_the_same_time_is_answered_once(log: Log, predictor: Make):
    asked: list[int] = []

    def slow(matrix: Any) -> Any:
        asked.append(len(matrix))
        time.sleep(0.1)
        return np.full(len(matrix), len(asked) / 10)

    caller = Caller(CONTRACT, routing(), {"c": predictor("c", slow)}, log.append)
    answers: list[list[Prediction]] = []
    threads = [threading.Thread(target=lambda: answers.append(caller.answer(batch(1), request="q"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(asked) == 1
    assert answers == [answers[0]] * 6
    assert len(log.entries) == 1


def test_an_id_with_other_rows_is_a_conflict(log: Log, pair: Mapping[str, Predictor]):
    caller = Caller(CONTRACT, routing(), pair, log.append)
    caller.answer(batch(2), request="q")
    with pytest.raises(Conflict, match="'q'"):
        caller.answer(batch(2, wait=2.0), request="q")
    with pytest.raises(Conflict):
        caller.answer(batch(3), request="q")
    assert len(log.entries) == 2


def test_only_the_newest_ids_are_remembered(log: Log, pair: Mapping[str, Predictor], monkeypatch: Any):
    monkeypatch.setattr(requests, "REMEMBERED", 3)
    caller = Caller(CONTRACT, routing(), pair, log.append)
    for name in ("a", "b", "c", "a", "d"):
        caller.answer(batch(1, prefix=name), request=name)
    assert len(log.entries) == 4, "a was asked again while it was remembered"
    caller.answer(batch(1, prefix="a"), request="a")
    assert len(log.entries) == 4, "a was used last and b not, so b is the one forgotten"
    caller.answer(batch(1, prefix="b"), request="b")
    assert len(log.entries) == 5


def test_what_is_remembered_is_bounded_in_rows_and_holds_the_last_request_whole(
    log: Log, pair: Mapping[str, Predictor], monkeypatch: Any
):
    monkeypatch.setattr(requests, "REMEMBERED", 10)
    caller = Caller(CONTRACT, routing(), pair, log.append)
    for name, rows in (("a", 4), ("b", 4), ("c", 4), ("huge", 40)):
        caller.answer(batch(rows, prefix=name), request=name)
    assert sum(len(asked.answered.result()) for asked in caller._requests._recent.values()) == 40
    caller.answer(batch(40, prefix="huge"), request="huge")
    assert len(log.entries) == 52, "the last one is answered from memory, however large"


def test_each_call_is_scored_by_the_version_that_did_not_serve_it(log: Log, pair: Mapping[str, Predictor]):
    caller = Caller(CONTRACT, canary(0.5, shadow=True), pair, log.append)
    asked = batch(50)
    told = caller.answer(asked)
    caller.shadow(asked, told)
    by_id = {s.id: s for s in log.of(Shadow)}
    assert len(log.of(Shadow)) == len(by_id) == 50
    for p in told:
        other = by_id[p.id]
        assert (other.version, other.value) == (("c", 0.3) if p.arm == "challenger" else ("n", 0.6))
        assert (other.rollout, other.asked_s, other.failure) == ("r1", 100.0, None)


def test_a_retry_is_not_shadowed_twice(log: Log, pair: Mapping[str, Predictor]):
    caller = Caller(CONTRACT, canary(0.0, shadow=True), pair, log.append)
    for _ in range(3):
        caller.shadow(batch(2), caller.answer(batch(2), request="q"), request="q")
    assert len(log.of(Shadow)) == 2


def test_without_shadow_or_challenger_nothing_is_scored_twice(log: Log, pair: Mapping[str, Predictor]):
    for asked in (routing(shadow=True), canary(0.5)):
        caller = Caller(CONTRACT, asked, pair, log.append)
        assert caller.shadow(batch(2), caller.answer(batch(2))) == []


def test_a_failing_shadow_is_written_down_and_hurts_nobody(log: Log, pair: Any, predictor: Make):
    def one_bad(matrix: Any) -> Any:
        return np.where(matrix[:, 0] > 5, np.nan, 0.6)

    caller = Caller(CONTRACT, canary(0.0, shadow=True), pair | {"n": predictor("n", one_bad)}, log.append)
    columns = {"unit": np.array(["a", "b"], dtype=object), "wait": np.array([1.0, 9.0])}
    asked = from_columns(columns, CONTRACT, prefix="r", now_s=1.0)
    told = caller.answer(asked)
    caller.shadow(asked, told)
    assert [p.value for p in told] == [0.3, 0.3]
    assert [(s.value, s.failure) for s in log.of(Shadow)] == [(0.6, None), (None, "non_finite")]


def test_calls_of_another_rollout_are_not_shadowed_by_this_one(log: Log, pair: Mapping[str, Predictor]):
    caller = Caller(CONTRACT, routing(), pair, log.append)
    asked = batch(2)
    told = caller.answer(asked)
    caller.swap(canary(0.5, shadow=True), pair)
    assert caller.shadow(asked, told) == []


def test_a_table_is_scored_without_deadlines(log: Log, predictor: Make):
    def slow(matrix: Any) -> Any:
        time.sleep(0.05)
        return np.full(len(matrix), 0.3)

    caller = Caller(CONTRACT, routing(deadline_ms=5.0), {"c": predictor("c", slow)}, log.append)
    assert {p.failure for p in caller.score(batch(100))} == {None}
    assert max(p.latency_ms for p in log.of(Prediction)) < 40, "a row's own part of the stretch"
    assert {p.failure for p in caller.answer(batch(100))} == {"late"}


def test_a_swap_never_shows_a_call_half_of_a_move(log: Log, predictor: Make):
    """Every answer belongs to the routing it names, while champions change under four askers."""
    numbers = dict(zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True))
    made = {name: predictor(name, lambda m, v=value: np.full(len(m), v)) for name, value in numbers.items()}
    caller = Caller(CONTRACT, routing(champion="a"), {"a": made["a"]}, log.append)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            caller.answer(batch(3))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for turn in range(200):
        name = "abcd"[turn % 4]
        caller.swap(routing(champion=name, revision=turn + 2), {name: made[name]})
        time.sleep(0.001)
    stop.set()
    for asker in askers:
        asker.join(10)
    assert len({p.version for p in log.of(Prediction)}) == 4
    for p in log.of(Prediction):
        assert (p.version, p.value, p.failure) == (p.served_by, numbers[p.version], None)
